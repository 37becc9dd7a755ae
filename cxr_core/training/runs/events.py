"""The events of a run: what progress.jsonl, the terminal, the heartbeat and the Train page are told.

One JSON object per event; its `event` names the class. Version 0.1 wrote the same keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, get_args

from pydantic import Field

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord, PathText

Measured = Annotated[float, Field(allow_inf_nan=True)]  # NaN where a loss has no value


@dataclass(frozen=True, kw_only=True)
class PreparationProgress(JsonRecord):
    """Films read, decoded or segmented before training. done, total: films of the stage."""

    NAME: ClassVar = "data"
    KEYS: ClassVar = {"total": "of"}
    stage: str
    done: Count
    total: Count


@dataclass(frozen=True, kw_only=True)
class RunBegun(JsonRecord):
    """The run has its folder and its network.

    unmatched: tensors of the initial weights that the network has no place for.  missing: tensors of the network that
    the initial weights lack.
    """

    NAME: ClassVar = "begun"
    run: PathText
    device: str
    processes: Count
    unmatched: tuple[PathText, ...]
    missing: tuple[PathText, ...]


@dataclass(frozen=True, kw_only=True)
class RunResumed(JsonRecord):
    """Training goes on after a step. damaged_checkpoints: what is wrong with later checkpoints."""

    NAME: ClassVar = "resumed"
    step: Count
    damaged_checkpoints: tuple[PathText, ...]


@dataclass(frozen=True, kw_only=True)
class FeaturesCaching(JsonRecord):
    """All films are about to pass the frozen backbone once."""

    NAME: ClassVar = "features"
    films: Count


@dataclass(frozen=True, kw_only=True)
class StageBegun(JsonRecord):
    """What a run does now: it trains, measures, writes a checkpoint or makes its model. It is not kept in the folder.

    done, total: films of the stage; 0 when they are not counted.
    """

    NAME: ClassVar = "stage"
    KEYS: ClassVar = {"total": "of"}
    stage: str
    done: Count = 0
    total: Count = 0


@dataclass(frozen=True, kw_only=True)
class StepDone(JsonRecord):
    """One report every few seconds. loss: mean of the last 50 steps.  device_memory_mb: peak, in MiB, on a GPU.

    eta_s: seconds until the last epoch has ended; None while too few steps have been measured.
    """

    NAME: ClassVar = "step"
    KEYS: ClassVar = {"total_steps": "of"}
    step: Count
    total_steps: Count
    epoch: Count
    loss: Measured
    learning_rate: Measured
    images_per_second: Measured
    eta_s: Measured | None = None
    device_memory_mb: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class EpochDone(JsonRecord):
    """One epoch and its validation. figures: validation metrics by key, such as `validation_auroc`.

    eta_s: as in StepDone.
    """

    NAME: ClassVar = "epoch"
    KEYS: ClassVar = {"total_steps": "of"}
    SPREAD: ClassVar = "figures"
    epoch: Count
    step: Count
    total_steps: Count
    loss: Measured
    validation_loss: Measured
    figures: Mapping[str, Measured]
    learning_rate: Measured
    images_per_second: Measured
    best_epoch: Count
    eta_s: Measured | None = None
    device_memory_mb: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class TrackingEnded(JsonRecord):
    """The run is tracked no longer by another program; it goes on. reason: a sentence."""

    NAME: ClassVar = "tracking"
    reason: PathText


@dataclass(frozen=True, kw_only=True)
class RunFinished(JsonRecord):
    """The model is written. model: its folder.  epoch: the one selected."""

    NAME: ClassVar = "finished"
    model: PathText
    epoch: Count


@dataclass(frozen=True, kw_only=True)
class RunStopped(JsonRecord):
    """The run was asked to stop and has a checkpoint of this step."""

    NAME: ClassVar = "stopped"
    step: Count


@dataclass(frozen=True, kw_only=True)
class RunFailed(JsonRecord):
    """The run ended by an error."""

    NAME: ClassVar = "failed"
    error: PathText


Event = (
    PreparationProgress
    | RunBegun
    | RunResumed
    | FeaturesCaching
    | StageBegun
    | StepDone
    | EpochDone
    | TrackingEnded
    | RunFinished
    | RunStopped
    | RunFailed
)
Report = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """A report that nobody reads."""


# The stages of a run between and after its steps, as its heartbeat names them.
TRAINING = "training"
VALIDATING = "measuring on validation films"
WRITING_CHECKPOINT = "writing a checkpoint"
COMPUTING_OUTPUTS = "computing outputs for calibration"
CALIBRATING = "calibrating and choosing thresholds"
WRITING_MODEL = "writing the model"
WRITING = (WRITING_CHECKPOINT, WRITING_MODEL)  # a slow disk may hold up the heartbeat meanwhile

CLASSES: dict[str, type[Event]] = {kind.NAME: kind for kind in get_args(Event)}


def event_to_json(event: Event) -> JsonObject:
    """The event as one line of progress.jsonl holds it, without the time."""
    return {"event": event.NAME, **event.to_json()}


def event_from_json(record: JsonObject) -> Event | None:
    """The event of `event_to_json`; None for one of an unknown name or with missing values."""
    kind = CLASSES.get(str(record.get("event")))
    if kind is None:
        return None
    content = {key: value for key, value in record.items() if key not in ("event", "time")}
    try:
        return kind.from_json(content)
    except RecordError:
        return None
