"""Derives the status of a job from its processes and files. Nothing else decides which state a job is in."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.jobs import files
from cxr_core.jobs.job import (
    FORCE_AFTER_S,
    FROZEN_S,
    LIVE,
    Action,
    Job,
    Progress,
    State,
)
from cxr_core.jobs.queue import queue_places
from cxr_core.jobs.records import (
    EndRecord,
    EvaluationRequest,
    HeartbeatRecord,
    ProcessRecord,
    QueueEntry,
    SubmittedTraining,
    read_int,
    read_number,
    read_text,
)
from cxr_core.models.card import CARD
from cxr_core.models.registry.registry import find_version_folders
from cxr_core.presentation.wording import split_name
from cxr_core.training.runs import run_files
from cxr_core.workspace.json_files import JsonObject, read_json_object
from cxr_core.workspace.paths import SHIPPED_MODELS, workspace
from cxr_core.workspace.process_id import ProcessId, find_by_env_tag

BEGIN_LIMIT_S = 120.0  # a process without its first heartbeat by then is frozen; imports come first
PREPARING = ("", "data")  # events of a training process that does not train yet
METRICS = "metrics.json"

TaggedProcesses = Mapping[str, Sequence[ProcessId]]


@dataclass(frozen=True, kw_only=True)
class JobRecords:
    """The files of one job, each read once.

    is_live: whether a process carries out the job.  leftovers: the running processes with the job's tag, where these
    were looked for.
    """

    folder: Path
    request: SubmittedTraining | EvaluationRequest | None
    queue: QueueEntry | None
    is_live: bool
    process: ProcessRecord | None
    heartbeat: HeartbeatRecord | None
    stopped_process: ProcessId | None
    stop_asked: float | None  # by the clock of this boot
    end: EndRecord | None
    last_event: JsonObject
    leftovers: Sequence[ProcessId] = ()

    @classmethod
    def read(cls, folder: Path, tagged: TaggedProcesses) -> "JobRecords":
        """The records of a job as they are now.

        The queue comes first: what starts meanwhile is then seen as starting. Whether the job is live comes second:
        what ends meanwhile is then seen as running.
        """
        queue = files.read_queue_entry(folder)
        is_live = files.is_job_live(folder)
        request, stop = files.read_request(folder), files.read_record(folder, run_files.STOP)
        is_evaluation = isinstance(request, EvaluationRequest)
        events_folder = folder / run_files.JOB_FOLDER if is_evaluation else folder
        return cls(
            folder=folder,
            request=request,
            queue=queue,
            is_live=is_live,
            process=files.read_process_record(folder),
            heartbeat=files.read_heartbeat(folder),
            stopped_process=ProcessId.from_json(stop),
            stop_asked=read_number(stop, "monotonic"),
            end=files.read_end(folder),
            last_event=run_files.read_last_event(events_folder),
            leftovers=tagged.get(str(folder), ()),
        )

    @property
    def is_evaluation(self) -> bool:
        """Whether the job is an evaluation; else it is a training run."""
        return isinstance(self.request, EvaluationRequest)

    @property
    def is_finished(self) -> bool:
        """Whether the result is there: the model of a run; figures that the last process of an evaluation wrote."""
        if not self.is_evaluation:
            return (self.folder / run_files.MODEL).is_dir()
        if self.end is not None:
            return False
        try:
            written = (self.folder / METRICS).stat().st_mtime_ns
            begun = (self.folder / run_files.JOB_FOLDER / run_files.PROCESS).stat().st_mtime_ns
        except OSError:
            return False
        return written >= begun

    @property
    def is_stop_asked(self) -> bool:
        """Whether the present or last process was asked to stop."""
        return self.process is not None and self.stopped_process == self.process.process

    @property
    def own_heartbeat(self) -> HeartbeatRecord | None:
        """The last heartbeat of the present or last process; None when that is of an earlier one."""
        if self.heartbeat is None or self.process is None:
            return None
        return self.heartbeat if self.heartbeat.leader == self.process.process else None


@dataclass(frozen=True)
class Status:
    """A state with its sentence."""

    state: State
    sentence: str


def job_status(folder: Path, tagged: TaggedProcesses | None = None) -> Job:
    """A job as it is now, without its place in the queue.

    tagged: the running processes of jobs, by the folder of the job, from `find_by_env_tag`; None when not looked for.
    """
    records = JobRecords.read(folder, tagged or {})
    status = _derive_status(records)
    if isinstance(records.request, EvaluationRequest):
        return _evaluation_job(records, records.request, status)
    if records.request is None:
        return replace(_training_job(records, _request_by_hand(folder), status), by_hand=True)
    return _training_job(records, records.request, status)


def list_runs() -> tuple[Job, ...]:
    """Every training run of the workspace: those that run, those that wait in their order, then the newest first.

    Looks at the processes themselves, so a dead or frozen run is shown as such within 30 s. Starts nothing.
    """
    runs = [job_status(folder) for folder in files.list_run_folders()]
    return tuple(sorted(_with_places(_with_leftovers(runs)), key=_order))


def list_evaluations() -> tuple[Job, ...]:
    """Every evaluation of the workspace that is or was a job, in the order of their folders. Starts nothing."""
    jobs = [job_status(folder) for folder in files.list_evaluation_job_folders()]
    return tuple(_with_places(_with_leftovers(jobs)))


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
    asked_at = read_number(files.read_record(folder, run_files.STOP), "monotonic")
    if asked_at is None:
        return FORCE_AFTER_S
    return FORCE_AFTER_S - (time.monotonic() - asked_at)


def find_models_from_run(run: str) -> list[str]:
    """The installed models, as `name version`, whose card says that they came from a run."""
    models: list[Path] = []
    for root in (SHIPPED_MODELS, workspace() / "models"):
        models += [folder for folder in find_version_folders(root) if _published_run(folder) == run]
    return sorted(f"{folder.parent.name} {folder.name}" for folder in models)


def _derive_status(records: JobRecords) -> Status:
    if records.is_live:
        return _status_of_living(records)
    if records.queue is not None:
        return Status("queued", _waiting_sentence(records.queue.queue))
    if records.is_finished:
        if records.is_evaluation:
            return Status("finished", "Finished; its figures are there.")
        return Status("finished", "Finished; its model is there.")
    if records.leftovers:
        count = len(records.leftovers)
        return Status(
            "orphaned",
            f"It ended, but {count} of the processes that it started still run; end them by force.",
        )
    return _status_of_ended(records)


def _waiting_sentence(queue: str) -> str:
    names = {"cpu": "the CPU is free", "cuda": "the GPU is free"}
    return f"Waits until {names.get(queue, 'the evaluations before it have ended')}."


def _status_of_living(records: JobRecords) -> Status:
    process, heartbeat = records.process, records.own_heartbeat
    if records.queue is not None:  # the launch is about to remove it from the queue
        return Status("starting", "Starts.")
    if process is not None and not process.process.predates_boot:
        if process.process.is_running:
            if sentence := _describe_freeze(process, heartbeat):
                return Status("frozen", sentence)
        elif files.is_job_live(records.folder):
            return Status(
                "orphaned",
                "Its process has ended, but one that it started still holds its folder.",
            )
    if records.is_stop_asked:
        return Status("stopping", _stopping_sentence(records))
    if records.is_evaluation:
        return Status("running", "Evaluates.")
    if process is not None and (heartbeat is None or heartbeat.event_name in PREPARING):
        return Status("starting", "Reads its data.")
    return Status("running", "Trains.")


def _describe_freeze(process: ProcessRecord, heartbeat: HeartbeatRecord | None) -> str:
    """Why a running process counts as frozen; empty when it does not."""
    process_ids = [process.process]
    if heartbeat is not None:
        process_ids.append(heartbeat.process)
    for process_id in process_ids:
        if process_id.is_suspended:
            return (
                f"Its process {process_id.pid} was suspended from outside; continue it or end it."
            )
    return _describe_silence(process, heartbeat)


def _stopping_sentence(records: JobRecords) -> str:
    if records.is_evaluation:
        return "Asked to stop."
    return "Asked to stop; it ends after its current step, with a checkpoint."


def _describe_silence(process: ProcessRecord, heartbeat: HeartbeatRecord | None) -> str:
    """Why a running process counts as frozen; empty when it has sent a heartbeat lately."""
    since, limit_s = process.monotonic, BEGIN_LIMIT_S
    if heartbeat is not None:
        since, limit_s = heartbeat.monotonic, FROZEN_S
    if since is None or time.monotonic() - since <= limit_s:
        return ""
    return (
        f"Its process runs but has sent no heartbeat for {time.monotonic() - since:.0f} s; end it by force and "
        "start it again."
    )


def _status_of_ended(records: JobRecords) -> Status:
    end, last_event = records.end, records.last_event
    if end is not None:
        state: State = "failed"
        if end.state != "failed":
            state = "stopped"
        return Status(state, end.sentence)
    if records.is_stop_asked:
        return Status("stopped", f"Stopped. {_how_to_resume(records)}")
    event = read_text(last_event, "event")
    if event == "failed":
        return Status("failed", read_text(last_event, "error"))
    if event == "stopped":
        step = read_int(last_event, "step", 0)
        return Status("stopped", f"Stopped at step {step}. {_how_to_resume(records)}")
    reason = "It ended without a message: killed, or out of memory."
    if records.process is not None and records.process.process.predates_boot:
        reason = "The machine was restarted while it ran."
    return Status("interrupted", f"{reason} {_how_to_resume(records)}")


def _how_to_resume(records: JobRecords) -> str:
    if records.is_evaluation:
        return "Start it again."
    if run_files.is_ensemble(records.folder):
        return "It is a mean of runs; delete it, and make it again with train.average."
    step = run_files.last_checkpoint_step(records.folder)
    if step:
        return f"It can be resumed from step {step}."
    return "It has no checkpoint yet and would begin anew."


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
        actions=_training_actions(status.state, folder),
    )


def _request_by_hand(run: Path) -> SubmittedTraining:
    """What a run that a shell started would have been submitted as, as far as its files tell."""
    values = run_files.read_recipe_values(run)
    device = read_text(run_files.read_first_event(run), "device")
    return SubmittedTraining(
        token="",
        recipe=read_text(values, "name"),
        model=read_text(values, "model"),
        data=(),
        folders=(),
        device=device.partition(":")[0],
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
        kind="evaluation",
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
    words = f"{Path(request.model).name} on the {split_name(request.split)} of {data}"
    return f"{words}, recalibrated by {request.recalibrate}" if request.recalibrate else words


def _find_start(records: JobRecords) -> float | None:
    if records.process is not None and records.process.time is not None:
        return records.process.time
    if records.is_evaluation:
        return None
    return read_number(run_files.read_first_event(records.folder), "time")


def _find_end(records: JobRecords, status: Status) -> float | None:
    if status.state in LIVE or status.state == "queued":
        return None
    if records.end is not None and records.end.time is not None:
        return records.end.time
    last_event = read_number(records.last_event, "time")
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
    if state == "finished" or run_files.is_ensemble(run):
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
    """Whether a job may have left processes running: one that ends by itself leaves none."""
    return job.state in ("interrupted", "stopped") and files.read_end(job.folder) is None


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


def _published_run(folder: Path) -> str:
    """The run that an installed model came from; empty when its card does not say."""
    card = read_json_object(folder / CARD) or {}
    training = card.get("training")
    published = training.get("published") if isinstance(training, dict) else None
    return read_text(published, "run") if isinstance(published, dict) else ""
