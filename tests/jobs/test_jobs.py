"""Runs as processes of their own: started once, told by name, found dead or frozen, ended with what they started."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr_core.errors import DataError, RecipeError, RunError
from cxr_core.jobs import files as files
from cxr_core.jobs import jobs
from cxr_core.jobs.activity import MEASURED, asking
from cxr_core.jobs.process_id import Name, holding, is_alive, name_of
from tests.jobs.watching import (
    begin,
    finish,
    kill,
    process,
    stand_in,
    step_of,
    until,
    wait_for,
    wait_for_step,
)

__all__ = ["stand_in"]


def test_twenty_clicks_make_one_run(stand_in: Path) -> None:
    with ThreadPoolExecutor(20) as clicks:
        made = list(clicks.map(lambda _: begin(stand_in).id, range(20)))
    assert len(set(made)) == 1
    wait_for(made[0], "running")
    assert [job.id for job in jobs.jobs()] == [made[0]]
    assert begin(stand_in).id == made[0]
    assert begin(stand_in, token="another").id != made[0]


def test_a_run_outlives_the_program_that_started_it(stand_in: Path) -> None:
    told, tell = os.pipe()
    app = os.fork()
    if app == 0:
        os.write(tell, begin(stand_in).id.encode())
        signal.pause()
    run = os.read(told, 200).decode()
    os.kill(app, signal.SIGKILL)
    os.waitpid(app, 0)
    wait_for(run, "running")
    assert os.getsid(process(run).pid) == process(run).pid
    wait_for_step(run, step_of(run) + 5)
    assert finish(run).sentence == "Finished; its model is there."
    until(lambda: name_of(process(run).pid) is None, "its process has ended")


def test_a_killed_run_is_interrupted_and_goes_on_from_its_checkpoint(stand_in: Path) -> None:
    run = begin(stand_in).id
    wait_for_step(run, 12)
    kill(process(run))
    job = wait_for(run, "interrupted")
    assert job.actions == {"resume", "retry", "delete"}
    kept = int(job.sentence.rpartition("step ")[2].rstrip("."))
    assert kept % 5 == 0
    assert kept >= 10
    jobs.resume(run)
    with pytest.raises(RunError, match=r"only a run that ended"):
        jobs.resume(run)
    wait_for_step(run, kept + 20)
    begun = [
        json.loads(line)
        for line in (job.folder / files.RUN_PROGRESS).read_text().splitlines()
        if "begun" in line
    ]
    assert [event["step"] for event in begun] == [0, kept]


def test_a_stopped_run_keeps_a_checkpoint_and_force_needs_patience(stand_in: Path) -> None:
    run = begin(stand_in).id
    wait_for_step(run, 3)
    with pytest.raises(RunError, match="ask it to stop first"):
        jobs.force_stop(run)
    asked = jobs.stop(run)
    assert asked.state in ("stopping", "stopped")
    job = wait_for(run, "stopped")
    step = step_of(run)
    assert job.sentence == f"Stopped at step {step}; it can go on from there."
    assert (job.folder / "checkpoints" / f"step_{step:06}").is_dir()
    with pytest.raises(RunError, match="nothing to stop"):
        jobs.stop(run)


def test_a_halted_run_is_frozen_and_ends_by_force(stand_in: Path) -> None:
    run = begin(stand_in).id
    wait_for_step(run, 6)
    name = process(run)
    os.kill(name.pid, signal.SIGSTOP)
    frozen = wait_for(run, "frozen")
    assert "halted from outside" in frozen.sentence
    assert frozen.actions == {"force_stop", "retry"}
    jobs.force_stop(run)
    assert wait_for(run, "stopped").sentence.startswith("Stopped. It can go on from step")
    assert not is_alive(name)


def test_a_failed_run_says_its_last_sentence(stand_in: Path) -> None:
    run = begin(stand_in, name="fails").id
    assert wait_for(run, "failed").sentence == "the data was eaten by a test"
    assert (
        (files.folder_of(run) / "job" / files.OUTPUT)
        .read_text()
        .endswith("the data was eaten by a test\n")
    )


def test_a_decoding_process_ends_with_its_run(stand_in: Path) -> None:
    run = begin(stand_in, name="decodes").id
    wait_for_step(run, 1)
    decoder = name_of(int((files.folder_of(run) / "decoder").read_text()))
    assert decoder is not None
    kill(process(run))
    until(lambda: not is_alive(decoder), "the decoding process has ended")
    wait_for(run, "interrupted")


def test_what_a_dead_run_left_is_shown_and_ended(stand_in: Path) -> None:
    run = begin(stand_in).id
    wait_for(run, "running")
    folder = files.folder_of(run)
    with subprocess.Popen(["sleep", "600"], env=os.environ | {"CXR_JOB": str(folder)}) as left:
        kill(process(run))
        orphaned = wait_for(run, "orphaned")
        assert [job.state for job in jobs.jobs()] == ["orphaned"]
        assert orphaned.actions == {"force_stop", "retry"}
        jobs.force_stop(run)
        assert left.wait(30) == -signal.SIGKILL
    assert wait_for(run, "stopped").actions == {"resume", "retry", "delete"}


def test_a_recycled_pid_is_never_signalled(stand_in: Path) -> None:
    """The run's record names the pid of a process that is somebody else's: another start, or another boot."""
    run = begin(stand_in).id
    wait_for(run, "running")
    folder, own = files.folder_of(run), process(run)
    beat = files.read(folder, files.HEARTBEAT)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        real = name_of(stranger.pid)
        assert real is not None
        for false in (
            Name(real.pid, real.started - 1, real.boot),
            Name(real.pid, real.started, "an earlier boot"),
        ):
            files.write(folder, files.PROCESS, {**false.to_record(), "monotonic": time.monotonic()})
            files.write(
                folder, files.HEARTBEAT, {**beat, **false.to_record(), "leader": false.to_record()}
            )
            files.write(
                folder, files.STOP, {**false.to_record(), "monotonic": time.monotonic() - 60}
            )
            for end in (jobs.stop, jobs.force_stop):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(jobs, "marked", dict)
                    patch.setattr(jobs, "patience_left", lambda _: 0.0)
                    end(run)
        assert stranger.poll() is None
        assert is_alive(real)
        stranger.kill()
    kill(own)


def test_a_silent_run_is_frozen_and_a_slow_one_is_not(workspace: Path) -> None:
    """This process holds the run's lock and gives its sign, lately or not."""
    run = files.runs_folder() / "silent"
    own = name_of(os.getpid())
    assert own is not None
    files.runs_folder().mkdir(parents=True)
    run.mkdir()
    files.write(run, files.REQUEST, {"recipe": "tiny", "device": "cpu"})
    files.write(run, files.PROCESS, {**own.to_record(), "monotonic": time.monotonic() - 3600})
    with subprocess.Popen(["flock", str(run / "job" / files.LOCK), "sleep", "600"]) as holder:
        until(lambda: files.is_run_live(run), "the lock is held")
        states = {}
        for silent_s in (1, 15, 25):
            event = {
                "event": {"event": "step"},
                "leader": own.to_record(),
                "monotonic": time.monotonic() - silent_s,
            }
            files.write(run, files.HEARTBEAT, {**own.to_record(), **event})
            states[silent_s] = jobs.job("silent").state
        holder.terminate()
    assert states == {1: "running", 15: "running", 25: "frozen"}


