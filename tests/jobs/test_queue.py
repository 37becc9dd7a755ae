"""The queues of jobs: their order, who starts what waits, and that looking at jobs starts and reads nothing."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import RunError
from cxr_core.jobs import actions, files, launch, scheduler, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.jobs.queue import enqueue, waiting_jobs
from cxr_core.jobs.records import EvaluationRequest, ProcessRecord
from cxr_core.training.runs import run_files
from cxr_core.workspace.paths import ROOT
from cxr_core.workspace.process_id import current_process, find_by_env_tag, send_signal
from cxr_core.workspace.process_lock import find_lock_holder, hold_lock
from tests.jobs.job_control import TINY, kill, process_of, submit, until, wait_for

pytestmark = pytest.mark.process


def has_started(run: str) -> bool:
    return (files.runs_folder() / run / "job" / run_files.PROCESS).exists()


def scheduler_lock() -> Path:
    return files.runs_folder() / scheduler.SCHEDULER_LOCK


def test_runs_wait_in_an_order_that_can_be_changed_and_start_though_nobody_looks(
    stand_in: Path,
) -> None:
    first, second, third, fourth = (submit(stand_in, token=token).id for token in "abcd")
    wait_for(first, "running")
    assert [(job.id, job.place) for job in status.list_runs()] == [
        (first, None),
        (second, 1),
        (third, 2),
        (fourth, 3),
    ]
    assert actions.move_job(fourth, -1).place == 2
    assert actions.move_job(fourth, -5).place == 1
    assert actions.move_job(second, 9).place == 3
    assert [job.id for job in status.list_runs()] == [first, fourth, third, second]
    assert actions.stop_job(third).sentence == "Removed from the queue before it began."
    with pytest.raises(RunError, match="no longer queued"):
        actions.move_job(third, 1)
    kill(process_of(first))
    until(lambda: has_started(fourth), "the next run has begun")
    assert not has_started(second)
    wait_for(fourth, "running")
    assert actions.resume_run(third).place == 2
    kill(process_of(fourth))
    wait_for(second, "running")


def test_a_run_that_left_the_queue_while_it_was_being_started_does_not_start(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "ensure_scheduler", lambda: None)
    run = submit(stand_in).id
    folder = files.find_run_folder(run)
    with files.queue_lock():
        launcher = subprocess.Popen([sys.executable, "-m", launch.__name__, str(folder)], cwd=ROOT)
        with pytest.raises(subprocess.TimeoutExpired):
            launcher.wait(5)  # it waits for the lock of the queues, and has taken nothing yet
        assert not files.is_job_live(folder)
        files.remove_records(folder, run_files.QUEUE)
    assert launcher.wait(60) == launch.NOT_WAITING
    assert not has_started(run)


def test_looking_at_jobs_starts_nothing(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 0.1 started the scheduler when runs were listed."""
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "ensure_scheduler", lambda: None)
        run = submit(stand_in).id
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert [job.state for job in status.list_runs()] == ["queued"]
    assert status.load_job(run).place == 1
    assert status.list_evaluations() == ()
    assert find_lock_holder(scheduler_lock()) is None


def test_what_waited_when_the_machine_was_switched_off_starts_when_the_app_is_opened(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages call `ensure_scheduler` when they are opened."""
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "ensure_scheduler", lambda: None)
        run = submit(stand_in).id
    scheduler.ensure_scheduler()
    wait_for(run, "running")


def test_where_jobs_cannot_be_started_that_is_said_and_looking_still_works(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which cannot execute a command in the place of a process."""
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "ensure_scheduler", lambda: None)
        run = submit(stand_in).id
    monkeypatch.setattr(launch, "CAN_LAUNCH", False)
    with pytest.raises(RunError, match=r"on Windows run python -m train\.fit"):
        submit(stand_in, token="another")
    with pytest.raises(RunError, match="Linux and macOS only"):
        actions.submit_evaluation(EvaluationRequest(model="a", data=("b",), split="test"))
    scheduler.ensure_scheduler()
    assert find_lock_holder(scheduler_lock()) is None
    assert status.load_job(run).state == "queued"


def test_a_dead_scheduler_is_replaced(stand_in: Path) -> None:
    first, second = submit(stand_in, token="a").id, submit(stand_in, token="b").id
    wait_for(first, "running")
    until(lambda: find_lock_holder(scheduler_lock()), "a process waits to start the second run")
    holder = find_lock_holder(scheduler_lock())
    assert holder is not None
    send_signal(holder, signal.SIGKILL)
    until(lambda: not holder.is_running, "it is dead")
    kill(process_of(first))
    until(lambda: not process_of(first).is_running, "the first run is dead")
    assert not has_started(second)
    scheduler.ensure_scheduler()
    until(lambda: has_started(second), "the second run has begun")


