"""How far a run has come, from the files in its folder; a second look reads only what is new.

Importing this module loads no torch.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cxr_core.training.runs.events import (
    TRAINING,
    VALIDATING,
    WRITING_CHECKPOINT,
    EpochDone,
    Event,
    FeaturesCaching,
    PreparationProgress,
    RunBegun,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStopped,
    StageBegun,
    StepDone,
    TrackingEnded,
    event_from_json,
)
from cxr_core.training.runs.run_files import (
    HEARTBEAT,
    JOB_FOLDER,
    OUTPUT,
    RUN_LOG,
    RUN_PROGRESS,
    parse_event_line,
    read_recipe_values,
    read_tail,
)
from cxr_core.workspace.json_files import JsonObject, read_json_object

MAX_POINTS = 500  # of a curve
MAX_NEW_BYTES = 2**26  # of progress.jsonl that one look reads; the next one goes on
LOG_LINES = 40
LOG_BYTES = 16384
# Thinned points cover a curve with so many, so that it is not thinned again at every new point.
THINNED_SHARE = 0.8
STEP_MARK = b'"event": "step"'  # in a line about a step, as `RunFolder.append_event` writes it
STAGES: Mapping[type[Event], str] = {
    RunBegun: "Starting to train.",
    RunResumed: "Resuming from a checkpoint.",
    FeaturesCaching: "Passing every film through the frozen backbone.",
    StepDone: "Training.",
    EpochDone: "Training.",
    TrackingEnded: "Training.",
    RunFinished: "Finished.",
    RunStopped: "Stopped.",
    RunFailed: "Failed.",
}


STAGES_OF_STEPS = (TRAINING, VALIDATING, WRITING_CHECKPOINT)


@dataclass(frozen=True)
class Curve:
    """A figure over the steps of a run, by rising step, thinned evenly to MAX_POINTS."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def extend(self, points: Sequence[tuple[int, float]]) -> "Curve":
        """The curve with more points at its end; the last one is always kept."""
        if not points:
            return self
        steps = (*self.steps, *(step for step, _ in points))
        values = (*self.values, *(value for _, value in points))
        return Curve(steps, values) if len(steps) <= MAX_POINTS else _thin(steps, values)


@dataclass(frozen=True)
class ReadPosition:
    """How far progress.jsonl was read: which file (a resumed run writes a new one), and how many bytes."""

    file: int = 0
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """The progress of a run at one moment. What the run has not reported yet is None.

    stage: what it does now, in words.  done, total: films or steps of that stage.  unit: film or step.  epoch, epochs:
    from 1.  eta_s: seconds until the last epoch has ended.  curves: by name: loss (of the steps), epoch_loss,
    validation_loss, validation_auroc (or validation_dice), learning_rate, images_per_second, device_memory_mb.
    log: its last lines, the newest last.  quiet_s: seconds since its last event.
    """

    stage: str = ""
    done: int | None = None
    total: int | None = None
    unit: str = "film"
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    best_epoch: int | None = None
    eta_s: float | None = None
    images_per_second: float | None = None
    learning_rate: float | None = None
    device_memory_mb: float | None = None
    quiet_s: float | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    position: ReadPosition = field(default_factory=ReadPosition)


def read_progress(folder: Path, before: RunProgress | None = None) -> RunProgress:
    """The progress of the run in a folder. before: the last answer for it; then only what is new is read.

    A run that has reported nothing yet gives an empty answer. Every curve has at most MAX_POINTS points.
    """
    path = folder / RUN_PROGRESS
    file = _file_number(path)
    if before is None or file != before.position.file:
        epochs = read_recipe_values(folder).get("epochs")
        before = RunProgress(
            epochs=epochs if isinstance(epochs, int) else None, position=ReadPosition(file)
        )
    records, offset = _read_new_records(path, before.position.offset)
    progress = replace(
        before,
        position=ReadPosition(file, offset),
        curves=_extend_curves(before.curves, records),
    )
    for event in _latest_events(records):
        progress = _apply_event(progress, event)
    heartbeat = read_json_object(folder / JOB_FOLDER / HEARTBEAT)
    record = (heartbeat or {}).get("event")
    current_event = event_from_json(record) if isinstance(record, dict) else None
    return replace(
        _apply_current_event(progress, current_event),
        log=_read_log(folder),
        quiet_s=None if heartbeat is None else _seconds_since_last_event(folder),
    )


