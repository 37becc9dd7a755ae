"""Runs, and the program that resumes them, killed at random moments: nothing is lost, nobody else is hit."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cxr_core.jobs import actions, files, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.training.runs import run_files
from cxr_core.training.runs.progress import read_progress
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.process_id import ProcessId
from tests.jobs.job_control import end_all, submit, until
from tests.training.test_resume import RESTLESS, films

pytestmark = pytest.mark.process

__all__ = ["films"]
ROOT = Path(__file__).parents[2]
RECOGNISED_S = 30.0
MANY = int(os.environ.get("CXR_MANY_KILLS", "20"))
# What an open page does, again and again: look at the runs, and go on with those that ended early.
APP = """
import time
from cxr_core.errors import RunError
from cxr_core.jobs import actions, status
while True:
    for job in status.list_runs():
        if "resume" in job.actions:
            try:
                actions.resume_run(job.id)
            except RunError:
                pass
    time.sleep(0.1)
"""


@dataclass
class Seen:
    """What the kills have shown. recognised_s: from a run's death until it was no longer shown as alive."""

    runs_killed: int = 0
    apps_killed: int = 0
    recognised_s: list[float] = field(default_factory=list)


def start_app() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", APP], cwd=ROOT)


def kill_run(run: str, seen: Seen) -> None:
    """Kill a run's process, then require that it is known to be dead, and whole."""
    name, folder = files.read_process(files.find_run_folder(run)), files.find_run_folder(run)
    before = run_files.last_checkpoint_step(folder) or 0
    if name is None or not name.is_running:
        return
    os.kill(name.pid, signal.SIGKILL)
    until(lambda: not name.is_running, "it is dead")
    died = time.monotonic()
    until(lambda: not showing(run, name), "it is not shown as alive", within_s=RECOGNISED_S)
    seen.runs_killed += 1
    seen.recognised_s.append(time.monotonic() - died)
    require_whole(folder, before)


def showing(run: str, name: ProcessId) -> bool:
    """Whether a run is shown as alive by this process, which it may no longer be."""
    return status.load_job(run).live and files.read_process(files.find_run_folder(run)) == name


def require_whole(folder: Path, before: int) -> None:
    """Everything in the folder can be read, and no checkpoint that was there is lost."""
    assert files.read_record(folder, run_files.REQUEST)
    read_progress(folder)
    if run_files.has_run(folder):
        run = RunFolder.open(folder)
        assert run.load_recipe().name
        assert run.load_manifest() is not None
        run.read_events()
    assert (run_files.last_checkpoint_step(folder) or 0) >= before


def killed_again_and_again(
    kills: int, chance: random.Random, start: Callable[[int], str], longest_s: float
) -> Seen:
    """Kill trainer, app or both at random moments, so many times. start: makes a run, by its number."""
    seen, started, app = Seen(), 0, start_app()
    strangers = [subprocess.Popen(["sleep", "86400"]) for _ in range(5)]
    try:
        run = start(started)
        while seen.runs_killed + seen.apps_killed < kills:
            if status.load_job(run).state == "finished":
                started += 1
                run = start(started)
            if chance.random() < 0.5:  # in its work rather than in its start
                until(
                    lambda run=run: status.load_job(run).state in ("running", "finished"),
                    f"{run} runs",
                    within_s=600,
                )
            time.sleep(chance.uniform(0, longest_s))
            victims = chance.choice(("run", "app", "both"))
            if victims != "run":
                app.kill()
                app.wait()
                seen.apps_killed += 1
            if victims != "app":
                kill_run(run, seen)
            if victims != "run":
                app = start_app()
            print(
                f"{seen.runs_killed} runs and {seen.apps_killed} apps killed, {started} finished",
                flush=True,
            )
        assert all(stranger.poll() is None for stranger in strangers)
        until(
            lambda: status.load_job(run).state in ("running", "finished"),
            f"{run} goes on",
            within_s=600,
        )
    finally:
        for process in (app, *strangers):
            process.kill()
            process.wait()
    return seen


def test_a_few_kills(stand_in: Path) -> None:
    seen = killed_again_and_again(
        6, random.Random(7), lambda number: submit(stand_in, token=str(number)).id, 1.0
    )
    assert seen.runs_killed >= 1
    assert seen.apps_killed >= 1


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_kills(stand_in: Path) -> None:
    """CXR_MANY_KILLS: how many; 20 unless told."""
    print(
        killed_again_and_again(
            MANY, random.Random(5), lambda number: submit(stand_in, token=str(number)).id, 1.0
        )
    )


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_kills_of_real_runs(
    films: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, of trainings. Every checkpoint there is at the end is whole, by its own hashes."""
    monkeypatch.setenv("CXR_RUN_NICENESS", "0")

    def start(number: int) -> str:
        return actions.submit_training(
            TrainingRequest(recipe=RESTLESS, data=(str(films),), token=str(number), device="cpu")
        ).id

    try:
        seen = killed_again_and_again(MANY, random.Random(11), start, 4.0)
        finished = [job for job in status.list_runs() if job.state == "finished"]
    finally:
        end_all(workspace)
    for folder in files.list_run_folders():
        assert RunFolder(folder).checkpoints.load_latest().damaged == ()
    print(
        f"{seen}\n{len(finished)} runs finished; recognised within {max(seen.recognised_s):.2f} s at most"
    )
