"""Starts the process of a waiting job: `python -m cxr_core.jobs.launch FOLDER` turns into it.

It detaches, writes down which process it is, and then executes the job's command in its own place: the pid and the
start time stay, so there is no moment at which a job has a process that nobody knows of.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from cxr_core.errors import RunError
from cxr_core.jobs import files
from cxr_core.jobs.commands import build_job_command
from cxr_core.jobs.records import EvaluationRequest, ProcessRecord
from cxr_core.training.runs import run_files
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.paths import ROOT
from cxr_core.workspace.process_id import current_process

NICENESS_VARIABLE = "CXR_RUN_NICENESS"  # 0: as much of the CPU as anybody; 19: only what is left
DEFAULT_NICENESS = 10
CAN_LAUNCH = os.name == "posix"  # Windows has neither fork nor exec
NOT_WAITING = 4  # exit status: the job does not wait any more, or runs already


def require_launching() -> None:
    """Raises RunError where a process cannot detach and execute a command in its own place."""
    if not CAN_LAUNCH:
        raise RunError(
            "jobs are queued and started on Linux and macOS only; on Windows run python -m train.fit or "
            "python -m train.evaluate in a shell"
        )


def detach() -> bool:
    """Go on as a process of its own session, whose parent is the system. False in the process that called."""
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    return True


def lower_priority() -> None:
    """Let everybody else compute first: a film that is read while a run trains must not wait for it."""
    setting = os.environ.get(NICENESS_VARIABLE, "")
    niceness = int(setting) if setting.isdigit() else DEFAULT_NICENESS
    os.nice(niceness)
    # Where Linux groups processes by session, niceness counts inside a session only, and this between sessions.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def launch(folder: Path) -> int:
    """Start the process of a waiting job. The exit status: 0 once it runs, NOT_WAITING when the job does not wait."""
    answer_reader, answer_writer = os.pipe()
    if not detach():
        os.close(answer_writer)
        answer = os.read(answer_reader, 1)  # nothing when the other side died
        return answer[0] if answer else 1
    with files.queue_lock():  # whoever stops or moves the job does so before this or after it
        if files.read_queue_entry(folder) is None or files.is_job_live(folder):
            os.write(answer_writer, bytes([NOT_WAITING]))
            return NOT_WAITING
        command, environment = _take_over(folder)
    os.write(answer_writer, bytes([0]))
    lower_priority()
    _exec_in_place(command, environment)
    return 1


def _take_over(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Become the process of a job, as others see it. Returns its command and environment."""
    output = os.open(
        folder / run_files.JOB_FOLDER / run_files.OUTPUT,
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
        0o644,
    )
    os.dup2(output, 1)
    os.dup2(output, 2)
    request = files.read_request(folder)
    if request is None:
        raise RunError(f"{folder} has no request that can be read; delete it")
    command = build_job_command(folder, request)
    environment = os.environ | {files.JOB_TAG: str(folder)}
    remove_unfinished(folder / run_files.JOB_FOLDER)
    files.remove_records(folder, run_files.HEARTBEAT, run_files.END, run_files.STOP)
    if isinstance(request, EvaluationRequest):
        files.remove_records(folder, run_files.RUN_PROGRESS)
        if request.kind == "evaluation":  # one core; runs and readings keep the others
            environment.setdefault("OMP_NUM_THREADS", "1")
    process = ProcessRecord(
        process=current_process(),
        time=time.time(),
        monotonic=time.monotonic(),
        former_figures=files.stamp_figures(folder),
    )
    files.write_record(folder, run_files.PROCESS, process.to_json())
    files.remove_records(folder, run_files.QUEUE)
    return command, environment


def _exec_in_place(command: list[str], environment: dict[str, str]) -> None:
    """Execute a command in the place of this process. Comes back only by an error."""
    os.chdir(ROOT)
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    sys.exit(launch(Path(sys.argv[1])))
