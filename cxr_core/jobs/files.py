"""What lies beside a run for whoever starts and watches it: <run>/job/, each file whole or absent.

request.json, recipe.toml   what was asked for; never changed
queue.json                  it waits, since when and at which place; removed as it starts
process.json                who runs it, or ran it last
heartbeat.json              the last sign of that process, and what it did then
stop.json                   that process was asked to stop
end.json                    how that process ended; absent when it was killed
lock                        held by that process as long as it lives, so that no file need say that it does
output.log                  all that it wrote on its screen
"""

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cxr_core.errors import RunError
from cxr_core.jobs.process_id import Name, is_held
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace

FOLDER = "job"
REQUEST, RECIPE, QUEUE, PROCESS = "request.json", "recipe.toml", "queue.json", "process.json"
HEARTBEAT, STOP, END, LOCK, OUTPUT = "heartbeat.json", "stop.json", "end.json", "lock", "output.log"
RUN_RECIPE, RUN_MANIFEST, RUN_PROGRESS, RUN_LOCK = (
    "recipe.toml",
    "manifest.json",
    "progress.jsonl",
    ".lock",
)
TAIL_BYTES = 65536

Record = dict[str, Any]


def runs_folder() -> Path:
    """Where the workspace keeps its runs, as an absolute path."""
    return Path(os.path.abspath(workspace())) / "runs"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Be the only one that changes the line of runs that wait. Raises RunError when the workspace cannot be written."""
    runs = runs_folder()
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with FileLock(runs / ".line.lock", timeout=30):
            yield
    except Timeout:
        raise RunError(
            f"another process has been changing the queue in {runs} for 30 s; try again"
        ) from None
    except OSError as error:
        raise RunError(
            f"{runs} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error


def run_folders() -> list[Path]:
    """Every run of the workspace, those that wait for their start too, in no order."""
    try:
        found = [
            Path(entry.path)
            for entry in os.scandir(runs_folder())
            if not entry.name.startswith(".")
        ]
    except OSError:
        return []
    return [folder for folder in found if _is_run(folder)]


def folder_of(run: str) -> Path:
    """The folder of a run by its id. Raises RunError when there is none."""
    folder = runs_folder() / run
    if not re.fullmatch(r"\w[\w.+-]*", run) or not _is_run(folder):
        raise RunError(
            f"there is no run {run!r} in {runs_folder()}; it was deleted, or the address is mistyped"
        )
    return folder


def read(run: Path, name: str) -> Record:
    """One of the files as a dictionary; empty when it is absent or no such thing."""
    try:
        with open(
            f"{run}/{FOLDER}/{name}", "rb"
        ) as file:  # hundreds at a time, most of them absent
            found = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(run: Path, name: str, record: Record, lasting: bool = True) -> None:
    """Write one of the files in one step. Raises RunError when the disk is full or the run is gone.

    lasting: wait until it is on the disk, so that a power cut does not take it back.
    """
    place = run / FOLDER
    try:
        place.mkdir(exist_ok=True)
        atomic_write(place / name, json.dumps(record), durable=lasting)
    except OSError as error:
        raise RunError(
            f"{place} cannot be written: {error.strerror}; free space, or mend the disk"
        ) from error


def drop(run: Path, *names: str) -> None:
    """Remove some of the files, if they are there."""
    for name in names:
        (run / FOLDER / name).unlink(missing_ok=True)


def is_run_live(run: Path) -> bool:
    """Whether somebody trains in this folder, or prepares to: told by the locks, which a process cannot outlive."""
    return is_held(run / FOLDER / LOCK) or is_held(run / RUN_LOCK)


def process_of(run: Path) -> Name | None:
    """The process that runs it, or ran it last: torchrun where it starts several."""
    return Name.read(read(run, PROCESS))


def can_go_on(run: Path) -> bool:
    """Whether the run has got as far as a folder of its own, so that it is resumed rather than begun."""
    return (run / RUN_RECIPE).is_file() and (run / RUN_MANIFEST).is_file()


def is_mean(run: Path) -> bool:
    """Whether the run is a mean of others, which is made at once and has nothing to go on from."""
    try:
        return "averaged" in json.loads((run / RUN_MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def recipe_facts(run: Path) -> Record:
    """The fields of the run's recipe as they are written, unchecked; empty when they cannot be read."""
    for place in (run / RUN_RECIPE, run / FOLDER / RECIPE):
        try:
            return tomllib.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return {}


def first_event(run: Path) -> Record:
    """The first event that the run told; empty before it."""
    try:
        with (run / RUN_PROGRESS).open("rb") as file:
            return dict(json.loads(file.readline()))
    except (OSError, ValueError):
        return {}


def last_event(run: Path) -> Record:
    """The last whole event that the run told; empty before it."""
    for line in reversed(tail(run / RUN_PROGRESS)):
        try:
            return dict(json.loads(line))
        except ValueError:
            continue
    return {}


def tail(path: Path, size: int = TAIL_BYTES) -> list[str]:
    """The last whole lines of a file, of `size` bytes at most; none when it is absent."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return [line.decode("utf-8", "replace") for line in lines[1 if length > size else 0 : -1]]


def _is_run(folder: Path) -> bool:
    return (folder / FOLDER / REQUEST).is_file() or (folder / RUN_RECIPE).is_file()
