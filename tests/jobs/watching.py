"""What the tests of runs share: a stand-in for the training, patience, and nothing left behind."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.jobs import files as files
from cxr_core.jobs import jobs
from cxr_core.jobs.job import Job, Request, State
from cxr_core.jobs.process_id import Name, marked, signal_to
from tests.training.test_fit import TINY

STAND_IN = Path(__file__).parent / "stand_in"
PATIENCE_S = 120.0


@pytest.fixture
def stand_in(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace whose runs are counted steps; the folder of their data. All its processes are ended at last."""
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setenv("CXR_RUN_NICENESS", "0")
    data = tmp_path / "data"
    data.mkdir()
    yield data
    end_all(workspace)


def end_all(workspace: Path) -> None:
    """Empty the queue, then end every process of every run."""
    for run in files.run_folders():
        files.drop(run, files.QUEUE)
    until(
        lambda: not marked_here(workspace), "the runs have ended", each=lambda: kill_all(workspace)
    )


def marked_here(workspace: Path) -> list[Name]:
    return [
        name for run, names in marked().items() if run.startswith(str(workspace)) for name in names
    ]


def kill_all(workspace: Path) -> None:
    for name in marked_here(workspace):
        signal_to(name, signal.SIGKILL)


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


def begin(data: Path, token: str = "one", name: str = "counts") -> Job:
    return jobs.submit(
        Request(recipe=replace(TINY, name=name), data=(str(data),), token=token, device="cpu")
    )


def wait_for(run: str, state: State) -> Job:
    until(lambda: jobs.job(run).state == state, f"{run} is {state}")
    return jobs.job(run)


def step_of(run: str) -> int:
    return int(files.last_event(files.folder_of(run)).get("step", 0))


def wait_for_step(run: str, step: int) -> None:
    until(lambda: step_of(run) >= step, f"{run} is at step {step}")


def process(run: str) -> Name:
    name = files.process_of(files.folder_of(run))
    assert name is not None
    return name


def finish(run: str) -> Job:
    (files.folder_of(run) / "job" / "finish").touch()
    return wait_for(run, "finished")


def kill(name: Name) -> None:
    os.kill(name.pid, signal.SIGKILL)
