"""Decides which state a job is in, from its records, and says it in a sentence. Nothing else decides it."""

import time
from dataclasses import dataclass

from cxr_core.jobs import files
from cxr_core.jobs.job import FROZEN_S, State
from cxr_core.jobs.job_records import JobRecords
from cxr_core.jobs.records import (
    EvaluationRequest,
    HeartbeatRecord,
    ProcessRecord,
    read_int,
    read_text,
)
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import TRAINING, WRITING, StageBegun

BEGIN_LIMIT_S = 120.0  # a process without its first heartbeat by then is frozen; imports come first
WRITING_LIMIT_S = (
    600.0  # a slow or busy disk holds up the heartbeat as well as the file that the run writes
)
# What a job does that is no training, and what it leaves, by its kind.
WORK = {
    "evaluation": ("Evaluates.", "figures"),
    "search": ("Searches.", "results"),
    "scoring": ("Reads films.", "rows"),
}
PREPARING = ("", "data")  # events of a training process that does not train yet


@dataclass(frozen=True)
class Status:
    """A state with its sentence."""

    state: State
    sentence: str


def derive_status(records: JobRecords) -> Status:
    """The state that the records of a job show, and why."""
    if records.is_live:
        return _status_of_living(records)
    if records.queue is not None:
        return Status("queued", _waiting_sentence(records.queue.queue))
    if records.is_finished:
        if isinstance(records.request, EvaluationRequest):
            return Status("finished", f"Finished; its {WORK[records.request.kind][1]} are there.")
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
    if isinstance(records.request, EvaluationRequest):
        return Status("running", WORK[records.request.kind][0])
    if process is not None and (heartbeat is None or heartbeat.event_name in PREPARING):
        return Status("starting", "Reads its data.")
    return Status("running", _running_sentence(heartbeat))


def _running_sentence(heartbeat: HeartbeatRecord | None) -> str:
    stage = _stage_of(heartbeat)
    return f"{stage.capitalize()}." if stage and stage != TRAINING else "Trains."


def _stage_of(heartbeat: HeartbeatRecord | None) -> str:
    """What a run has said that it does between its steps or after them; empty while it trains."""
    if heartbeat is None or heartbeat.event_name != StageBegun.NAME:
        return ""
    return read_text(heartbeat.event, "stage")


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
        since = heartbeat.monotonic
        limit_s = WRITING_LIMIT_S if _stage_of(heartbeat) in WRITING else FROZEN_S
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
    command = run_files.made_without_training(records.folder)
    if command:
        return f"It is made without training; delete it, and make it again with {command}."
    step = run_files.last_checkpoint_step(records.folder)
    if step:
        return f"It can be resumed from step {step}."
    return "It has no checkpoint yet and would begin anew."
