"""Carries out commands on jobs: submit, move, stop, resume, delete. Each returns at once.

The folder of a job is all there is to know about it; there is no other list that could be lost or disagree.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.prepare import resolve_data
from cxr_core.errors import RunError
from cxr_core.jobs import files, scheduler
from cxr_core.jobs.activity import read_activity
from cxr_core.jobs.job import Job, TrainingRequest
from cxr_core.jobs.launch import require_launching
from cxr_core.jobs.queue import enqueue, move_in_queue
from cxr_core.jobs.records import (
    EndRecord,
    EvaluationRequest,
    ScoringRequest,
    SubmittedTraining,
    read_text,
    read_texts,
)
from cxr_core.jobs.status import (
    job_status,
    load_job,
    load_job_in,
    seconds_until_force,
)
from cxr_core.models.registry.registry import find_active_version, find_models_from_run
from cxr_core.training.engine.device import require_device
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs import run_files
from cxr_core.training.runs.annotation import (
    NO_ANNOTATION,
    RunAnnotation,
    read_annotation,
    write_annotation,
)
from cxr_core.workspace.atomic import remove_unfinished, temporary_path_beside
from cxr_core.workspace.json_files import JsonObject, read_json_object
from cxr_core.workspace.log import add_details
from cxr_core.workspace.paths import printable
from cxr_core.workspace.process_id import ProcessId, find_by_env_tag, send_signal

SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other


@perform_action("submission of a run", Role.RESEARCHER)
def submit_training(request: TrainingRequest) -> Job:
    """Put a new run into the queue of its device, from which it starts when that is free. Takes well under 1 s.

    The same token again gives the run that it gave before. Raises RunError or DataError when the device, the number of
    processes or the data is not there, or the workspace cannot be written.
    """
    require_launching()
    device = require_device(request.device, request.processes, request.recipe.batch_size)
    folders = list(resolve_data(request.data))
    if not folders:
        raise RunError("no data to train on was given; choose a registered dataset or a folder")
    with files.queue_lock():
        run = _find_run_of_token(request.token)
        if run is None:
            run = _create_run(replace(request, device=device), folders)
    scheduler.ensure_scheduler()
    add_details(run=run.name)
    return load_job(run.name)


def submit_evaluation(request: EvaluationRequest) -> Job:
    """Put an evaluation into its queue. One that waits or runs already goes on as it is.

    Raises RunError when the gate compares the run at this moment, or the workspace cannot be written.
    """
    return submit_evaluation_into(evaluation_folder(request), request)


def submit_test_evaluation(run: Path, data: tuple[str, ...]) -> Job:
    """Queue the evaluation of a finished run on the test split of its own data, which publishing asks for.

    data: folders or names of registered datasets. Raises RunError as `submit_evaluation` does.
    """
    request = EvaluationRequest(model=str(run), data=data, split="test")
    return submit_evaluation_into(files.runs_folder() / run.name / "evaluation", request)


def evaluation_folder(request: EvaluationRequest) -> Path:
    """Where an evaluation is written: beside a run's own figures, or under the workspace by model and version."""
    data = [Path(name).name for name in request.data]
    name = "-".join(part for part in (request.split, *data, request.recalibrate) if part)
    root = files.runs_folder().parent
    if request.run is not None:
        return root / "runs" / request.run.name / "evaluation" / _file_name(name)
    active = find_active_version(request.model)
    version = active.folder.name if active else "none"
    return root / "evaluations" / _file_name(f"{request.model}-{version}-{name}")


def move_job(job: str, places: int) -> Job:
    """Move a waiting job in its queue: -1 one place towards the front. Raises RunError when it does not wait."""
    with files.queue_lock():
        folder = files.find_job_folder(job)
        if job_status(folder).state != "queued":
            raise RunError(f"{job} is no longer queued, so its place cannot be changed")
        move_in_queue(folder, places)
    return load_job(job)


