"""Finds and reads what jobs leave in their folders, for whoever starts and watches them.

Each job has its files in <folder>/job/; run_files.py has their names. The folder of a training run is
<workspace>/runs/RUN, that of an evaluation is the folder of its figures. A run writes its events to progress.jsonl at
the top of its folder, an evaluation to job/progress.jsonl.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from cxr_core.errors import RecordError, RunError
from cxr_core.jobs.records import (
    EndRecord,
    EvaluationRequest,
    HeartbeatRecord,
    ProcessRecord,
    QueueEntry,
    SubmittedTraining,
    parse_request,
)
from cxr_core.training.runs import run_files
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import Json, JsonObject, read_object
from cxr_core.workspace.jsonl import read_jsonl
from cxr_core.workspace.paths import workspace
from cxr_core.workspace.process_id import ProcessId
from cxr_core.workspace.process_lock import find_lock_holder

METRICS = "metrics.json"  # of an evaluation
SCORING_FINISHED = "scores/manifest.json"  # of a scoring, written last
SCORING_REQUESTS = "scores/requests.jsonl"  # of a scoring: what each command was asked for
SEARCH_FINISHED = "finished.json"  # of a search whose trials have all ended
JOB_TAG = "CXR_JOB"  # the environment of a job's processes holds the job's folder under this name
MAX_BYTES = 2**20  # of one of a job's files
Record = TypeVar("Record")
EVALUATIONS = (
    "evaluations/[!.]*",
    "runs/[!.]*/evaluation",
    "runs/[!.]*/evaluation/[!.]*",
    "searches/[!.]*",
    "scorings/[!.]*",
)


def runs_folder() -> Path:
    """Where the workspace keeps its runs, as an absolute path."""
    return Path(os.path.abspath(workspace())) / "runs"


@contextlib.contextmanager
def queue_lock() -> Iterator[None]:
    """Keep every other process from changing the queues. Raises RunError when the workspace cannot be written."""
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


def list_job_folders() -> list[Path]:
    """The folders of all jobs of the workspace, training runs and evaluations, in no order."""
    return [*list_run_folders(), *list_evaluation_job_folders()]


def list_run_folders() -> list[Path]:
    """The folders of all runs, including those that wait for their start, in no order."""
    try:
        entries = [entry for entry in os.scandir(runs_folder()) if entry.name[0] != "."]
    except OSError:
        return []
    return [Path(entry.path) for entry in entries if _is_run(Path(entry.path))]


def list_evaluation_job_folders() -> list[Path]:
    """The folders of all evaluations, searches and scorings that are or were jobs, in the order of their paths."""
    root = runs_folder().parent
    folders: list[Path] = []
    for pattern in EVALUATIONS:
        with contextlib.suppress(FileNotFoundError):  # a run was deleted while it was searched
            folders += sorted(root.glob(pattern))
    return [
        folder
        for folder in folders
        if (folder / run_files.JOB_FOLDER / run_files.REQUEST).is_file()
    ]


def find_run_folder(run: str) -> Path:
    """The folder of a run by its id. Raises RunError when there is none."""
    folder = runs_folder() / run
    if not re.fullmatch(r"\w[\w.+-]*", run) or not _is_run(folder):
        raise RunError(
            f"there is no run {run!r} in {runs_folder()}; it was deleted, or the address is mistyped"
        )
    return folder


def find_job_folder(job: str) -> Path:
    """The folder of a job by its id, see `Job`. Raises RunError when there is none."""
    if "/" not in job:
        return find_run_folder(job)
    folder = runs_folder().parent / job
    if folder not in list_evaluation_job_folders():
        raise RunError(f"there is no evaluation {job!r} in {runs_folder().parent}; it was deleted")
    return folder


def read_record(folder: Path, name: str) -> JsonObject:
    """One of a job's files as a JSON object; empty when it is absent or damaged."""
    try:
        return read_object(f"{folder}/{run_files.JOB_FOLDER}/{name}", MAX_BYTES)
    except (OSError, RecordError):
        return {}


