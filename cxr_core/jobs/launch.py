"""`python -m cxr_core.jobs.launch RUN`: become the process of a run, or of an evaluation, apart from who asked.

It detaches, takes the run's lock, writes down who it is, and then turns into the training (`exec`: same pid, same
start, same lock), so that there is no moment at which a run has a process and nobody knows which.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from cxr_core.jobs import files as files
from cxr_core.jobs.files import Record
from cxr_core.jobs.process_id import MARK, holding, name_of
from cxr_core.workspace.paths import ROOT

TRAIN, SEVERAL = "train.fit", "torch.distributed.run"
NICENESS, USUAL_NICENESS = (
    "CXR_RUN_NICENESS",
    10,
)  # 0: a run computes as much as anybody; 19: only what is left over
HELD = 4  # exit status: somebody runs it already


def command(run: Path, request: Record) -> list[str]:
    """The program that was asked for, else the one that trains a run, from its beginning or from where it stopped."""
    if "program" in request:
        return [sys.executable, "-m", *request["program"]]
    # `--`, or torchrun would take `--run` for one of its own options
    several = [
        "-m",
        SEVERAL,
        "--standalone",
        f"--nproc-per-node={request['processes']}",
        "-m",
        "--",
        TRAIN,
    ]
    start = [sys.executable, *(several if request["processes"] > 1 else ["-m", TRAIN])]
    device = ["--device", request["device"]]
    if files.can_go_on(run):
        return [*start, f"--resume={run}", *device]
    data = [f"--data={folder}" for folder in request["folders"]]
    retried = [f"--retry-of={request['retry_of']}"] if request["retry_of"] else []
    recipe = str(run / files.FOLDER / files.RECIPE)
    return [
        *start,
        recipe,
        *data,
        f"--run={run}",
        f"--version={request['version']}",
        *retried,
        *device,
    ]


def detach() -> bool:
    """Go on as a process of its own session, whose parent is the system. False in the one that was called."""
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return True


def yield_to_others() -> None:
    """Let everybody else compute first: a film that is read while a run trains must not wait for it."""
    asked = os.environ.get(NICENESS, "")
    niceness = int(asked) if asked.isdigit() else USUAL_NICENESS
    os.nice(niceness)
    # Where the kernel groups processes by session, niceness counts inside a session only, and this counts between them.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def launch(run: Path) -> int:
    """Start a run's process. The exit status: 0 once it holds the run, HELD when another does or it waits no more."""
    told, tell = os.pipe()
    if not detach():
        os.close(tell)
        answer = os.read(told, 1)  # nothing when the other side died
        return answer[0] if answer else 1
    request = files.read(run, files.REQUEST)
    with contextlib.ExitStack() as line:
        if (
            queued := "program" not in request
        ):  # who stops or moves it does so before this or after it
            line.enter_context(files.alone())
        with holding(run / files.FOLDER / files.LOCK) as lock:
            if lock is None or (queued and not files.read(run, files.QUEUE)):
                os.write(tell, bytes([HELD]))
                return HELD
            _become(run, request, lock, tell, line)
    return 1


def _become(run: Path, request: Record, lock: int, tell: int, line: contextlib.ExitStack) -> None:
    """Turn into the training, and give the line back before. Comes back only by an error."""
    name = name_of(os.getpid())
    assert name is not None
    output = os.open(
        run / files.FOLDER / files.OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
    )
    os.dup2(output, 1)
    os.dup2(output, 2)
    program = command(run, request)
    files.drop(run, files.HEARTBEAT, files.END, files.STOP)
    now = {"time": time.time(), "monotonic": time.monotonic()}
    files.write(
        run, files.PROCESS, {**name.to_record(), **now, "output_from": os.fstat(output).st_size}
    )
    files.drop(run, files.QUEUE)
    line.close()
    os.write(tell, bytes([0]))
    yield_to_others()
    os.set_inheritable(lock, True)
    os.chdir(ROOT)
    os.execve(sys.executable, program, os.environ | {MARK: str(run)})


if __name__ == "__main__":
    sys.exit(launch(Path(sys.argv[1])))
