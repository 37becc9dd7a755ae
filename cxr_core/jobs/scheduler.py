"""Starts waiting jobs: one process per workspace, which runs with or without a browser and ends when nothing waits.

`python -m cxr_core.jobs.scheduler` starts the next job of each queue as soon as none of that queue runs. Every command
that puts a job into a queue calls `ensure_scheduler`, and so do the pages when they are opened, so that jobs which
waited when the machine was switched off start again. Looking at jobs never starts anything.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from cxr_core.jobs import files, launch
from cxr_core.jobs.queue import waiting_jobs
from cxr_core.jobs.records import EndRecord, EvaluationRequest, SubmittedTraining, read_text
from cxr_core.training.runs import run_files
from cxr_core.workspace.paths import ROOT
from cxr_core.workspace.process_lock import find_lock_holder, hold_lock

PAUSE_S = 0.5
SCHEDULER_LOCK = ".starter.lock"


def ensure_scheduler() -> None:
    """Start the scheduler, unless it runs, nothing waits, or jobs cannot be started here. It outlives this process."""
    if not launch.CAN_LAUNCH or not waiting_jobs():
        return
    if find_lock_holder(files.runs_folder() / SCHEDULER_LOCK) is not None:
        return
    environment = os.environ | {"CXR_WORKSPACE": str(files.runs_folder().parent)}
    subprocess.run([sys.executable, "-m", __name__], cwd=ROOT, env=environment, check=False)


def run_scheduler() -> None:
    """Start jobs until none waits."""
    # Asked once more after the lock is given back: a job may have been added just before.
    while waiting_jobs():
        with hold_lock(files.runs_folder() / SCHEDULER_LOCK) as held:
            if not held:
                return
            live_jobs = LiveJobs()
            while start_due_jobs(live_jobs):
                time.sleep(PAUSE_S)


class LiveJobs:
    """Finds the jobs that run, and does not read again what it knows to have ended.

    A process that has ended never comes back, so a job is read again only when its process.json or the lock of its
    folder has changed.
    """

    def __init__(self) -> None:
        self._ended: dict[Path, tuple[int, int]] = {}

    def find_busy_queues(self) -> set[str]:
        """The queues of which a job runs."""
        return {_queue_of(folder) for folder in self._find_live()}

    def _find_live(self) -> list[Path]:
        live = []
        for folder in files.list_job_folders():
            stamp = _stamp(folder)
            if self._ended.get(folder) == stamp:
                continue
            if files.is_job_live(folder):
                live.append(folder)
            else:
                self._ended[folder] = stamp
        return live


def start_due_jobs(live_jobs: LiveJobs) -> bool:
    """Start the next job of every queue of which none runs. Returns whether any job waited."""
    waiting = waiting_jobs()
    if not waiting:
        return False
    busy = live_jobs.find_busy_queues()
    for queue, folders in waiting.items():
        if queue not in busy:
            _start(folders[0])
    return True


def _start(folder: Path) -> None:
    command = [sys.executable, "-m", launch.__name__, str(folder)]
    exit_status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if exit_status in (0, launch.NOT_WAITING):
        return
    sentence = (
        f"it could not be started; {folder / run_files.JOB_FOLDER / run_files.OUTPUT} says why"
    )
    end = EndRecord(state="failed", sentence=sentence, time=time.time())
    with files.queue_lock():
        files.write_record(folder, run_files.END, end.to_json())
        files.remove_records(folder, run_files.QUEUE)


def _queue_of(folder: Path) -> str:
    """The queue that a running job keeps busy."""
    request = files.read_request(folder)
    if isinstance(request, EvaluationRequest):
        return request.queue
    if isinstance(request, SubmittedTraining) and request.device:
        return request.device
    return read_text(run_files.read_first_event(folder), "device").partition(":")[0]


def _stamp(folder: Path) -> tuple[int, int]:
    """Another one when a process has begun in a job's folder. Takes no reading of any file."""
    return (
        _modified_ns(folder / run_files.JOB_FOLDER / run_files.PROCESS),
        _modified_ns(folder / f"{run_files.RUN_LOCK}.holder"),
    )


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


if __name__ == "__main__":
    if launch.detach():
        run_scheduler()