def write_record(folder: Path, name: str, record: Mapping[str, Json], durable: bool = True) -> None:
    """Write one of a job's files in one step. Raises RunError when the disk is full or the folder is gone.

    durable: wait until it is on the disk, so that a power cut does not take it back.
    """
    place = folder / run_files.JOB_FOLDER
    try:
        place.mkdir(exist_ok=True)
        atomic_write(place / name, json.dumps(dict(record)), durable=durable)
    except OSError as error:
        raise _explain_error(place, error) from error


def remove_records(folder: Path, *names: str) -> None:
    """Remove some of a job's files, if they are there. Raises RunError when the disk cannot be written."""
    place = folder / run_files.JOB_FOLDER
    try:
        for name in names:
            (place / name).unlink(missing_ok=True)
    except OSError as error:
        raise _explain_error(place, error) from error


def stamp_figures(folder: Path) -> str:
    """A text that differs with each result that is written to a folder, whatever the clock says; empty for none."""
    for name in (METRICS, SEARCH_FINISHED, SCORING_FINISHED):
        with contextlib.suppress(OSError):
            status = (folder / name).stat()
            return f"{status.st_mtime_ns}:{status.st_ino}"
    return ""


def _explain_error(place: Path, error: OSError) -> RunError:
    return RunError(f"{place} cannot be written: {error.strerror}; free space, or repair the disk")


def read_request(folder: Path) -> SubmittedTraining | EvaluationRequest | None:
    """What was requested; None of a run that a shell started, and where it is damaged."""
    return _parse_present(parse_request, read_record(folder, run_files.REQUEST))


def read_scored_data(folder: Path) -> tuple[str, ...]:
    """What a scoring was last asked to score, each as `printable` writes it; empty before. Raises RecordError."""
    requests = read_jsonl(folder / SCORING_REQUESTS)
    data = requests[-1].get("data") if requests else None
    return tuple(map(str, data)) if isinstance(data, list) else ()


def read_queue_entry(folder: Path) -> QueueEntry | None:
    """The place of a job in its queue; None when it does not wait."""
    return _parse_present(QueueEntry.from_json, read_record(folder, run_files.QUEUE))


def read_process_record(folder: Path) -> ProcessRecord | None:
    """The process that carries out a job, or did so last, with its start; None when there was none."""
    return _parse_present(ProcessRecord.from_json, read_record(folder, run_files.PROCESS))


def read_process(folder: Path) -> ProcessId | None:
    """The process that carries out a job, or did so last: torchrun where it starts several."""
    return ProcessId.from_json(read_record(folder, run_files.PROCESS))


def read_heartbeat(folder: Path) -> HeartbeatRecord | None:
    """The last heartbeat of a job; None before the first."""
    return _parse_present(HeartbeatRecord.from_json, read_record(folder, run_files.HEARTBEAT))


def read_end(folder: Path) -> EndRecord | None:
    """How the last process of a job ended; None when it was killed, or runs."""
    return _parse_present(EndRecord.from_json, read_record(folder, run_files.END))


def _parse_present(parse: Callable[[JsonObject], Record], content: JsonObject) -> Record | None:
    """A record; None without one. A damaged one tells nothing: the job's other files and its processes do."""
    try:
        return parse(content) if content else None
    except RecordError:
        return None


def is_job_live(folder: Path) -> bool:
    """Whether a process carries out a job, or trains in the folder from a shell or from Python."""
    process = read_process(folder)
    if process is not None and process.is_running:
        return True
    return find_lock_holder(folder / run_files.RUN_LOCK) is not None


def _is_run(folder: Path) -> bool:
    return (folder / run_files.JOB_FOLDER / run_files.REQUEST).is_file() or (
        folder / run_files.RUN_RECIPE
    ).is_file()