@perform_action("stop of a job", Role.RESEARCHER)
def stop_job(job: str) -> Job:
    """Ask a job to end, a run after it has kept a checkpoint; or take it out of the queue. Mostly still `stopping`.

    Raises RunError when it neither runs nor waits.
    """
    with files.queue_lock():
        status = load_job(job)
        if status.state == "queued":
            sentence = "Removed from the queue before it began."
            end = EndRecord(state="stopped", sentence=sentence, time=time.time())
            files.write_record(status.folder, run_files.END, end.to_json())
            files.remove_records(status.folder, run_files.QUEUE)
            return load_job(job)
        if not status.live:
            raise RunError(f"{job} is {status.state}; there is nothing to stop")
    _request_stop(status)
    return load_job(job)


@perform_action("forced stop of a job", Role.RESEARCHER)
def force_stop_job(job: str) -> Job:
    """End a job and all its processes at once; the last checkpoint of a run stays.

    Raises RunError unless it is frozen or orphaned, or was asked to stop FORCE_AFTER_S ago or more.
    """
    status = load_job(job)
    if status.state not in ("stopping", "frozen", "orphaned"):
        raise RunError(f"{job} is {status.state}; ask it to stop first, which keeps a checkpoint")
    if status.state == "stopping" and (left := seconds_until_force(status.folder)) > 0:
        raise RunError(
            f"{job} was asked to stop and may still do so; it can be ended by force in {left:.0f} s"
        )
    leader = files.read_process(status.folder)
    if leader is not None:
        _write_stop(status.folder, leader)
    tagged = find_by_env_tag(files.JOB_TAG).get(str(status.folder), [])
    for process in [leader, _find_trainer(status.folder), *tagged]:
        if process is not None:
            send_signal(process, SIGKILL)
    return load_job(job)


@perform_action("resumption of a run", Role.RESEARCHER)
def resume_run(run: str) -> Job:
    """Queue a stopped, failed or interrupted run again: it is resumed from its last complete checkpoint.

    Raises RunError when it runs, waits or is finished.
    """
    require_launching()
    with files.queue_lock():
        job = load_job(run)
        add_details(run=job.id)
        if "resume" not in job.actions:
            raise RunError(
                f"{run} is {job.state}; only a run that ended before it was finished can be resumed"
            )
        _write_missing_request(job)
        enqueue(job.folder, job.device or "cpu")
    scheduler.ensure_scheduler()
    return load_job(run)


@perform_action("deletion of a run", Role.ADMIN)
def delete_run(run: str) -> None:
    """Remove a run's folder for good.

    Raises RunError while it runs or something is done with it, and when an installed model came from it, which the
    sentence names.
    """
    with files.queue_lock():
        job = load_job(run)
        add_details(run=job.id)
        if job.live:
            raise RunError(f"{run} is {job.state}; stop it before it is deleted")
        if work := _describe_work_on(job.folder):
            raise RunError(f"{run} {work}; wait for that before it is deleted")
        if models := find_models_from_run(run):
            raise RunError(
                f"{run} is kept: the installed model {' and '.join(models)} came from it"
            )
        hidden = job.folder.with_name(f".deleted-{run}")
        try:
            with FileLock(job.folder / run_files.RUN_LOCK, timeout=0):
                job.folder.rename(hidden)
        except Timeout:
            raise RunError(
                f"{run} has just been started again; stop it before it is deleted"
            ) from None
        except OSError as error:
            raise RunError(f"{job.folder} cannot be deleted: {error.strerror}") from error
    _remove_deleted_runs()


def annotate_run(run: str, change: Callable[[RunAnnotation], RunAnnotation]) -> None:
    """Change what is written about a run: its name, tags and note. change: gives the new from the present.

    Raises RunError when there is no such run, or its folder cannot be written.
    """
    with files.queue_lock():  # so that two changes at once are both kept
        folder = files.find_run_folder(run)
        write_annotation(folder, change(read_annotation(folder)))


