"""What a run will take, from a few of its steps measured in a process apart."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cxr_core.data.prepare import resolve_folders
from cxr_core.jobs.job import TrainingRequest
from cxr_core.training.engine.device import require_device
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.workspace.paths import ROOT

PROGRAM = "cxr_core.jobs.estimate_worker"
ASK_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Time and memory of a whole run, or why they cannot be told.

    duration_s: of training and validation, all epochs; None = cannot be told.  memory_mb: the most that the process (on
    a CPU) or the device (CUDA) held while probing.  films: that are learnt from; undecoded: of them, those that have
    yet to be decoded, which is not in duration_s.  sentence: all of it in words, or why there is no estimate.
    """

    duration_s: float | None
    memory_mb: float | None
    images_per_second: float | None
    films: int | None
    undecoded: int | None
    sentence: str


def estimate(
    request: TrainingRequest, stop: Callable[[], bool] = lambda: False, limit_s: float = 20.0
) -> Estimate:
    """Measure a few steps of a recipe on its device, as large as they will be. Takes limit_s at most, and blocks.

    stop: asked ten times a second; True ends the probe. What the probe dies of (memory, say) is told by the answer's
    sentence. Raises RunError or DataError for a device or data that is not there.
    """
    device = require_device(request.device, request.processes, request.recipe.batch_size)
    folders = [os.path.abspath(folder) for folder in resolve_folders(request.data)]
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place) / "recipe.toml"
        recipe.write_text(format_recipe(request.recipe), encoding="utf-8")
        asked = {
            "recipe": str(recipe),
            "folders": folders,
            "device": device,
            "processes": request.processes,
        }
        found, why = _probe(asked, stop, limit_s)
    return _estimate(request, device, found, why)


def _probe(
    asked: dict[str, Any], stop: Callable[[], bool], limit_s: float
) -> tuple[dict[str, Any], str]:
    """What the process told until it ended, was stopped or had no more time, and why it told no more."""
    ends, lines = time.monotonic() + limit_s, queue.SimpleQueue[str]()
    found: dict[str, Any] = {}
    program = [sys.executable, "-W", "ignore", "-m", PROGRAM]
    with subprocess.Popen(
        program,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.close()
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        why = ""
        while reader.is_alive() and not why:
            reader.join(ASK_EVERY_S)
            why = (
                "The probe was stopped."
                if stop()
                else ""
                if time.monotonic() < ends
                else _too_slow(limit_s)
            )
        process.kill()
        reader.join()
        ended = process.wait()
    while not lines.empty():
        found |= json.loads(lines.get())
    if not why and ended != 0:
        why = "The probe was ended by the system, most likely for want of memory. Lower the batch size or the input side."
    return found, found.get("why") or why


def _read(stream: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    for line in stream:
        if line.endswith("\n"):  # a last one may be cut short
            lines.put(line)


def _too_slow(limit_s: float) -> str:
    return f"Not one step could be measured within {limit_s:.0f} s; the machine is busy, or the recipe is large."


def _estimate(request: TrainingRequest, device: str, found: dict[str, Any], why: str) -> Estimate:
    films = found["train"] + found["val"] if "val" in found else None
    if "step_s" not in found or films is None or why.startswith("The probe was stopped"):
        return Estimate(
            duration_s=None,
            memory_mb=None,
            images_per_second=None,
            films=films,
            undecoded=found.get("undecoded"),
            sentence=why or "The probe ended without a figure.",
        )
    recipe = request.recipe
    steps = found["train"] // min(recipe.batch_size, max(1, found["train"]))
    duration_s = recipe.epochs * (
        steps * found["step_s"] + found["val"] * found["validation_film_s"]
    )
    duration_s += films * found.get("feature_film_s", 0.0)
    memory_mb = found["memory_mb"] * (request.processes if device == "cpu" else 1)
    speed = recipe.batch_size / found["step_s"]
    return Estimate(
        duration_s=duration_s,
        memory_mb=memory_mb,
        images_per_second=speed,
        films=films,
        undecoded=found["undecoded"],
        sentence=_sentence(recipe.epochs, duration_s, memory_mb, speed, found),
    )


def _sentence(
    epochs: int, duration_s: float, memory_mb: float, speed: float, found: dict[str, Any]
) -> str:
    took = f"About {_duration(duration_s)} for {epochs} epoch{'s' if epochs > 1 else ''}"
    measured = f"measured over {found['steps']} steps at {speed:.0f} images/s"
    said = f"{took} of {found['train']:,} films, and {_memory(memory_mb)} of memory; {measured}."
    if found["undecoded"]:
        said += f" Decoding {found['undecoded']:,} films comes before it."
    if found["outlined"]:
        said += f" So does outlining the hearts on {found['outlined']:,}."
    return said


def _duration(duration_s: float) -> str:
    if duration_s < 90:
        return f"{max(1.0, duration_s):.0f} s"
    return f"{duration_s / 60:.0f} min" if duration_s < 5400 else f"{duration_s / 3600:.1f} h"


def _memory(memory_mb: float) -> str:
    return f"{memory_mb:.0f} MiB" if memory_mb < 1024 else f"{memory_mb / 1024:.1f} GiB"
