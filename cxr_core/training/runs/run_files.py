"""The names of all files in a run's folder, and what can be read from them without loading torch.

recipe.toml       the resolved recipe                  checkpoints/  see engine/checkpoint.py
manifest.json     data and split hashes, counts        model/        the finished model folder
progress.jsonl    a JSON line per event                evaluation/   what train.evaluate wrote
run.log           the events in words                  .lock         held while a process trains here
split/            a copy of the saved split, where the recipe names one
annotation.json   what people wrote about it

job/request.json, job/recipe.toml    what was submitted; never changed
job/queue.json                       waiting time and place in the queue; removed at the start
job/process.json                     the process that runs it, or ran it last
job/heartbeat.json                   the last heartbeat of that process, with its last event
job/stop.json                        that process was asked to stop
job/end.json                         how that process ended; absent when it was killed
job/progress.jsonl                   events of an evaluation; a run has its own, see above
job/output.log                       what it wrote to its terminal
"""

import os
import tomllib
from pathlib import Path

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import JsonObject, parse_json, read_bounded, read_json_object

RUN_RECIPE, RUN_MANIFEST, RUN_PROGRESS = "recipe.toml", "manifest.json", "progress.jsonl"
RUN_LOG, RUN_LOCK, RUN_SPLIT = "run.log", ".lock", "split"
CHECKPOINTS, MODEL, EVALUATION = "checkpoints", "model", "evaluation"

JOB_FOLDER = "job"
REQUEST, JOB_RECIPE, QUEUE, PROCESS = "request.json", "recipe.toml", "queue.json", "process.json"
HEARTBEAT, STOP, END, OUTPUT = "heartbeat.json", "stop.json", "end.json", "output.log"

MAX_RECIPE_BYTES = 2**20
TAIL_BYTES = 65536


def has_run(folder: Path) -> bool:
    """Whether a folder holds a run that has begun: its recipe and its manifest."""
    return (folder / RUN_RECIPE).is_file() and (folder / RUN_MANIFEST).is_file()


def recipe_file(folder: Path) -> Path:
    """The recipe of a run that has begun, else the one submitted."""
    submitted = folder / JOB_FOLDER / JOB_RECIPE
    begun = folder / RUN_RECIPE
    return submitted if submitted.is_file() and not begun.is_file() else begun


def read_recipe_values(folder: Path) -> JsonObject:
    """The recipe of a run as written, unchecked; empty when it cannot be read."""
    for path in (folder / RUN_RECIPE, folder / JOB_FOLDER / JOB_RECIPE):
        try:
            return tomllib.loads(read_bounded(path, MAX_RECIPE_BYTES).decode())
        except (OSError, ValueError, RecursionError, RecordError):
            continue
    return {}


def made_without_training(folder: Path) -> str:
    """The command that made a run of other models' weights, at once: it cannot be resumed. "" for a run that trains."""
    manifest = read_json_object(folder / RUN_MANIFEST) or {}
    if "refitted" in manifest:
        return "python -m train.refit"
    return "python -m train.average" if "averaged" in manifest else ""


def last_checkpoint_step(folder: Path) -> int | None:
    """The step of the last checkpoint, which is not read; None when there is none."""
    names = [path.name.removeprefix("step_") for path in (folder / CHECKPOINTS).glob("step_*")]
    return max((int(name) for name in names if name.isdigit()), default=None)


def read_first_event(folder: Path) -> JsonObject:
    """The first event of a run; empty before it."""
    try:
        with (folder / RUN_PROGRESS).open("rb") as file:
            return parse_event_line(file.readline(TAIL_BYTES)) or {}
    except OSError:
        return {}


def read_last_event(folder: Path) -> JsonObject:
    """The last complete event of a run; empty before it."""
    for line in reversed(read_tail(folder / RUN_PROGRESS)):
        event = parse_event_line(line)
        if event is not None:
            return event
    return {}


def parse_event_line(line: str | bytes) -> JsonObject | None:
    """The event of one line of progress.jsonl; None for a line that a kill or a full disk cut short."""
    try:
        event = parse_json(line, finite=False)
    except RecordError:
        return None
    return event if isinstance(event, dict) else None


def read_tail(path: Path, size: int = TAIL_BYTES) -> list[str]:
    """The last complete lines of a file, `size` bytes at most; none when it is absent."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    first = 1 if length > size else 0  # the first of a part of a file is cut off
    return [line.decode("utf-8", "replace") for line in lines[first:-1]]
