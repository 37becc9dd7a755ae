"""Lists the jobs of the workspace as they are now, each with its status and what can be done with it."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cxr_core.jobs import files
from cxr_core.jobs.job import FORCE_AFTER_S, LIVE, Action, Job, Kind, Progress, State
from cxr_core.jobs.job_records import JobRecords, TaggedProcesses
from cxr_core.jobs.queue import queue_places
from cxr_core.jobs.records import (
    EvaluationRequest,
    ScoringRequest,
    SearchRequest,
    SubmittedTraining,
    read_int,
    read_text,
    read_texts,
    read_time,
)
from cxr_core.jobs.state import Status, derive_status
from cxr_core.presentation.wording import format_count, split_name
from cxr_core.training.runs import run_files
from cxr_core.training.runs.annotation import read_annotation
from cxr_core.workspace.json_files import read_json_object
from cxr_core.workspace.process_id import find_by_env_tag

SETTLED_NS = 2 * 10**9
_ENDED_RUNS: dict[Path, tuple[tuple[int, ...], Job]] = {}  # with the stamps of their files


def job_status(folder: Path, tagged: TaggedProcesses | None = None) -> Job:
    """A job as it is now, without its place in the queue.

    tagged: the running processes of jobs, by the folder of the job, from `find_by_env_tag`; None when not looked for.
    """
    records = JobRecords.read(folder, tagged or {})
    status = derive_status(records)
    if isinstance(records.request, EvaluationRequest):
        return _evaluation_job(records, records.request, status)
    if records.request is None:
        return replace(_training_job(records, _request_by_hand(folder), status), by_hand=True)
    return _training_job(records, records.request, status)


def list_runs() -> tuple[Job, ...]:
    """Every training run of the workspace: those that run, those that wait in their order, then the newest first.

    Looks at the processes themselves, so a dead or frozen run is shown as such within 30 s. Starts nothing.
    """
    folders = files.list_run_folders()
    for gone in set(_ENDED_RUNS).difference(folders):
        _ENDED_RUNS.pop(gone, None)
    runs = [_run_status(folder) for folder in folders]
    return tuple(sorted(_with_places(_with_leftovers(runs)), key=_order))


def list_evaluations() -> tuple[Job, ...]:
    """Every evaluation of the workspace that is or was a job, in the order of their folders. Starts nothing."""
    return _list_jobs("evaluation")


def list_search_jobs() -> tuple[Job, ...]:
    """Every search of the workspace that is or was a job, in the order of their folders. Starts nothing."""
    return _list_jobs("search")


def load_job(job: str) -> Job:
    """One job by its id. Starts nothing. Raises RunError when there is none."""
    return load_job_in(files.find_job_folder(job))


def load_job_in(folder: Path) -> Job:
    """One job by its folder, with its place in the queue. Starts nothing."""
    (job,) = _with_places(_with_leftovers([job_status(folder)]))
    return job


def find_evaluation(folder: Path) -> Job | None:
    """The evaluation in a folder, with its place in the queue; None when none was submitted there."""
    is_evaluation = isinstance(files.read_request(folder), EvaluationRequest)
    return load_job_in(folder) if is_evaluation else None


def seconds_until_force(folder: Path) -> float:
    """Seconds until a job that was asked to stop may be ended by force."""
    asked_at = read_time(files.read_record(folder, run_files.STOP), "monotonic")
    if asked_at is None:
        return FORCE_AFTER_S
    return FORCE_AFTER_S - (time.monotonic() - asked_at)


def list_scoring_jobs() -> tuple[Job, ...]:
    """Every scoring of the workspace that is or was a job, in the order of their folders. Starts nothing."""
    return _list_jobs("scoring")


def _list_jobs(kind: Kind) -> tuple[Job, ...]:
    jobs = [job_status(folder) for folder in files.list_evaluation_job_folders()]
    of_kind = [job for job in jobs if job.kind == kind]
    return tuple(_with_places(_with_leftovers(of_kind)))


def _run_status(folder: Path) -> Job:
    """A run as it is now. One that has ended is read again only when its files have changed."""
    stamp = _stamp_run(folder)
    ended = _ENDED_RUNS.get(folder)
    if ended is not None and ended[0] == stamp:
        return ended[1]
    job = job_status(folder)
    if stamp and not job.active:
        _ENDED_RUNS[folder] = (stamp, job)
    return job


def _stamp_run(folder: Path) -> tuple[int, ...]:
    """When the files that tell a run's status were last changed; empty when that was too recently to rely on.

    A folder changes with every file that is replaced in it, such as the lock of a process that begins to train.
    progress.jsonl grows without that. Two changes within one tick of the clock look like one.
    """
    places = ("", run_files.JOB_FOLDER, run_files.CHECKPOINTS, run_files.RUN_PROGRESS)
    stamp = tuple(_changed_ns(f"{folder}/{place}") for place in places)
    is_settled = abs(time.time_ns() - max(stamp)) > SETTLED_NS
    return stamp if is_settled else ()


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _training_job(records: JobRecords, request: SubmittedTraining, status: Status) -> Job:
    folder = records.folder
    return Job(
        id=folder.name,
        folder=folder,
        state=status.state,
        sentence=status.sentence,
        title=f"Training {folder.name}",
        recipe=request.recipe,
        model=request.model,
        data=request.data,
        device=request.device,
        processes=request.processes,
        submitted=request.submitted,
        started=_find_start(records),
        ended=_find_end(records, status),
        retry_of=request.retry_of,
        annotation=read_annotation(folder),
        actions=_training_actions(status.state, folder),
    )


def _request_by_hand(run: Path) -> SubmittedTraining:
    """What a run that a shell started would have been submitted as, as far as its files tell."""
    values = run_files.read_recipe_values(run)
    manifest = read_json_object(run / run_files.RUN_MANIFEST) or {}
    folders = read_texts(manifest, "folders")
    device = read_text(run_files.read_first_event(run), "device")
    return SubmittedTraining(
        token="",
        recipe=read_text(values, "name"),
        model=read_text(values, "model"),
        data=folders,
        folders=folders,
        device=device.partition(":")[0],
        retry_of=read_text(manifest, "retry_of"),
    )


def _evaluation_job(records: JobRecords, request: EvaluationRequest, status: Status) -> Job:
    progress = Progress()
    if read_text(records.last_event, "event") == "data" and status.state in LIVE:
        progress = Progress(
            stage=read_text(records.last_event, "stage"),
            done=read_int(records.last_event, "done", 0),
            total=read_int(records.last_event, "of", 0),
        )
    return Job(
        id=records.folder.relative_to(files.runs_folder().parent).as_posix(),
        kind=request.kind,
        folder=records.folder,
        state=status.state,
        sentence=status.sentence,
        title=describe_request(request),
        model=request.model,
        data=request.data,
        submitted=request.submitted,
        started=_find_start(records),
        ended=_find_end(records, status),
        progress=progress,
        actions=_evaluation_actions(status.state, records.folder),
    )


def describe_request(request: EvaluationRequest) -> str:
    """What an evaluation is of: `pneumonia-children on the test split of films`."""
    data = ", ".join(Path(name).name for name in request.data) or "its data"
    if isinstance(request, ScoringRequest):
        return f"scoring of {data}"
    if isinstance(request, SearchRequest):
        return f"search for settings of {request.model} on {data}"
    if request.folds:
        return f"cross-validation {request.model}: {format_count(request.folds, 'folds')} of {data}"
    words = f"{Path(request.model).name} on the {split_name(request.split)} of {data}"
    return f"{words}, recalibrated by {request.recalibrate}" if request.recalibrate else words


def _find_start(records: JobRecords) -> float | None:
    if records.process is not None and records.process.time is not None:
        return records.process.time
    if records.is_evaluation:
        return None
    return read_time(run_files.read_first_event(records.folder), "time")


def _find_end(records: JobRecords, status: Status) -> float | None:
    if status.state in LIVE or status.state == "queued":
        return None
    if records.end is not None and records.end.time is not None:
        return records.end.time
    last_event = read_time(records.last_event, "time")
    if last_event is not None:
        return last_event
    return records.heartbeat.time if records.heartbeat else None


def _training_actions(state: State, run: Path) -> frozenset[Action]:
    match state:
        case "queued":
            return frozenset({"move", "stop", "retry"})
        case "starting" | "running":
            return frozenset({"stop", "retry"})
        case "frozen" | "orphaned":
            return frozenset({"force_stop", "retry"})
        case "stopping":
            if seconds_until_force(run) > 0:
                return frozenset({"retry"})
            return frozenset({"force_stop", "retry"})
    # A clone would train a single network by the recipe of one member, or by other settings than the weights had.
    if run_files.made_without_training(run):
        return frozenset({"delete"})
    if state == "finished":
        return frozenset({"retry", "delete"})
    return frozenset({"resume", "retry", "delete"})


def _evaluation_actions(state: State, folder: Path) -> frozenset[Action]:
    match state:
        case "queued":
            return frozenset({"move", "stop"})
        case "starting" | "running":
            return frozenset({"stop"})
        case "frozen" | "orphaned":
            return frozenset({"force_stop"})
        case "stopping":
            return frozenset() if seconds_until_force(folder) > 0 else frozenset({"force_stop"})
    return frozenset({"dismiss"})


def _with_leftovers(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, after a look at what those that ended without a message have left running."""
    if not any(_may_have_leftovers(job) for job in jobs):
        return list(jobs)
    tagged = find_by_env_tag(files.JOB_TAG)
    return [job_status(job.folder, tagged) if str(job.folder) in tagged else job for job in jobs]


def _may_have_leftovers(job: Job) -> bool:
    """Whether a job may have left processes running: one that ended by itself, or before this boot, left none."""
    if job.state not in ("interrupted", "stopped") or files.read_end(job.folder) is not None:
        return False
    process = files.read_process(job.folder)
    return process is not None and not process.predates_boot


def _with_places(jobs: Sequence[Job]) -> list[Job]:
    if not any(job.state == "queued" for job in jobs):
        return list(jobs)
    places = queue_places()
    return [
        replace(job, place=places.get(job.folder)) if job.state == "queued" else job for job in jobs
    ]


def _order(job: Job) -> tuple[int, float]:
    """Those that run, those that wait in their order, then the newest."""
    if job.state == "queued":
        return 1, job.place or 0
    return 0 if job.live else 2, -(job.submitted or job.started or 0)
