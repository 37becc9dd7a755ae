"""What tests of jobs share: submit a run, wait for a state, end it, and end everything."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cxr_core.jobs import actions, files, status
from cxr_core.jobs.job import Job, State, TrainingRequest
from cxr_core.training.runs import run_files
from cxr_core.workspace.process_id import ProcessId, find_by_env_tag, send_signal
from tests.tiny import TINY_RECIPE

PATIENCE_S = 120.0
TINY = replace(TINY_RECIPE, epochs=2)


def submit(data: Path, token: str = "one", name: str = "counts", retry_of: str = "") -> Job:
    """Submit a run whose stand-in behaves as its name says."""
    return actions.submit_training(
        TrainingRequest(
            recipe=replace(TINY, name=name),
            data=(str(data),),
            token=token,
            device="cpu",
            retry_of=retry_of,
        )
    )


def until(
    condition: Callable[[], object],
    what: str,
    each: Callable[[], object] = lambda: None,
    within_s: float = PATIENCE_S,
) -> None:
    """Wait for a condition. Fails the test when it does not come true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:.0f} s: {what}"
        each()
        time.sleep(0.02)


def wait_for(job: str, state: State) -> Job:
    until(lambda: status.load_job(job).state == state, f"{job} is {state}")
    return status.load_job(job)


def wait_for_step(run: str, step: int) -> None:
    until(lambda: step_of(run) >= step, f"{run} is at step {step}")


def step_of(run: str) -> int:
    step = run_files.read_last_event(files.find_run_folder(run)).get("step", 0)
    assert isinstance(step, int)
    return step


def process_of(job: str) -> ProcessId:
    process = files.read_process(files.find_job_folder(job))
    assert process is not None
    return process


def finish(run: str) -> Job:
    (files.find_run_folder(run) / "job" / "finish").touch()
    return wait_for(run, "finished")


def kill(process: ProcessId) -> None:
    os.kill(process.pid, signal.SIGKILL)


def end_all(workspace: Path) -> None:
    """Empty the queues, then end every process of every job."""
    for folder in files.list_job_folders():
        files.remove_records(folder, run_files.QUEUE)
    until(
        lambda: not processes_of(workspace),
        "all jobs have ended",
        each=lambda: [send_signal(process, signal.SIGKILL) for process in processes_of(workspace)],
    )


def processes_of(workspace: Path) -> list[ProcessId]:
    """The processes of all jobs of a workspace."""
    processes: list[ProcessId] = []
    for folder, tagged in find_by_env_tag(files.JOB_TAG).items():
        if folder.startswith(str(workspace)):
            processes += tagged
    return processes
