"""Estimates the time and memory of a training run from a few of its steps, measured in a child process."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cxr_core.data.prepare import resolve_data
from cxr_core.errors import Cancelled
from cxr_core.jobs.job import TrainingRequest
from cxr_core.presentation.wording import format_count, format_duration
from cxr_core.training.engine.device import require_device
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.workspace.child_process import (
    PATIENCE_FOR_STATUS_S,
    ChildEnded,
    ChildProcess,
    ChildTimedOut,
)
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import JsonRecord
from cxr_core.workspace.log import log_task

WORKER = "cxr_core.jobs.estimate_worker"
STOPPED = "The estimate was stopped."
KILLED = "The measurement was ended by the system, most likely for want of memory. Lower the batch size or input side."


@dataclass(frozen=True, kw_only=True)
class Measurements(JsonRecord):
    """What the child process has measured so far. None = not yet.

    train, val: films of each split.  undecoded, unsegmented: of them, still to be decoded, or to be segmented.
    feature_film_s, validation_film_s, output_film_s, step_s: seconds per film or step; output_film_s of the pass after
    training that the model is calibrated with.  steps: that were measured.  memory_mb: peak.
    error: why it could measure no more.
    """

    KEYS: ClassVar = {"unsegmented": "outlined", "error": "why"}

    train: int | None = None
    val: int | None = None
    undecoded: int | None = None
    unsegmented: int = 0
    feature_film_s: float = 0.0
    validation_film_s: float | None = None
    output_film_s: float = 0.0
    step_s: float | None = None
    steps: int = 0
    memory_mb: float | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Time and memory of a whole run, or why they cannot be estimated.

    duration_s: of training and validation, all epochs, and of calibration; None = unknown.  memory_mb: peak of the
    process (on a CPU) or of the device (CUDA) during the measurement.  films: that the run trains and validates on.
    undecoded: of them, those still to be decoded, which duration_s does not include.  sentence: all of it in words, or
    why there is no estimate.
    """

    duration_s: float | None
    memory_mb: float | None
    images_per_second: float | None
    films: int | None
    undecoded: int | None
    sentence: str


@log_task("estimate")
def estimate(
    request: TrainingRequest, stop: Callable[[], bool] = lambda: False, limit_s: float = 20.0
) -> Estimate:
    """Measure a few steps of a recipe on its device, at their full size. Takes limit_s at most, and blocks.

    stop: asked ten times a second; True ends the measurement. Where the measurement ends early, of memory for example,
    the sentence says why. Raises RunError or DataError for a device or data that is not there.
    """
    device = require_device(request.device, request.processes, request.recipe.batch_size)
    folders = list(resolve_data(request.data))
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place) / "recipe.toml"
        recipe.write_text(format_recipe(request.recipe), encoding="utf-8")
        task: JsonObject = {
            "recipe": str(recipe),
            "folders": [*folders],
            "device": device,
            "processes": request.processes,
        }
        measured, reason = _measure(task, stop, limit_s)
    return _extrapolate(request, device, measured, reason)


def _measure(
    task: JsonObject, stop: Callable[[], bool], limit_s: float
) -> tuple[Measurements, str]:
    """What the child process measured until it ended, was stopped or had no more time, and why it measured no more."""
    deadline = time.monotonic() + limit_s
    messages: JsonObject = {}
    reason = ""
    child = ChildProcess(WORKER)
    try:
        child.send(task)
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            messages |= child.receive(time_limit_s=left_s, stop=stop)
    except Cancelled:
        reason = STOPPED
    except ChildTimedOut:
        reason = f"Not one step could be measured within {limit_s:.0f} s; the machine is busy, or the recipe is large."
    except ChildEnded:
        pass
    finally:
        status = child.end(PATIENCE_FOR_STATUS_S)
    measured = Measurements.from_json(messages)
    if not reason and status != 0:
        reason = KILLED
    return measured, measured.error or reason


def _extrapolate(
    request: TrainingRequest, device: str, measured: Measurements, reason: str
) -> Estimate:
    """From the measured steps to the whole run."""
    train, val, step_s = measured.train, measured.val, measured.step_s
    films = None if train is None or val is None else train + val
    if train is None or val is None or step_s is None or reason == STOPPED:
        return Estimate(
            duration_s=None,
            memory_mb=None,
            images_per_second=None,
            films=films,
            undecoded=measured.undecoded,
            sentence=reason or "The measurement ended without a figure.",
        )
    recipe = request.recipe
    steps = train // min(recipe.batch_size, max(1, train))
    duration_s = recipe.epochs * (steps * step_s + val * (measured.validation_film_s or 0.0))
    duration_s += (train + val) * (measured.feature_film_s + measured.output_film_s)
    memory_mb = measured.memory_mb or 0.0
    if device == "cpu":
        memory_mb *= request.processes
    speed = recipe.batch_size / step_s
    return Estimate(
        duration_s=duration_s,
        memory_mb=memory_mb,
        images_per_second=speed,
        films=films,
        undecoded=measured.undecoded,
        sentence=_describe(recipe.epochs, train, duration_s, memory_mb, speed, measured),
    )


def _describe(
    epochs: int,
    train: int,
    duration_s: float,
    memory_mb: float,
    speed: float,
    measured: Measurements,
) -> str:
    sentence = (
        f"About {format_duration(max(1.0, duration_s))} for {format_count(epochs, 'epochs')} of "
        f"{format_count(train, 'films')}, and {_format_memory(memory_mb)} of memory; measured over "
        f"{format_count(measured.steps, 'steps')} at {speed:.0f} images/s."
    )
    if measured.undecoded:
        sentence += f" Decoding {format_count(measured.undecoded, 'films')} comes before it."
    if measured.unsegmented:
        sentence += f" So does segmenting the hearts on {measured.unsegmented:,}."
    return sentence


def _format_memory(memory_mb: float) -> str:
    return f"{memory_mb:.0f} MiB" if memory_mb < 1024 else f"{memory_mb / 1024:.1f} GiB"
