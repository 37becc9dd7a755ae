"""The line of runs before a device: in order, moved, left, and started when it is free though nobody looks."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from cxr_core.errors import RunError
from cxr_core.jobs import files as files
from cxr_core.jobs import jobs, launch, queue
from cxr_core.jobs.job import Request
from cxr_core.jobs.process_id import MARK, is_alive, is_held, marked, name_of, signal_to
from cxr_core.workspace.paths import ROOT
from tests.jobs.watching import begin, kill, process, stand_in, until, wait_for
from tests.training.test_fit import TINY

__all__ = ["stand_in"]


def started(run: str) -> bool:
    """Whether a run has been started, told without a call that would start it."""
    return (files.runs_folder() / run / "job" / files.PROCESS).exists()


def test_runs_wait_in_an_order_that_can_be_changed_and_start_though_nobody_looks(
    stand_in: Path,
) -> None:
    first, second, third, fourth = (begin(stand_in, token=token).id for token in "abcd")
    wait_for(first, "running")
    assert [(job.id, job.place) for job in jobs.jobs()] == [
        (first, None),
        (second, 1),
        (third, 2),
        (fourth, 3),
    ]
    assert jobs.move(fourth, -1).place == 2
    assert jobs.move(fourth, -5).place == 1
    assert jobs.move(second, 9).place == 3
    assert [job.id for job in jobs.jobs()] == [first, fourth, third, second]
    assert jobs.stop(third).sentence == "Taken out of the queue before it began."
    with pytest.raises(RunError, match="does not wait"):
        jobs.move(third, 1)
    kill(process(first))
    until(lambda: started(fourth), "the next run has begun")
    assert not started(second)
    wait_for(fourth, "running")
    assert jobs.resume(third).place == 2
    kill(process(fourth))
    wait_for(second, "running")


def test_a_run_that_left_the_queue_while_it_was_being_started_does_not_start(
    stand_in: Path, monkeypatch
) -> None:
    monkeypatch.setattr(queue, "see_to_it", lambda: None)
    run = begin(stand_in).id
    launching = [sys.executable, "-m", launch.__name__, str(files.folder_of(run))]
    with files.alone():
        launcher = subprocess.Popen(launching, cwd=ROOT)
        with pytest.raises(subprocess.TimeoutExpired):
            launcher.wait(5)  # it waits for its turn in the line, and has taken nothing yet
        assert not files.is_run_live(files.folder_of(run))
        files.drop(files.folder_of(run), files.QUEUE)
    assert launcher.wait(60) == launch.HELD
    assert not started(run)


def test_a_dead_starter_is_replaced_by_whoever_looks(stand_in: Path) -> None:
    first, second = begin(stand_in, token="a").id, begin(stand_in, token="b").id
    wait_for(first, "running")
    lock = files.runs_folder() / queue.STARTER
    until(lambda: is_held(lock), "a process waits to start the second run")
    (starter,) = [name for name in map(name_of, line_processes(lock)) if name]
    signal_to(starter, signal.SIGKILL)
    until(lambda: not is_alive(starter), "it is dead")
    kill(process(first))
    until(lambda: not is_alive(process(first)), "the first run is dead")
    assert not started(second)
    jobs.jobs()
    until(lambda: started(second), "the second run has begun")


def line_processes(lock: Path) -> list[int]:
    """The processes that have a file open, told by their descriptors."""
    found = []
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if place.samefile(lock):
                found.append(int(place.parts[2]))
        except OSError:
            continue
    return found


def test_a_run_of_a_shell_keeps_its_device_busy(stand_in: Path) -> None:
    by_hand = files.runs_folder() / "by-hand"
    by_hand.mkdir(parents=True)
    (by_hand / "recipe.toml").write_text('name = "hand"\nmodel = "tiny"\n')
    (by_hand / "manifest.json").write_text(json.dumps({"folders": [str(stand_in)]}))
    (by_hand / "progress.jsonl").write_text('{"time": 1.0, "event": "begun", "device": "cpu"}\n')
    with FileLock(by_hand / ".lock"):
        waiting = begin(stand_in).id
        until(
            lambda: is_held(files.runs_folder() / queue.STARTER), "a process waits to start the run"
        )
        queue.start_due()
        shown = {job.id: (job.state, job.by_hand, job.device, job.recipe) for job in jobs.jobs()}
        assert shown["by-hand"] == ("running", True, "cpu", "hand")
        assert shown[waiting][0] == "queued"
    wait_for(waiting, "running")
    assert jobs.job("by-hand").state == "interrupted"
    assert jobs.resume("by-hand").place == 1


def test_every_process_of_a_run_ends_when_the_one_above_is_killed(stand_in: Path) -> None:
    """torchrun puts its processes into sessions of their own, so no process group would reach them."""
    run = jobs.submit(
        Request(recipe=TINY, data=(str(stand_in),), token="two", device="cpu", processes=2)
    ).id
    wait_for(run, "running")
    folder = str(files.folder_of(run))
    until(lambda: len(marked().get(folder, [])) == 3, "torchrun and two processes live")
    names = marked()[folder]
    kill(process(run))
    until(lambda: not any(map(is_alive, names)), "all three have ended")
    wait_for(run, "interrupted")


@pytest.mark.parametrize(("leader", "ends"), [("another", -signal.SIGKILL), ("its parent", 0)])
def test_a_process_whose_starter_is_gone_before_it_could_be_bound_to_it_ends(
    tmp_path, leader, ends
):
    """torchrun may be killed while its processes still load Python."""
    me = name_of(os.getpid())
    (tmp_path / files.FOLDER).mkdir()
    files.write(
        tmp_path, files.PROCESS, replace(me, started=me.started + (leader == "another")).to_record()
    )
    code = "from cxr_core.jobs.heartbeat import Pulse; Pulse(print).__enter__()"
    told = os.environ | {MARK: str(tmp_path), "WORLD_SIZE": "2", "RANK": "1"}
    assert subprocess.run([sys.executable, "-c", code], env=told, check=False).returncode == ends