def test_deleting_spares_what_lives_and_what_an_installed_model_came_from(
    stand_in: Path, workspace: Path
) -> None:
    run = begin(stand_in).id
    wait_for(run, "running")
    with pytest.raises(RunError, match="stop it before it is deleted"):
        jobs.delete(run)
    finish(run)
    card = workspace / "models" / "tiny" / "1.0.1" / "card.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"training": {"published": {"run": run}}}))
    until(lambda: not jobs.job(run).live, "it has ended")
    with pytest.raises(RunError, match=r"the installed model tiny 1\.0\.1 came from it"):
        jobs.delete(run)
    card.rename(card.parent.with_name(".1.0.1-draft"))  # what a kill left is no installed model
    with (
        asking(files.folder_of(run), MEASURED),
        pytest.raises(RunError, match="is being measured on its test films"),
    ):
        jobs.delete(run)
    evaluation = files.folder_of(run) / "evaluation" / "films" / files.FOLDER
    evaluation.mkdir(parents=True)
    with (
        holding(evaluation / files.LOCK),
        pytest.raises(RunError, match="is being evaluated; wait for that"),
    ):
        jobs.delete(run)
    jobs.delete(run)
    assert jobs.jobs() == ()
    assert [path for path in files.runs_folder().iterdir() if run in path.name] == []
    with pytest.raises(RunError, match="there is no run"):
        jobs.job(run)


def test_a_retry_changes_the_recipe_and_says_what_it_retries(stand_in: Path) -> None:
    before = begin(stand_in, name="fails").id
    wait_for(before, "failed")
    with pytest.raises(RecipeError, match="unknown recipe key"):
        jobs.retry(before, {"epoch": "3"}, "again")
    after = jobs.retry(before, {"epochs": "3", "name": "counts"}, "again")
    assert jobs.retry(before, {"epochs": "3", "name": "counts"}, "again").id == after.id
    assert after.retry_of == before
    wait_for(after.id, "running")
    assert files.recipe_facts(after.folder)["epochs"] == 3
    assert json.loads((after.folder / files.RUN_MANIFEST).read_text())["retry_of"] == before
    assert files.recipe_facts(files.folder_of(before))["epochs"] == 2


def test_what_cannot_be_started_is_refused_at_once(stand_in: Path) -> None:
    with pytest.raises(DataError, match="neither a folder nor a registered dataset"):
        begin(Path("nowhere"))
    assert jobs.jobs() == ()