def dismiss_evaluation(job: str) -> None:
    """Remove the record of an evaluation that has ended; its figures, if there are any, stay.

    Raises RunError when the workspace cannot be written.
    """
    with files.queue_lock():
        status = load_job(job)
        if "dismiss" not in status.actions:
            return
        records = status.folder / run_files.JOB_FOLDER
        hidden = temporary_path_beside(records)
        try:
            records.rename(hidden)  # in one step, and then as far as it goes
        except OSError as error:
            raise RunError(
                f"{records} cannot be removed: {error.strerror}; allow writing there, and try again"
            ) from error
        shutil.rmtree(hidden, ignore_errors=True)


@perform_action("submission of an evaluation", Role.RESEARCHER)
def submit_evaluation_into(folder: Path, request: EvaluationRequest) -> Job:
    """Put an evaluation, which is written into this folder, into its queue, unless it waits or runs already.

    That of a cross-validation goes to the end again while it waits: it comes after the runs of all folds.

    Raises RunError as `submit_evaluation` does.
    """
    require_launching()
    if request.run is not None:
        activity = read_activity(request.run)
        if activity is not None and activity.is_running:
            raise RunError(f"{request.run.name} is being {activity.what}; wait for that")
    with files.queue_lock():
        job = job_status(folder)
        if not job.active or (job.state == "queued" and request.folds):
            _create_evaluation(request, folder)
    scheduler.ensure_scheduler()
    return load_job_in(folder)


def submit_scoring(data: tuple[str, ...], name: str) -> Job:
    """Queue the scoring of an archive, or go on with the one of that name. data: as `cxr_core score` takes it.

    Raises RunError for a name that cannot be one, or that belongs to a scoring of other data, and as when an evaluation
    is submitted.
    """
    if not re.fullmatch(r"\w[\w.+=-]{0,69}", name):
        raise RunError(
            f"a scoring cannot be named {name!r:.80}; use up to 70 letters, digits, dots, = and -"
        )
    folder = files.runs_folder().parent / "scorings" / name
    request = ScoringRequest(data=tuple(map(_lasting_name, data)))
    former = files.read_request(folder)
    scored = files.read_scored_data(folder)  # a dismissed scoring has left no request
    if isinstance(former, ScoringRequest):
        scored = tuple(map(printable, former.data))
    if scored and scored != tuple(map(printable, request.data)):
        raise RunError(f"{name} is a scoring of {', '.join(scored)}; choose another name")
    return submit_evaluation_into(folder, request)


def submit_again(job: str) -> Job:
    """Put an evaluation or a search that has ended into its queue again. Raises RunError as when it was submitted."""
    folder = files.find_job_folder(job)
    request = files.read_request(folder)
    if not isinstance(request, EvaluationRequest):
        raise RunError(f"{job} is no evaluation and no search; resume it instead")
    return submit_evaluation_into(folder, request)


def _create_evaluation(request: EvaluationRequest, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be created: {error.strerror}; check the workspace"
        ) from error
    submitted = replace(
        request,
        model=os.path.abspath(request.model) if request.run else request.model,
        data=tuple(map(_lasting_name, request.data)),
        submitted=time.time(),
    )
    files.write_record(folder, run_files.REQUEST, submitted.to_json())
    enqueue(folder, submitted.queue)


def _describe_work_on(run: Path) -> str:
    """What is being done with a run that has ended, in words that follow its name; empty when nothing is."""
    activity = read_activity(run)
    if activity is not None and activity.is_running:
        return f"is being {activity.what}"
    for folder in files.list_evaluation_job_folders():
        if folder.is_relative_to(run) and job_status(folder).active:
            return "is being evaluated"
    return ""


def _remove_deleted_runs() -> None:
    """Remove what was deleted, also what a call that was killed, or whose disk failed, has left."""
    for hidden in files.runs_folder().glob(".deleted-*"):
        shutil.rmtree(hidden, ignore_errors=True)


def _find_run_of_token(token: str) -> Path | None:
    for run in files.list_run_folders():
        if read_text(files.read_record(run, run_files.REQUEST), "token") == token:
            return run
    return None


