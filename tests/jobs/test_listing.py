"""A list of runs reads those that have ended only once, and still sees every change."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_core.jobs import actions, status
from cxr_core.jobs.job import Job
from cxr_core.training.runs.annotation import RunAnnotation
from cxr_core.training.runs.run_files import RUN_LOCK
from cxr_core.workspace.process_lock import hold_lock
from tests.pages.fake_runs import FakeRuns, fake_runs


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    with fake_runs() as written:
        yield written


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose files were read, in the order of reading."""
    folders: list[str] = []
    job_status = status.job_status

    def record(folder: Path, *more: object) -> Job:
        folders.append(folder.name)
        return job_status(folder, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(status, "job_status", record)
    return folders


def settle(run: Path) -> None:
    """As if the files of a run had been written an hour ago."""
    for place in (run, *run.rglob("*")):
        os.utime(place, (time.time() - 3600, time.time() - 3600))


def state_of(name: str) -> str:
    return next(run.state for run in status.list_runs() if run.id == name)


def test_an_ended_run_is_read_once_and_a_running_one_each_time(
    runs: FakeRuns, read: list[str]
) -> None:
    settle(runs.write_finished("ended"))
    settle(runs.write_running("alive"))
    for _ in range(3):
        assert [run.id for run in status.list_runs()] == ["alive", "ended"]
    assert sorted(read) == ["alive"] * 3 + ["ended"]


def test_a_run_that_has_just_been_written_is_read_again(runs: FakeRuns, read: list[str]) -> None:
    runs.write_finished("ended")
    assert (state_of("ended"), state_of("ended"), read) == ("finished", "finished", ["ended"] * 2)


def test_every_change_is_seen(runs: FakeRuns) -> None:
    folder = runs.write_interrupted("one")
    settle(folder)
    assert state_of("one") == "interrupted"
    actions.annotate_run("one", lambda before: RunAnnotation(name="new"))
    assert [run.name for run in status.list_runs()] == ["new"]

    settle(folder)
    assert state_of("one") == "interrupted"
    with hold_lock(folder / RUN_LOCK):
        assert status.list_runs()[0].live
    assert state_of("one") == "interrupted"

    settle(folder)
    assert state_of("one") == "interrupted"
    with (folder / "progress.jsonl").open("a") as file:
        file.write('{"event": "failed", "error": "no"}\n')
    assert state_of("one") == "failed"

    settle(folder)
    assert state_of("one") == "failed"
    (folder / "model").mkdir()
    assert state_of("one") == "finished"
