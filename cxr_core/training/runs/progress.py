"""How a run is getting on, read from what it has written so far; only what is new is read when asked again."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cxr_core.jobs import files as files

POINTS = 500  # of a curve, at most
LOG_LINES = 40
LOG_BYTES = 16384
STEP, EPOCH = b'"event": "step"', b'"event": "epoch"'
OF_STEPS = {"loss", "learning_rate", "images_per_second", "device_memory_mb"}
OF_EPOCHS = {"loss": "epoch_loss"}
STAGES = {
    "": "Starting.",
    "begun": "Starting to train.",
    "resumed": "Going on from a checkpoint.",
    "features": "Passing every film through the frozen backbone.",
    "step": "Training.",
    "epoch": "Training.",
    "finished": "Finished.",
    "stopped": "Stopped.",
    "failed": "Failed.",
}


@dataclass(frozen=True)
class Curve:
    """A figure over the steps of a run: equally long, by rising step, thinned evenly to POINTS at most."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def extended(self, points: list[tuple[int, float]]) -> "Curve":
        """The curve with more points at its end; the last one is always kept."""
        if not points:
            return self
        steps = (*self.steps, *(step for step, _ in points))
        values = (*self.values, *(value for _, value in points))
        return Curve(steps, values) if len(steps) <= POINTS else _thinned(steps, values)


@dataclass(frozen=True)
class Mark:
    """How far a run's progress.jsonl was read: which file (a resumed run writes a new one), and how many bytes."""

    file: int = 0
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A run's progress at one moment. What the run has not told yet is None.

    stage: what it does now, in words.  done, of: films or steps of that stage.  epoch, epochs: from 1.  curves: by
    name: loss (of the steps), epoch_loss, validation_loss, validation_auroc (or validation_dice), learning_rate,
    images_per_second, device_memory_mb.  log: its last lines, the newest last.
    """

    stage: str = ""
    done: int | None = None
    of: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    best_epoch: int | None = None
    eta_s: float | None = None
    images_per_second: float | None = None
    learning_rate: float | None = None
    device_memory_mb: float | None = None
    quiet_s: float | None = None  # seconds since it last told of anything
    curves: dict[str, Curve] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    mark: Mark = field(default_factory=Mark)


def watch(folder: Path, before: Watched | None = None) -> Watched:
    """How the run in a folder is getting on. before: the last answer for it; then only what is new is read.

    A run that has not told anything yet gives an empty answer. Every curve has POINTS points at most, however long the
    run is.
    """
    progress = folder / files.RUN_PROGRESS
    mark = before.mark if before else Mark()
    if before is None or _file(progress) != mark.file:
        before, mark = (
            Watched(epochs=files.recipe_facts(folder).get("epochs")),
            Mark(_file(progress)),
        )
    lines, offset = _more(progress, mark.offset)
    now = replace(before, mark=Mark(mark.file, offset), curves=_curves(before.curves, lines))
    for event in _last_ones(lines):
        now = _after(now, event)
    beat = files.read(folder, files.HEARTBEAT)
    return replace(
        _at_present(now, beat.get("event", {})), log=_log(folder), quiet_s=_quiet_s(folder, beat)
    )


def _file(progress: Path) -> int:
    try:
        return progress.stat().st_ino
    except OSError:
        return 0


def _more(progress: Path, offset: int) -> tuple[list[bytes], int]:
    """The whole lines after an offset, and the offset after them."""
    try:
        with progress.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except OSError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    return data[:whole].splitlines(), offset + whole


def _curves(before: Mapping[str, Curve], lines: list[bytes]) -> dict[str, Curve]:
    """The curves with what the lines add. Of many lines of steps only as many are read as a curve can show."""
    steps = [line for line in lines if STEP in line]
    chosen = steps[:: max(1, len(steps) // POINTS)]
    points: dict[str, list[tuple[int, float]]] = {}
    for event in _events(chosen + steps[-1:] if len(chosen) < len(steps) else chosen):
        for key in OF_STEPS & event.keys():
            points.setdefault(key, []).append((event["step"], event[key]))
    for event in _events([line for line in lines if EPOCH in line]):
        for key, value in event.items():
            if name := OF_EPOCHS.get(key) or (key if key.startswith("validation_") else ""):
                points.setdefault(name, []).append((event["step"], value))
    return {
        **before,
        **{name: before.get(name, Curve()).extended(found) for name, found in points.items()},
    }


def _last_ones(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """The last event of an epoch and the last event of all, in their order: they tell where the run stands."""
    epoch = next((line for line in reversed(lines) if EPOCH in line), None)
    yield from _events([line for line in (epoch, *lines[-1:]) if line is not None])


def _events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # a line that a full disk cut short
            continue


def _after(now: Watched, event: Mapping[str, Any]) -> Watched:
    """What is known once an event was told."""
    if event.get("event") not in ("step", "epoch"):
        return replace(now, step=event.get("step", now.step))
    same = (
        "epoch",
        "step",
        "best_epoch",
        "eta_s",
        "images_per_second",
        "learning_rate",
        "device_memory_mb",
    )
    told = {name: event[name] for name in same if name in event}
    return replace(now, **told, steps=event.get("of", now.steps))


def _at_present(now: Watched, event: Mapping[str, Any]) -> Watched:
    """With what the run does at this moment, as its pulse says."""
    name = event.get("event", "")
    if name == "data":
        stage = f"{str(event['stage']).capitalize()}."
        return replace(now, stage=stage, done=event["done"], of=event["of"])
    if name == "epoch" and now.steps is not None and event["step"] >= now.steps:
        return replace(
            now, stage="Calibrating and writing the model.", done=now.step, of=now.steps, eta_s=None
        )
    over = name in ("finished", "stopped", "failed")
    return replace(
        now,
        stage=STAGES.get(name, ""),
        done=now.step,
        of=now.steps,
        eta_s=None if over else now.eta_s,
    )


def _log(folder: Path) -> tuple[str, ...]:
    """The last lines of what the run wrote on its screen, else of its own log."""
    lines = files.tail(folder / files.FOLDER / files.OUTPUT, LOG_BYTES)
    return tuple((lines or files.tail(folder / "run.log", LOG_BYTES))[-LOG_LINES:])


def _quiet_s(folder: Path, beat: Mapping[str, Any]) -> float | None:
    """Seconds since a run told of anything, by the clock of the file system; None before it has."""
    try:
        told = os.stat(folder / files.RUN_PROGRESS).st_mtime
    except OSError:
        return None
    return max(0.0, time.time() - told) if beat else None


def _thinned(steps: tuple[int, ...], values: tuple[float, ...]) -> Curve:
    """Points as far apart as lets four fifths of POINTS cover the whole, so that thinning is seldom needed."""
    apart = (steps[-1] - steps[0]) / (0.8 * POINTS)
    kept = [0]
    for index in range(1, len(steps) - 1):
        if steps[index] - steps[kept[-1]] >= apart:
            kept.append(index)
    kept.append(len(steps) - 1)
    return Curve(tuple(steps[index] for index in kept), tuple(values[index] for index in kept))