def _file_number(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _read_new_records(path: Path, offset: int) -> tuple[list[JsonObject], int]:
    """The events on the complete lines after an offset, and the offset after them."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(MAX_NEW_BYTES)
    except OSError:
        return [], offset
    end = content.rfind(b"\n") + 1
    records = [parse_event_line(line) for line in _thin_steps(content[:end].splitlines())]
    return [record for record in records if record is not None], offset + end


def _thin_steps(lines: list[bytes]) -> list[bytes]:
    """The lines of progress.jsonl without most of very many steps: about MAX_POINTS of them are chosen evenly.

    The last two steps are always kept: a full disk may have cut one of them short.
    """
    steps = [number for number, line in enumerate(lines) if STEP_MARK in line]
    kept = {*steps[:: max(1, len(steps) // MAX_POINTS)], *steps[-2:]}
    left_out = set(steps) - kept
    return [line for number, line in enumerate(lines) if number not in left_out]


def _extend_curves(before: Mapping[str, Curve], records: list[JsonObject]) -> dict[str, Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        if record.get("event") not in (StepDone.NAME, EpochDone.NAME):
            continue
        event = event_from_json(record)
        if isinstance(event, StepDone):
            _add_points(points, event.step, _curves_of_step(event))
        elif isinstance(event, EpochDone):
            _add_points(points, event.step, _curves_of_epoch(event))
    extended = {
        name: before.get(name, Curve()).extend(sorted(new, key=lambda point: point[0]))
        for name, new in points.items()
    }
    return {**before, **extended}


def _curves_of_step(event: StepDone) -> dict[str, float | None]:
    return {
        "loss": event.loss,
        "learning_rate": event.learning_rate,
        "images_per_second": event.images_per_second,
        "device_memory_mb": event.device_memory_mb,
    }


def _curves_of_epoch(event: EpochDone) -> dict[str, float | None]:
    return {
        "epoch_loss": event.loss,
        "validation_loss": event.validation_loss,
        "learning_rate": event.learning_rate,  # a fast run reports few steps
        **event.figures,
    }


def _add_points(
    points: dict[str, list[tuple[int, float]]], step: int, values: Mapping[str, float | None]
) -> None:
    for name, value in values.items():
        if value is not None:
            points.setdefault(name, []).append((step, value))


def _latest_events(records: list[JsonObject]) -> list[Event]:
    """The last epoch and the last event of all, in their order; they say how far the run is."""
    epochs = [record for record in records if record.get("event") == EpochDone.NAME]
    events = [event_from_json(record) for record in (*epochs[-1:], *records[-1:])]
    return [event for event in events if event is not None]


def _apply_event(progress: RunProgress, event: Event) -> RunProgress:
    if isinstance(event, StepDone | EpochDone):
        progress = replace(
            progress,
            epoch=event.epoch,
            step=event.step,
            steps=event.total_steps,
            images_per_second=event.images_per_second,
            learning_rate=event.learning_rate,
        )
        if event.device_memory_mb is not None:
            progress = replace(progress, device_memory_mb=event.device_memory_mb)
    if isinstance(event, StepDone):
        return replace(progress, eta_s=event.eta_s)
    if isinstance(event, EpochDone):
        return replace(progress, best_epoch=event.best_epoch, eta_s=event.eta_s)
    if isinstance(event, RunResumed | RunStopped):
        return replace(progress, step=event.step)
    return progress


def _apply_current_event(progress: RunProgress, event: Event | None) -> RunProgress:
    """With what the run does at this moment, as its heartbeat says."""
    if isinstance(event, PreparationProgress):
        stage = f"{event.stage.capitalize()}."
        # A stage that counts to 1 counts no films: it has begun, or it is done.
        done, total = (event.done, event.total) if event.total > 1 else (None, None)
        return replace(progress, stage=stage, done=done, total=total, unit="film", eta_s=None)
    if isinstance(event, StageBegun):
        return _apply_stage(progress, event)
    stage = "Starting." if event is None else STAGES[type(event)]
    progress = _count_steps(replace(progress, stage=stage))
    if isinstance(event, EpochDone) and progress.steps is not None and event.step >= progress.steps:
        return replace(progress, stage="Calibrating and writing the model.", eta_s=None)
    if isinstance(event, RunFinished | RunStopped | RunFailed):
        return replace(progress, eta_s=None)
    return progress


def _apply_stage(progress: RunProgress, event: StageBegun) -> RunProgress:
    """Training, validation and checkpoints belong to the steps; what follows them counts films of its own."""
    progress = replace(progress, stage=f"{event.stage.capitalize()}.")
    if event.stage in STAGES_OF_STEPS:
        return _count_steps(progress)
    counts = (event.done, event.total) if event.total else (None, None)
    return replace(progress, done=counts[0], total=counts[1], unit="film", eta_s=None)


def _count_steps(progress: RunProgress) -> RunProgress:
    return replace(progress, done=progress.step, total=progress.steps, unit="step")


def _read_log(folder: Path) -> tuple[str, ...]:
    """The last lines of what the run wrote to its terminal, else of its own log."""
    lines = read_tail(folder / JOB_FOLDER / OUTPUT, LOG_BYTES)
    return tuple((lines or read_tail(folder / RUN_LOG, LOG_BYTES))[-LOG_LINES:])


def _seconds_since_last_event(folder: Path) -> float | None:
    """By the clock of the file system; None before the first event."""
    try:
        written = os.stat(folder / RUN_PROGRESS).st_mtime
    except OSError:
        return None
    return max(0.0, time.time() - written)


def _thin(steps: tuple[int, ...], values: tuple[float, ...]) -> Curve:
    """The curve with evenly spaced points, its first and last among them."""
    spacing = (steps[-1] - steps[0]) / (THINNED_SHARE * MAX_POINTS)
    kept = [0]
    for index in range(1, len(steps) - 1):
        if steps[index] - steps[kept[-1]] >= spacing:
            kept.append(index)
    kept.append(len(steps) - 1)
    return Curve(tuple(steps[index] for index in kept), tuple(values[index] for index in kept))
