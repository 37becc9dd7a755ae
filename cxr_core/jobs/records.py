"""Reads and writes the JSON files of a job folder, also those of version 0.1."""

from dataclasses import dataclass
from pathlib import Path

from cxr_core.jobs.job import EVALUATION_QUEUE
from cxr_core.workspace.json_files import Json, JsonObject
from cxr_core.workspace.process_id import ProcessId


@dataclass(frozen=True, kw_only=True)
class SubmittedTraining:
    """A training run as it was submitted (request.json), but for its recipe, which is recipe.toml.

    data: as given.  folders: the folders that this meant at that time.
    """

    token: str
    recipe: str
    model: str
    data: tuple[str, ...]
    folders: tuple[str, ...]
    device: str
    processes: int = 1
    version: str = "1.0.0"
    retry_of: str = ""
    submitted: float | None = None

    @property
    def queue(self) -> str:
        """The queue that it waits in: that of its device."""
        return self.device

    @classmethod
    def from_json(cls, record: JsonObject) -> "SubmittedTraining":
        """The request in a JSON record; what is missing has its default."""
        return cls(
            token=read_text(record, "token"),
            recipe=read_text(record, "recipe"),
            model=read_text(record, "model"),
            data=read_texts(record, "data"),
            folders=read_texts(record, "folders"),
            device=read_text(record, "device"),
            processes=read_int(record, "processes", 1),
            version=read_text(record, "version", "1.0.0"),
            retry_of=read_text(record, "retry_of"),
            submitted=read_number(record, "submitted"),
        )

    def to_json(self) -> JsonObject:
        """The request as request.json holds it."""
        return {
            "token": self.token,
            "recipe": self.recipe,
            "model": self.model,
            "data": list(self.data),
            "folders": list(self.folders),
            "device": self.device,
            "processes": self.processes,
            "version": self.version,
            "retry_of": self.retry_of,
            "submitted": self.submitted,
        }


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """An evaluation to be made, as request.json holds it.

    model: the name of an installed model, or the folder of a run.  data: folders or names of registered datasets.
    recalibrate: the method of a recalibration that is reported apart; empty for none.
    """

    model: str
    data: tuple[str, ...]
    split: str
    recalibrate: str = ""
    submitted: float | None = None

    @property
    def queue(self) -> str:
        """The queue that it waits in: that of the evaluations."""
        return EVALUATION_QUEUE

    @property
    def run(self) -> Path | None:
        """The folder of the run whose model is evaluated; None for an installed model."""
        path = Path(self.model)
        return path if path.parent.name == "runs" else None

    @classmethod
    def from_json(cls, record: JsonObject) -> "EvaluationRequest | None":
        """The request in a JSON record; None when it is none of an evaluation."""
        before = record.get("wanted")  # of version 0.1
        if isinstance(before, dict):
            record = {**before, "split": before.get("part"), "data": [before.get("data")]}
        elif record.get("kind") != "evaluation":
            return None
        return cls(
            model=read_text(record, "model"),
            data=read_texts(record, "data"),
            split=read_text(record, "split"),
            recalibrate=read_text(record, "recalibrate"),
            submitted=read_number(record, "submitted"),
        )

    def to_json(self) -> JsonObject:
        """The request as request.json holds it."""
        return {
            "kind": "evaluation",
            "model": self.model,
            "data": list(self.data),
            "split": self.split,
            "recalibrate": self.recalibrate,
            "submitted": self.submitted,
        }


@dataclass(frozen=True, kw_only=True)
class QueueEntry:
    """That a job waits (queue.json). queue: which one.  order: the lowest starts next."""

    queue: str
    since: float
    order: int

    @classmethod
    def from_json(cls, record: JsonObject) -> "QueueEntry | None":
        """The entry in a JSON record; None when there is none."""
        if "order" not in record:
            return None
        return cls(
            queue=read_text(record, "device", "cpu"),
            since=read_number(record, "since") or 0.0,
            order=read_int(record, "order", 0),
        )

    def to_json(self) -> JsonObject:
        """The entry as queue.json holds it."""
        return {"device": self.queue, "since": self.since, "order": self.order}


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """Which process carries out a job, or did so last (process.json). With several processes it is torchrun.

    time: of its start, in seconds since 1970.  monotonic: the same by the clock of this boot.
    """

    process: ProcessId
    time: float | None = None
    monotonic: float | None = None

    @classmethod
    def from_json(cls, record: JsonObject) -> "ProcessRecord | None":
        """The process in a JSON record; None when there is none."""
        process = ProcessId.from_json(record)
        if process is None:
            return None
        return cls(
            process=process,
            time=read_number(record, "time"),
            monotonic=read_number(record, "monotonic"),
        )

    def to_json(self) -> JsonObject:
        """The process as process.json holds it."""
        return {**self.process.to_json(), "time": self.time, "monotonic": self.monotonic}


@dataclass(frozen=True, kw_only=True)
class HeartbeatRecord:
    """The last heartbeat of a job (heartbeat.json).

    process: which sent it.  leader: the process of process.json at that time.  event: the last one, without its lists.
    """

    process: ProcessId
    leader: ProcessId | None
    time: float | None = None
    monotonic: float | None = None
    event: JsonObject

    @property
    def event_name(self) -> str:
        """The name of the last event; empty before the first."""
        return read_text(self.event, "event")

    @classmethod
    def from_json(cls, record: JsonObject) -> "HeartbeatRecord | None":
        """The heartbeat in a JSON record; None when there is none."""
        process, event = ProcessId.from_json(record), record.get("event")
        if process is None:
            return None
        return cls(
            process=process,
            leader=ProcessId.from_json(record.get("leader")),
            time=read_number(record, "time"),
            monotonic=read_number(record, "monotonic"),
            event=event if isinstance(event, dict) else {},
        )

    def to_json(self) -> JsonObject:
        """The heartbeat as heartbeat.json holds it."""
        return {
            **self.process.to_json(),
            "leader": self.leader.to_json() if self.leader else None,
            "time": self.time,
            "monotonic": self.monotonic,
            "event": self.event,
        }


@dataclass(frozen=True, kw_only=True)
class EndRecord:
    """How the process of a job ended (end.json); absent when it was killed. state: stopped or failed."""

    state: str
    sentence: str
    time: float | None = None

    @classmethod
    def from_json(cls, record: JsonObject) -> "EndRecord | None":
        """The end in a JSON record; None when there is none."""
        if "state" not in record:
            return None
        return cls(
            state=read_text(record, "state"),
            sentence=read_text(record, "sentence"),
            time=read_number(record, "time"),
        )

    def to_json(self) -> JsonObject:
        """The end as end.json holds it."""
        return {"state": self.state, "sentence": self.sentence, "time": self.time}


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


def read_number(record: JsonObject, key: str) -> float | None:
    """A number of a JSON record; None when it is missing or no number."""
    value = record.get(key)
    return float(value) if isinstance(value, int | float) else None


def read_int(record: JsonObject, key: str, default: int) -> int:
    """A whole number of a JSON record; the default when it is missing or no whole number."""
    value = record.get(key)
    return value if isinstance(value, int) else default
