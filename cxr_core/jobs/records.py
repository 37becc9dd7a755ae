"""Reads and writes the JSON files of a job folder, also those of version 0.1."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from cxr_core.jobs.job import EVALUATION_QUEUE
from cxr_core.workspace.json_files import Json, JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord, PathText
from cxr_core.workspace.process_id import ProcessId

MAX_SECONDS = 1e11  # since 1970 or the boot; the year 5138
Timestamp = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Monotonic = Annotated[float, Field(ge=-MAX_SECONDS, le=MAX_SECONDS)]


@dataclass(frozen=True, kw_only=True)
class SubmittedTraining(JsonRecord):
    """A training run as it was submitted (request.json), but for its recipe, which is recipe.toml.

    data: as given.  folders: the folders that this meant at that time.  members: of a run that averages others.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    token: str = ""
    recipe: str = ""
    model: str = ""
    data: tuple[PathText, ...] = ()
    folders: tuple[PathText, ...] = ()
    device: str = ""
    processes: Annotated[int, Field(ge=1, le=4096)] = 1
    version: str = "1.0.0"
    retry_of: str = ""
    submitted: Timestamp | None = None
    members: tuple[PathText, ...] = ()

    @property
    def queue(self) -> str:
        """The queue that it waits in: that of its device."""
        return self.device


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest(JsonRecord):
    """An evaluation to be made, as request.json holds it.

    model: the name of an installed model, or the folder of a run.  data: folders or names of registered datasets.
    recalibrate: the method of a recalibration that is reported apart; empty for none.
    outside_population: whether films of patients whom the model is not for are measured apart.
    folds: of a cross-validation, which is then what `model` names; 0 for an evaluation of one model.  device: whose
    queue it waits in, behind the runs that it needs; empty for the queue of evaluations.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    kind: Literal["evaluation"] = "evaluation"
    model: PathText = ""
    data: tuple[PathText, ...] = ()
    split: str = ""
    recalibrate: str = ""
    outside_population: bool = False
    submitted: Timestamp | None = None
    folds: Count = 0
    device: str = ""

    @property
    def queue(self) -> str:
        """The queue that it waits in: that of the evaluations, unless it names a device."""
        return self.device or EVALUATION_QUEUE

    @property
    def run(self) -> Path | None:
        """The folder of the run whose model is evaluated; None for an installed model."""
        path = Path(self.model)
        return path if path.parent.name == "runs" else None


@dataclass(frozen=True, kw_only=True)
class SearchRequest(EvaluationRequest):
    """A search for the best settings of a recipe, which lies beside request.json with its space.

    model: the name of the recipe.  trials: how many are wanted.  validation_splits: on how many each is trained.
    device: whose queue it waits in.
    """

    kind: Literal["search"] = "search"  # type: ignore[assignment]
    trials: Annotated[int, Field(ge=1, le=10_000)] = 30
    validation_splits: Annotated[int, Field(ge=1, le=10_000)] = 1

    @property
    def run(self) -> Path | None:
        """None: it is of no run."""
        return None


@dataclass(frozen=True, kw_only=True)
class ScoringRequest(EvaluationRequest):
    """An archive to be scored by the installed models. data: as `cxr_core score` takes it."""

    kind: Literal["scoring"] = "scoring"  # type: ignore[assignment]

    @property
    def run(self) -> Path | None:
        """None: it is of no run."""
        return None


def parse_request(record: JsonObject) -> SubmittedTraining | EvaluationRequest:
    """What request.json asks for. Raises RecordError."""
    before = record.get("wanted")  # of version 0.1
    if isinstance(before, dict):
        data, split = [before.get("data")], before.get("part")
        record = {**before, "kind": "evaluation", "data": data, "split": split}
    if record.get("kind") == "search":
        return SearchRequest.from_json(record)
    if record.get("kind") == "scoring":
        return ScoringRequest.from_json(record)
    if record.get("kind") == "evaluation":
        return EvaluationRequest.from_json(record)
    return SubmittedTraining.from_json(record)


@dataclass(frozen=True, kw_only=True)
class QueueEntry(JsonRecord):
    """That a job waits (queue.json). queue: which one.  order: the lowest starts next."""

    KEYS: ClassVar[Mapping[str, str]] = {"queue": "device"}
    WRITES_DEFAULTS: ClassVar[bool] = True

    queue: str = "cpu"
    since: Timestamp = 0.0
    order: int


@dataclass(frozen=True, kw_only=True)
class ProcessRecord(JsonRecord):
    """Which process carries out a job, or did so last (process.json). With several processes it is torchrun.

    time: of its start, in seconds since 1970.  monotonic: the same by the clock of this boot.
    former_figures: of an evaluation, the stamp of the figures that were there before, see `files.stamp_figures`; None
    in records of earlier versions.
    """

    process: ProcessId
    time: Timestamp | None = None
    monotonic: Monotonic | None = None
    former_figures: str | None = None

    def to_json(self) -> JsonObject:
        """The process as process.json holds it."""
        own = {"time": self.time, "monotonic": self.monotonic}
        former = {} if self.former_figures is None else {"former_figures": self.former_figures}
        return {**self.process.to_json(), **own, **former}

    @model_validator(mode="before")
    @classmethod
    def _gather_process(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {**content, "process": ProcessId.from_json(content)}


@dataclass(frozen=True, kw_only=True)
class HeartbeatRecord(JsonRecord):
    """The last heartbeat of a job (heartbeat.json).

    process: which sent it.  leader: the process of process.json at that time.  event: the last one, without its lists.
    """

    process: ProcessId
    leader: ProcessId | None = None
    time: Timestamp | None = None
    monotonic: Monotonic | None = None
    event: dict[str, Any] = field(default_factory=dict)

    @property
    def event_name(self) -> str:
        """The name of the last event; empty before the first."""
        return read_text(self.event, "event")

    def to_json(self) -> JsonObject:
        """The heartbeat as heartbeat.json holds it."""
        return {
            **self.process.to_json(),
            "leader": self.leader.to_json() if self.leader else None,
            "time": self.time,
            "monotonic": self.monotonic,
            "event": self.event,
        }

    @model_validator(mode="before")
    @classmethod
    def _gather_processes(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        leader = ProcessId.from_json(content.get("leader"))
        return {**content, "process": ProcessId.from_json(content), "leader": leader}


@dataclass(frozen=True, kw_only=True)
class EndRecord(JsonRecord):
    """How the process of a job ended (end.json); absent when it was killed. state: stopped or failed."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    state: str
    sentence: str = ""
    time: Timestamp | None = None


def read_text(record: JsonObject, key: str, default: str = "") -> str:
    """A text of a JSON record; the default when it is missing or no text."""
    value = record.get(key)
    return value if isinstance(value, str) else default


def read_texts(record: JsonObject, key: str) -> tuple[str, ...]:
    """A list of texts of a JSON record; empty when it is missing or no list."""
    value: Json = record.get(key)
    if not isinstance(value, list):
        return ()
    return tuple(entry for entry in value if isinstance(entry, str))


def read_time(record: JsonObject, key: str) -> float | None:
    """A time of a JSON record, in seconds; None when it is missing or none."""
    value = record.get(key)
    if isinstance(value, int | float) and 0 <= value <= MAX_SECONDS:
        return float(value)
    return None


def read_int(record: JsonObject, key: str, default: int) -> int:
    """A whole number of a JSON record; the default when it is missing or no whole number."""
    value = record.get(key)
    return value if isinstance(value, int) else default
