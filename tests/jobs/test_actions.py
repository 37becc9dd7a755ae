"""Runs as processes of their own: started once, told from others, found dead or frozen, ended with their children."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import DataError, RunError
from cxr_core.jobs import actions, files, scheduler, status
from cxr_core.jobs.activity import track_activity
from cxr_core.jobs.records import EvaluationRequest, HeartbeatRecord, ProcessRecord
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import VALIDATING, WRITING_CHECKPOINT, WRITING_MODEL
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.process_id import current_process, identify_process
from tests.jobs.job_control import (
    finish,
    kill,
    process_of,
    step_of,
    submit,
    until,
    wait_for,
    wait_for_step,
)

pytestmark = pytest.mark.process


def test_twenty_clicks_make_one_run(stand_in: Path) -> None:
    with ThreadPoolExecutor(20) as clicks:
        runs = list(clicks.map(lambda _: submit(stand_in).id, range(20)))
    assert len(set(runs)) == 1
    wait_for(runs[0], "running")
    assert [job.id for job in status.list_runs()] == [runs[0]]
    assert submit(stand_in).id == runs[0]
    assert submit(stand_in, token="another").id != runs[0]


def test_a_run_outlives_the_program_that_started_it(stand_in: Path) -> None:
    reader, writer = os.pipe()
    app = os.fork()
    if app == 0:
        os.write(writer, submit(stand_in).id.encode())
        signal.pause()
    run = os.read(reader, 200).decode()
    os.kill(app, signal.SIGKILL)
    os.waitpid(app, 0)
    wait_for(run, "running")
    assert os.getsid(process_of(run).pid) == process_of(run).pid
    wait_for_step(run, step_of(run) + 5)
    assert finish(run).sentence == "Finished; its model is there."
    until(lambda: identify_process(process_of(run).pid) is None, "its process has ended")


def test_a_killed_run_is_interrupted_and_resumed_from_its_checkpoint(stand_in: Path) -> None:
    run = submit(stand_in).id
    wait_for_step(run, 12)
    kill(process_of(run))
    job = wait_for(run, "interrupted")
    assert job.actions == {"resume", "retry", "delete"}
    kept = int(job.sentence.rpartition("step ")[2].rstrip("."))
    assert kept % 5 == 0
    assert kept >= 10
    actions.resume_run(run)
    with pytest.raises(RunError, match=r"only a run that ended"):
        actions.resume_run(run)
    wait_for_step(run, kept + 20)
    lines = (job.folder / run_files.RUN_PROGRESS).read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event.get("step") for event in events if event["event"] in ("begun", "resumed")] == [
        None,
        kept,
    ]


def test_a_stopped_run_keeps_a_checkpoint_and_force_needs_patience(stand_in: Path) -> None:
    run = submit(stand_in).id
    wait_for_step(run, 3)
    with pytest.raises(RunError, match="ask it to stop first"):
        actions.force_stop_job(run)
    assert actions.stop_job(run).state in ("stopping", "stopped")
    job = wait_for(run, "stopped")
    step = step_of(run)
    assert job.sentence == f"Stopped at step {step}; it can be resumed from there."
    assert (job.folder / "checkpoints" / f"step_{step:06}").is_dir()
    with pytest.raises(RunError, match="nothing to stop"):
        actions.stop_job(run)


def test_a_suspended_run_is_frozen_and_ends_by_force(stand_in: Path) -> None:
    run = submit(stand_in).id
    wait_for_step(run, 6)
    process = process_of(run)
    os.kill(process.pid, signal.SIGSTOP)
    frozen = wait_for(run, "frozen")
    assert "suspended from outside" in frozen.sentence
    assert frozen.actions == {"force_stop", "retry"}
    actions.force_stop_job(run)
    assert wait_for(run, "stopped").sentence.startswith("Stopped. It can be resumed from step")
    assert not process.is_running


def test_a_failed_run_says_its_last_sentence(stand_in: Path) -> None:
    run = submit(stand_in, name="fails").id
    assert wait_for(run, "failed").sentence == "the data was eaten by a test"
    output = files.find_run_folder(run) / "job" / run_files.OUTPUT
    assert output.read_text().endswith("the data was eaten by a test\n")


def test_a_decoding_process_ends_with_its_run(stand_in: Path) -> None:
    run = submit(stand_in, name="decodes").id
    wait_for_step(run, 1)
    decoder = identify_process(int((files.find_run_folder(run) / "decoder").read_text()))
    assert decoder is not None
    kill(process_of(run))
    until(lambda: not decoder.is_running, "the decoding process has ended")
    wait_for(run, "interrupted")


def test_what_a_dead_run_left_running_is_shown_and_ended(stand_in: Path) -> None:
    run = submit(stand_in).id
    wait_for(run, "running")
    folder = files.find_run_folder(run)
    with subprocess.Popen(["sleep", "600"], env=os.environ | {"CXR_JOB": str(folder)}) as left:
        kill(process_of(run))
        orphaned = wait_for(run, "orphaned")
        assert [job.state for job in status.list_runs()] == ["orphaned"]
        assert orphaned.actions == {"force_stop", "retry"}
        actions.force_stop_job(run)
        assert left.wait(30) == -signal.SIGKILL
    assert wait_for(run, "stopped").actions == {"resume", "retry", "delete"}


def test_a_process_that_reuses_a_pid_is_never_signalled(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's record names the pid of a process that is somebody else's: of another start, or another boot."""
    run = silent_run("recycled")
    monkeypatch.setattr(files, "is_job_live", lambda folder: True)
    monkeypatch.setattr(actions, "find_by_env_tag", lambda tag: {})
    monkeypatch.setattr(actions, "seconds_until_force", lambda folder: 0.0)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        real = identify_process(stranger.pid)
        assert real is not None
        earlier = replace(real, created=real.created - 10, uptime_s=real.uptime_s - 10)
        of_long_ago = replace(real, created=1.0, uptime_s=-1.0)
        of_former_boot = replace(real, created=real.created - 86400, boot="of the former boot")
        for false in (earlier, of_long_ago, of_former_boot):
            process = ProcessRecord(process=false, monotonic=time.monotonic())
            heartbeat = HeartbeatRecord(process=false, leader=false, event={})
            stop = {**false.to_json(), "monotonic": time.monotonic() - 60}
            files.write_record(run, run_files.PROCESS, process.to_json())
            files.write_record(run, run_files.HEARTBEAT, heartbeat.to_json())
            files.write_record(run, run_files.STOP, stop)
            actions.stop_job("recycled")
            actions.force_stop_job("recycled")
        time.sleep(0.1)
        assert stranger.poll() is None
        assert real.is_running
        stranger.kill()