def _create_run(request: TrainingRequest, folders: list[str]) -> Path:
    """The folder of a new run that waits, visible only once it is complete."""
    run = _new_run_folder(request)
    submitted = SubmittedTraining(
        token=request.token,
        recipe=request.recipe.name,
        model=request.recipe.model,
        data=tuple(map(_lasting_name, request.data)),
        folders=tuple(folders),
        device=request.device,
        processes=request.processes,
        version=request.version,
        retry_of=request.retry_of,
        submitted=time.time(),
        members=request.members,
    )
    _remove_deleted_runs()
    remove_unfinished(run.parent, "[!.]*")  # what killed calls of this function left
    hidden = temporary_path_beside(run)
    try:
        (hidden / run_files.JOB_FOLDER).mkdir(parents=True)
        (hidden / run_files.JOB_FOLDER / run_files.JOB_RECIPE).write_text(
            format_recipe(request.recipe), encoding="utf-8"
        )
        files.write_record(hidden, run_files.REQUEST, submitted.to_json())
        if request.annotation != NO_ANNOTATION:
            write_annotation(hidden, request.annotation)
        enqueue(hidden, submitted.queue)
        hidden.rename(run)
    except OSError as error:
        raise RunError(f"the run folder {run} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return run


def _new_run_folder(request: TrainingRequest) -> Path:
    """Where a run is made. Raises RunError when the folder that it asks for is taken."""
    if not request.folder:
        return _free_run_folder(request.recipe.name)
    run = files.runs_folder() / _file_name(request.folder)
    if run.exists():
        raise RunError(f"{run} exists already; choose another name, or delete that run first")
    return run


def _free_run_folder(recipe: str) -> Path:
    stem = _file_name(recipe).strip("-.+") or "run"
    stem = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    run, number = files.runs_folder() / stem, 1
    while run.exists():
        number += 1
        run = files.runs_folder() / f"{stem}-{number}"
    return run


def _file_name(text: str) -> str:
    """A text with everything that is no letter, digit or _ . + = - replaced, so that it can name a file."""
    return re.sub(r"[^\w.+=-]+", "-", text)


def _lasting_name(data: str) -> str:
    """A registered name or a URI as it is, a folder so that it means the same wherever it is read."""
    if "://" in data:
        return data
    return os.path.abspath(data) if os.sep in data or os.path.exists(data) else data


def _write_missing_request(job: Job) -> None:
    """Give a run that a shell started the request of one of the page, so that it can be queued."""
    if not job.by_hand:
        return
    values, manifest = run_files.read_recipe_values(job.folder), _read_manifest(job.folder)
    folders = read_texts(manifest, "folders")
    submitted = SubmittedTraining(
        token=job.id,
        recipe=read_text(values, "name"),
        model=read_text(values, "model"),
        data=folders,
        folders=folders,
        device=job.device or "cpu",
        version=read_text(manifest, "version", "1.0.0"),
        submitted=time.time(),
    )
    files.write_record(job.folder, run_files.REQUEST, submitted.to_json())


def _read_manifest(run: Path) -> JsonObject:
    return read_json_object(run / run_files.RUN_MANIFEST) or {}


def _request_stop(job: Job) -> None:
    """SIGTERM to the process that trains; to torchrun while that has started none."""
    leader, trainer = files.read_process(job.folder), _find_trainer(job.folder)
    if leader is None:
        raise RunError(
            f"{job.id} was started by a program that did not say which process it is; end it by hand"
        )
    _write_stop(job.folder, leader)
    if trainer is None or not send_signal(trainer, signal.SIGTERM):
        send_signal(leader, signal.SIGTERM)


def _write_stop(folder: Path, leader: ProcessId) -> None:
    record: JsonObject = {**leader.to_json(), "monotonic": time.monotonic()}
    files.write_record(folder, run_files.STOP, record)


def _find_trainer(folder: Path) -> ProcessId | None:
    """The process that sends the heartbeat of a job's present process, which is another one under torchrun."""
    heartbeat = files.read_heartbeat(folder)
    if heartbeat is None or heartbeat.leader != files.read_process(folder):
        return None
    return heartbeat.process
