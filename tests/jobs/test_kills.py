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

from cxr_core.jobs import files as files
from cxr_core.jobs import jobs
from cxr_core.jobs.job import Request
from cxr_core.jobs.process_id import Name, is_alive
from cxr_core.jobs.status import last_checkpoint
from cxr_core.training.runs.progress import watch
from cxr_core.training.runs.run_folder import RunFolder
from tests.jobs.watching import begin, end_all, stand_in, until
from tests.training.test_resume import RESTLESS, films

__all__ = ["films", "stand_in"]
ROOT = Path(__file__).parents[2]
RECOGNISED_S = 30.0
MANY = int(os.environ.get("CXR_MANY_KILLS", "20"))
# What an open page does, again and again: look at the runs, and go on with those that ended early.
APP = """
import time
from cxr_core.errors import RunError
from cxr_core.training import jobs
while True:
    for job in jobs.jobs():
        if "resume" in job.actions:
            try:
                jobs.resume(job.id)
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
    name, folder = files.process_of(files.folder_of(run)), files.folder_of(run)
    before = last_checkpoint(folder) or 0
    if name is None or not is_alive(name):
        return
    os.kill(name.pid, signal.SIGKILL)
    until(lambda: not is_alive(name), "it is dead")
    died = time.monotonic()
    until(lambda: not showing(run, name), "it is not shown as alive", within_s=RECOGNISED_S)
    seen.runs_killed += 1
    seen.recognised_s.append(time.monotonic() - died)
    require_whole(folder, before)


def showing(run: str, name: Name) -> bool:
    """Whether a run is shown as alive by this process, which it may no longer be."""
    return jobs.job(run).live and files.process_of(files.folder_of(run)) == name


def require_whole(folder: Path, before: int) -> None:
    """Everything in the folder can be read, and no checkpoint that was there is lost."""
    assert files.read(folder, files.REQUEST)
    watch(folder)
    if files.can_go_on(folder):
        run = RunFolder.open(folder)
        assert run.recipe().name
        assert run.manifest() is not None
        run.progress()
    assert (last_checkpoint(folder) or 0) >= before


def killed_again_and_again(
    kills: int, chance: random.Random, start: Callable[[int], str], longest_s: float
) -> Seen:
    """Kill trainer, app or both at random moments, so many times. start: makes a run, by its number."""
    seen, started, app = Seen(), 0, start_app()
    strangers = [subprocess.Popen(["sleep", "86400"]) for _ in range(5)]
    try:
        run = start(started)
        while seen.runs_killed + seen.apps_killed < kills:
            if jobs.job(run).state == "finished":
                started += 1
                run = start(started)
            if chance.random() < 0.5:  # in its work rather than in its start
                until(
                    lambda run=run: jobs.job(run).state in ("running", "finished"),
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
            lambda: jobs.job(run).state in ("running", "finished"), f"{run} goes on", within_s=600
        )
    finally:
        for process in (app, *strangers):
            process.kill()
            process.wait()
    return seen


def test_a_few_kills(stand_in: Path) -> None:
    seen = killed_again_and_again(
        6, random.Random(7), lambda number: begin(stand_in, token=str(number)).id, 1.0
    )
    assert seen.runs_killed >= 1
    assert seen.apps_killed >= 1


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_kills(stand_in: Path) -> None:
    """CXR_MANY_KILLS: how many; 20 unless told."""
    print(
        killed_again_and_again(
            MANY, random.Random(5), lambda number: begin(stand_in, token=str(number)).id, 1.0
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
        return jobs.submit(
            Request(recipe=RESTLESS, data=(str(films),), token=str(number), device="cpu")
        ).id

    try:
        seen = killed_again_and_again(MANY, random.Random(11), start, 4.0)
        finished = [job for job in jobs.jobs() if job.state == "finished"]
    finally:
        end_all(workspace)
    for folder in files.run_folders():
        assert RunFolder(folder).checkpoints.latest().damaged == ()
    print(
        f"{seen}\n{len(finished)} runs finished; recognised within {max(seen.recognised_s):.2f} s at most"
    )
