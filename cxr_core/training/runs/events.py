"""The events of a run: what progress.jsonl, the terminal, the heartbeat and the Train page are told.

One JSON object per event; its `event` names the class. Version 0.1 wrote the same keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import JsonRecord


@dataclass(frozen=True, kw_only=True)
class PreparationProgress(JsonRecord):
    """Films read, decoded or segmented before training. done, total: films of the stage."""

    NAME: ClassVar = "data"
    KEYS: ClassVar = {"total": "of"}
    stage: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class RunBegun(JsonRecord):
    """The run has its folder and its network.

    unmatched: tensors of the initial weights that the network has no place for.  missing: tensors of the network that
    the initial weights lack.
    """

    NAME: ClassVar = "begun"
    run: str
    device: str
    processes: int
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunResumed(JsonRecord):
    """Training goes on after a step. damaged_checkpoints: what is wrong with later checkpoints."""

    NAME: ClassVar = "resumed"
    step: int
    damaged_checkpoints: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FeaturesCaching(JsonRecord):
    """All films are about to pass the frozen backbone once."""

    NAME: ClassVar = "features"
    films: int


@dataclass(frozen=True, kw_only=True)
class StepDone(JsonRecord):
    """One report every few seconds. loss: mean of the last 50 steps.  device_memory_mb: peak, in MiB, on a GPU."""

    NAME: ClassVar = "step"
    KEYS: ClassVar = {"total_steps": "of"}
    step: int
    total_steps: int
    epoch: int
    loss: float
    learning_rate: float
    images_per_second: float
    eta_s: float
    device_memory_mb: float | None = None


@dataclass(frozen=True, kw_only=True)
class EpochDone(JsonRecord):
    """One epoch and its validation. figures: validation metrics by key, such as `validation_auroc`."""

    NAME: ClassVar = "epoch"
    KEYS: ClassVar = {"total_steps": "of"}
    SPREAD: ClassVar = "figures"
    epoch: int
    step: int
    total_steps: int
    loss: float
    validation_loss: float
    figures: Mapping[str, float]
    learning_rate: float
    images_per_second: float
    best_epoch: int
    device_memory_mb: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunFinished(JsonRecord):
    """The model is written. model: its folder.  epoch: the one selected."""

    NAME: ClassVar = "finished"
    model: str
    epoch: int


@dataclass(frozen=True, kw_only=True)
class RunStopped(JsonRecord):
    """The run was asked to stop and has a checkpoint of this step."""

    NAME: ClassVar = "stopped"
    step: int


@dataclass(frozen=True, kw_only=True)
class RunFailed(JsonRecord):
    """The run ended by an error."""

    NAME: ClassVar = "failed"
    error: str


Event = (
    PreparationProgress
    | RunBegun
    | RunResumed
    | FeaturesCaching
    | StepDone
    | EpochDone
    | RunFinished
    | RunStopped
    | RunFailed
)
Report = Callable[[Event], None]

CLASSES: dict[str, type[Event]] = {
    kind.NAME: kind
    for kind in (
        PreparationProgress,
        RunBegun,
        RunResumed,
        FeaturesCaching,
        StepDone,
        EpochDone,
        RunFinished,
        RunStopped,
        RunFailed,
    )
}


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