def test_a_run_of_a_shell_keeps_its_device_busy(stand_in: Path) -> None:
    by_hand = files.runs_folder() / "by-hand"
    by_hand.mkdir(parents=True)
    (by_hand / "recipe.toml").write_text('name = "hand"\nmodel = "tiny"\n')
    (by_hand / "manifest.json").write_text(json.dumps({"folders": [str(stand_in)]}))
    (by_hand / "progress.jsonl").write_text('{"time": 1.0, "event": "begun", "device": "cpu"}\n')
    with hold_lock(by_hand / run_files.RUN_LOCK):
        waiting = submit(stand_in).id
        until(lambda: find_lock_holder(scheduler_lock()), "a process waits to start the run")
        scheduler.start_due_jobs(scheduler.LiveJobs())
        shown = {
            job.id: (job.state, job.by_hand, job.device, job.recipe) for job in status.list_runs()
        }
        assert shown["by-hand"] == ("running", True, "cpu", "hand")
        assert shown[waiting][0] == "queued"
    wait_for(waiting, "running")
    assert status.load_job("by-hand").state == "interrupted"
    assert actions.resume_run("by-hand").place == 1


def test_the_scheduler_does_not_read_again_what_has_ended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1 read every file of every run twice a second while one waited."""
    ended = replace(current_process(), created=1.0, uptime_s=-1.0)
    for number in range(20):
        run = files.runs_folder() / f"ended-{number}"
        run.mkdir(parents=True)
        files.write_record(run, run_files.REQUEST, {"device": "cpu"})
        files.write_record(run, run_files.PROCESS, ProcessRecord(process=ended).to_json())
    busy = files.runs_folder() / "busy"
    busy.mkdir()
    files.write_record(busy, run_files.REQUEST, {"device": "cpu"})
    own = ProcessRecord(process=current_process())
    files.write_record(busy, run_files.PROCESS, own.to_json())
    waiting = files.runs_folder() / "waiting"
    waiting.mkdir()
    files.write_record(waiting, run_files.REQUEST, {"device": "cpu"})
    enqueue(waiting, "cpu")
    live_jobs = scheduler.LiveJobs()
    assert live_jobs.find_busy_queues() == {"cpu"}
    read: list[tuple[str, str]] = []
    read_record = files.read_record

    def count_reads(folder: Path, name: str) -> object:
        if (folder / "job" / name).exists():
            read.append((folder.name, name))
        return read_record(folder, name)

    monkeypatch.setattr(files, "read_record", count_reads)
    assert scheduler.start_due_jobs(live_jobs)
    assert sorted(set(read)) == [
        ("busy", run_files.PROCESS),
        ("busy", run_files.REQUEST),
        ("waiting", run_files.QUEUE),
    ]
    assert waiting_jobs() == {"cpu": [waiting]}


def test_every_process_of_a_run_ends_when_the_one_above_is_killed(stand_in: Path) -> None:
    """torchrun puts its processes into sessions of their own, so no process group would reach them."""
    request = TrainingRequest(
        recipe=TINY, data=(str(stand_in),), token="two", device="cpu", processes=2
    )
    run = actions.submit_training(request).id
    wait_for(run, "running")
    folder = str(files.find_run_folder(run))
    until(
        lambda: len(find_by_env_tag(files.JOB_TAG).get(folder, [])) == 3,
        "torchrun and two processes run",
    )
    processes = find_by_env_tag(files.JOB_TAG)[folder]
    kill(process_of(run))
    until(lambda: not any(process.is_running for process in processes), "all three have ended")
    wait_for(run, "interrupted")


@pytest.mark.parametrize(("leader", "ends"), [("another", -signal.SIGKILL), ("its parent", 0)])
def test_a_process_whose_starter_ended_before_it_could_be_bound_to_it_ends(
    tmp_path: Path, leader: str, ends: int
) -> None:
    """torchrun may be killed while its processes still load Python."""
    own = current_process()
    if leader == "another":
        own = replace(own, created=own.created - 10, uptime_s=own.uptime_s - 10)
    (tmp_path / run_files.JOB_FOLDER).mkdir()
    files.write_record(tmp_path, run_files.PROCESS, ProcessRecord(process=own).to_json())
    code = "from cxr_core.jobs.heartbeat import Heartbeat; Heartbeat(print).__enter__()"
    variables = os.environ | {files.JOB_TAG: str(tmp_path), "WORLD_SIZE": "2", "RANK": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, cwd=ROOT, check=False)
    assert done.returncode == ends
