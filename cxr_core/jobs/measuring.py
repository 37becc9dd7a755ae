"""Measure a finished run on its own test part: `python -m train.evaluate` in a process of its own.

It outlives who asked for it: `asked` tells of it, and its figures are there once it has ended.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cxr_core.errors import Cancelled, RunError
from cxr_core.jobs.activity import MEASURED, asked, asking
from cxr_core.workspace.paths import ROOT

PROGRAM = "train.evaluate"
PAUSE_S, PATIENCE_S, NICENESS = 0.5, 10.0, 10


def measure_on_test(run: Path, data: Sequence[str], stop: Callable[[], bool]) -> None:
    """Write the run's evaluation folder: figures on test films, which `publish` asks for. Blocks until it is there.

    data: folders or names of registered datasets.  stop: asked twice a second. Raises Cancelled when it said yes, and
    RunError with the program's own last words when it could not measure, or when another process is at it.
    """
    if (before := asked(run)) and before.running:
        raise RunError(f"{run.name} is being {before.what} already; wait for that")
    folders = [f"--data={each}" for each in data]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(run), *folders],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # what ends this program from a keyboard does not end it
            env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        )
        os.setpriority(
            os.PRIO_PROCESS, process.pid, NICENESS
        )  # films that somebody reads meanwhile go first
        try:
            with asking(run, MEASURED, process.pid):
                _wait(process, stop)
        finally:
            _end(process)
        if process.returncode:
            said.seek(0)
            raise RunError(_last_words(said.read(), process.returncode))


def _wait(process: "subprocess.Popen[bytes]", stop: Callable[[], bool]) -> None:
    while True:
        try:
            process.wait(PAUSE_S)
            return
        except subprocess.TimeoutExpired:
            if stop():
                raise Cancelled("stopped") from None


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(said: bytes, status: int) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    if lines and lines[-1].startswith(f"{PROGRAM}: "):
        return lines[-1].removeprefix(f"{PROGRAM}: ")
    if status < 0:
        return f"the measurement was ended by signal {-status}; ask for it again"
    return f"the measurement failed: {lines[-1] if lines else f'exit status {status}'}"