def test_a_silent_run_is_frozen_and_a_slow_one_is_not(workspace: Path) -> None:
    """This process carries out the run and sends its heartbeat, lately or not."""
    run = silent_run("silent")
    own = current_process()
    process = ProcessRecord(process=own, monotonic=time.monotonic() - 3600)
    files.write_record(run, run_files.PROCESS, process.to_json())
    states = {}
    for silent_s in (1, 15, 25):
        heartbeat = HeartbeatRecord(
            process=own,
            leader=own,
            monotonic=time.monotonic() - silent_s,
            event={"event": "step"},
        )
        files.write_record(run, run_files.HEARTBEAT, heartbeat.to_json())
        states[silent_s] = status.load_job("silent").state
    assert states == {1: "running", 15: "running", 25: "frozen"}


@pytest.mark.parametrize(
    ("event", "states"),
    [
        ({"event": "step"}, ("running", "frozen", "frozen")),
        ({"event": "stage", "stage": VALIDATING}, ("running", "frozen", "frozen")),
        ({"event": "stage", "stage": WRITING_CHECKPOINT}, ("running", "running", "frozen")),
        ({"event": "stage", "stage": WRITING_MODEL}, ("running", "running", "frozen")),
    ],
)
def test_a_run_that_waits_for_its_disk_is_not_frozen(
    workspace: Path, event: JsonObject, states: tuple[str, ...]
) -> None:
    """The disk that holds up a checkpoint holds up the heartbeat as well; after ten minutes something is wrong."""
    run, own = silent_run("writing"), current_process()
    process = ProcessRecord(process=own, monotonic=time.monotonic() - 3600)
    files.write_record(run, run_files.PROCESS, process.to_json())
    found = []
    for silent_s in (1, 300, 700):
        heartbeat = HeartbeatRecord(
            process=own, leader=own, monotonic=time.monotonic() - silent_s, event=event
        )
        files.write_record(run, run_files.HEARTBEAT, heartbeat.to_json())
        found.append(status.load_job("writing").state)
    assert tuple(found) == states


def silent_run(name: str) -> Path:
    """A run that was submitted, without a process."""
    run = files.runs_folder() / name
    run.mkdir(parents=True)
    files.write_record(run, run_files.REQUEST, {"recipe": "tiny", "device": "cpu"})
    return run


def test_deleting_spares_what_runs_and_what_an_installed_model_came_from(
    stand_in: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(stand_in).id
    wait_for(run, "running")
    with pytest.raises(RunError, match="stop it before it is deleted"):
        actions.delete_run(run)
    finish(run)
    card = workspace / "models" / "tiny" / "1.0.1" / "card.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"training": {"published": {"run": run}}}))
    until(lambda: not status.load_job(run).live, "it has ended")
    with pytest.raises(RunError, match=r"the installed model tiny 1\.0\.1 came from it"):
        actions.delete_run(run)
    card.rename(card.parent.with_name(".1.0.1-draft"))  # what a kill left is no installed model
    folder = files.find_run_folder(run)
    with (
        track_activity(folder, "compared with another model"),
        pytest.raises(RunError, match="is being compared with another model; wait"),
    ):
        actions.delete_run(run)
    monkeypatch.setattr(scheduler, "ensure_scheduler", lambda: None)
    request = EvaluationRequest(model=str(folder), data=("films",), split="test")
    evaluation = actions.submit_evaluation(request)
    with pytest.raises(RunError, match="is being evaluated; wait for that"):
        actions.delete_run(run)
    actions.stop_job(evaluation.id)
    actions.delete_run(run)
    assert status.list_runs() == ()
    assert [path for path in files.runs_folder().iterdir() if run in path.name] == []
    with pytest.raises(RunError, match="there is no run"):
        status.load_job(run)


def test_a_clone_says_what_it_is_a_clone_of(stand_in: Path) -> None:
    before = submit(stand_in, name="fails").id
    wait_for(before, "failed")
    after = submit(stand_in, token="again", retry_of=before)
    assert after.retry_of == before
    wait_for(after.id, "running")
    manifest = json.loads((after.folder / run_files.RUN_MANIFEST).read_text())
    assert manifest["retry_of"] == before


def test_an_ensemble_is_not_cloned_into_a_single_network(stand_in: Path) -> None:
    run = submit(stand_in, name="fails")
    assert "retry" in wait_for(run.id, "failed").actions
    (run.folder / run_files.RUN_MANIFEST).write_text('{"averaged": ["one", "two"]}')
    assert status.load_job(run.id).actions == {"delete"}


def test_what_cannot_be_started_is_refused_at_once(stand_in: Path) -> None:
    with pytest.raises(DataError, match="neither a folder nor a registered dataset"):
        submit(Path("nowhere"))
    assert status.list_runs() == ()
