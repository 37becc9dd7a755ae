"""Evaluations as jobs: one process however often submitted, in a queue beside that of the runs, with one status."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import RunError
from cxr_core.jobs import actions, files, status
from cxr_core.jobs.activity import GATE_ACTIVITY, read_activity, track_activity
from cxr_core.jobs.heartbeat import EventLog
from cxr_core.jobs.job import Job, Progress
from cxr_core.jobs.records import EvaluationRequest, ProcessRecord
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import PreparationProgress
from cxr_core.workspace.paths import ROOT
from cxr_core.workspace.process_id import current_process
from tests.jobs.job_control import kill, process_of, submit, until, wait_for
from tests.lit_films import lit_films
from tests.tiny import tiny_card, tiny_model
from train.evaluate import main

pytestmark = pytest.mark.process

REQUEST = EvaluationRequest(
    model="a model",
    data=("films",),
    split="test",
    recalibrate="prior=0.05",
    outside_population=True,
)


def how_it_ends(request: EvaluationRequest, ends: str) -> None:
    """Let the stand-in end so: "finish", "fault", or the sentence that it fails with."""
    folder = actions.evaluation_folder(request)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ends").write_text(ends)


def ended(job: Job) -> Job:
    until(lambda: not status.load_job(job.id).active, f"{job.id} has ended")
    return status.load_job(job.id)


def begun(job: Job) -> list[str]:
    path = job.folder / "begun"
    return path.read_text().splitlines() if path.exists() else []


def test_many_clicks_start_one_which_is_watched_and_finishes(stand_in: Path) -> None:
    with ThreadPoolExecutor(4) as clicks:
        ids = set(clicks.map(lambda _: actions.submit_evaluation(REQUEST).id, range(20)))
    (evaluation,) = ids
    until(lambda: status.load_job(evaluation).progress.total, "it tells how far it is")
    job = status.load_job(evaluation)
    assert (job.state, job.progress) == ("running", Progress("reading films", 1200, 4700))
    assert job.title == "a model on the test split of films, recalibrated by prior=0.05"
    assert [other.id for other in status.list_evaluations()] == [evaluation]
    assert status.list_runs() == ()
    actions.dismiss_evaluation(evaluation)  # does nothing to one that runs
    (job.folder / "go").touch()
    assert ended(job).state == "finished"
    assert status.load_job(evaluation).sentence == "Finished; its figures are there."
    (line,) = begun(job)
    assert line.endswith("-- a model")
    for argument in (
        "--data=films",
        "--split=test",
        "--recalibrate=prior=0.05",
        "--outside-population",
        f"--out={job.folder}",
    ):
        assert argument in line.split()


def test_an_evaluation_does_not_wait_for_a_training_run_but_for_another_evaluation(
    stand_in: Path,
) -> None:
    run = submit(stand_in).id
    wait_for(run, "running")
    first = actions.submit_evaluation(REQUEST)
    wait_for(first.id, "running")
    second = actions.submit_evaluation(replace(REQUEST, split="val"))
    assert (second.state, second.place) == ("queued", 1)
    assert second.sentence == "Waits until the evaluations before it have ended."
    assert status.load_job(run).state == "running"
    assert actions.stop_job(second.id).state == "stopped"
    third = actions.submit_evaluation(replace(REQUEST, split="train"))
    assert actions.stop_job(first.id).state in ("stopping", "stopped")
    wait_for(third.id, "running")


def test_it_outlives_who_submitted_it_and_a_kill_is_shown_and_mended(stand_in: Path) -> None:
    code = (
        "import sys; from cxr_core.jobs import actions, records; from cxr_core.jobs.records import *; "
        f"actions.submit_evaluation({REQUEST!r}); "
        "sys.stdout.write('submitted\\n'); sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == "submitted\n"
        app.send_signal(signal.SIGKILL)
    (job,) = status.list_evaluations()
    until(lambda: begun(job), "it goes on")
    assert status.load_job(job.id).state == "running"
    kill(process_of(job.id))
    job = ended(job)
    assert job.state == "interrupted"
    assert job.sentence.endswith("killed, or out of memory. Start it again.")
    assert not (job.folder / "metrics.json").exists()
    (job.folder / "go").touch()
    assert ended(actions.submit_evaluation(REQUEST)).state == "finished"


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        ("the data has no test part", "the data has no test part"),
        ("fault", "it ended by an error of the program, ValueError: seven"),
    ],
)
def test_why_it_failed_is_shown_also_where_it_had_finished_before(
    stand_in: Path, ends: str, sentence: str
) -> None:
    how_it_ends(REQUEST, "finish")
    assert ended(actions.submit_evaluation(REQUEST)).state == "finished"
    how_it_ends(REQUEST, ends)
    job = ended(actions.submit_evaluation(REQUEST))
    assert (job.state, job.sentence) == ("failed", sentence)


def test_it_stops_when_asked_and_can_be_dismissed(stand_in: Path) -> None:
    job = actions.submit_evaluation(REQUEST)
    until(lambda: begun(job), "it has begun")
    actions.stop_job(job.id)
    job = ended(job)
    assert (job.state, job.sentence) == ("stopped", "Stopped. Start it again.")
    assert job.actions == {"dismiss"}
    actions.dismiss_evaluation(job.id)
    assert status.find_evaluation(job.folder) is None
    assert status.list_evaluations() == ()


def test_a_run_is_measured_on_its_test_films_by_an_evaluation_job(stand_in: Path) -> None:
    run = files.runs_folder() / "one"
    (run / "evaluation").mkdir(parents=True)
    (run / "recipe.toml").touch()
    (run / "evaluation" / "ends").write_text("finish")
    job = actions.submit_test_evaluation(run, ("films", "/data/--more"))
    assert ended(job).state == "finished"
    (line,) = begun(job)
    words = line.split()
    assert words[:2] == ["--data=films", "--data=/data/--more"]
    assert words[-2:] == ["--", str(run)]
    assert f"--out={run}/evaluation" in words
    assert job.folder == run / "evaluation"


def test_a_run_is_not_evaluated_while_the_gate_compares_it(workspace: Path) -> None:
    run = workspace / "runs" / "one"
    run.mkdir(parents=True)
    request = EvaluationRequest(model=str(run), data=("films",), split="test")
    # the run's own figures, in evaluation/, stay
    assert actions.evaluation_folder(request) == run / "evaluation" / "test-films"
    with (
        track_activity(run, GATE_ACTIVITY),
        pytest.raises(RunError, match="one is being compared with the active version by the gate"),
    ):
        actions.submit_evaluation(request)


def test_a_later_activity_is_not_removed_by_an_earlier_one(tmp_path: Path) -> None:
    with track_activity(tmp_path, "read"):
        other = track_activity(tmp_path, GATE_ACTIVITY)
        other.__enter__()
    activity = read_activity(tmp_path)
    assert activity is not None
    assert activity.what == GATE_ACTIVITY
    other.__exit__(None, None, None)
    assert read_activity(tmp_path) is None


def test_an_activity_that_was_killed_says_so(tmp_path: Path) -> None:
    ended_process = replace(current_process(), created=1.0, uptime_s=-1.0)
    record = {"what": GATE_ACTIVITY, "process": ended_process.to_json()}
    files.write_record(tmp_path, "asked.json", record)
    activity = read_activity(tmp_path)
    assert activity is not None
    assert not activity.is_running
    assert "but that was interrupted" in activity.sentence


def test_the_real_command_reports_its_progress_to_its_job(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lit_films(tmp_path / "films", train=2, test=6)
    model = tiny_model(tmp_path / "model", tiny_card(findings=("pneumonia",)))
    folder = workspace / "evaluations" / "one"
    folder.mkdir(parents=True)
    request = EvaluationRequest(model=str(model), data=(str(data),), split="test")
    files.write_record(folder, run_files.REQUEST, request.to_json())
    process = ProcessRecord(process=current_process())
    files.write_record(folder, run_files.PROCESS, process.to_json())
    monkeypatch.setenv(files.JOB_TAG, str(folder))
    assert main([str(model), "--data", str(data), "--out", str(folder)]) == 0
    lines = (folder / "job" / "progress.jsonl").read_text().splitlines()
    stages = {event["stage"]: event for event in map(json.loads, lines)}
    assert stages["reading films"]["done"] == stages["reading films"]["of"] == 12
    heartbeat = files.read_heartbeat(folder)
    assert heartbeat is not None
    assert heartbeat.process == heartbeat.leader == current_process()
    assert main([str(model), "--data", str(data), "--split", "val", "--out", str(folder)]) == 3
    end = files.read_end(folder)
    assert end is not None
    assert (end.state, "val" in end.sentence) == ("failed", True)


def test_events_that_only_count_on_are_written_twice_a_second_at_most(tmp_path: Path) -> None:
    seconds = iter([0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 0.95])
    log = EventLog(tmp_path / "progress.jsonl", clock=lambda: next(seconds))
    for stage, done in [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("a", 4), ("a", 9), ("b", 1)]:
        log.write(PreparationProgress(stage=stage, done=done, total=9))
    lines = (tmp_path / "progress.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [(event["stage"], event["done"]) for event in events] == [
        ("a", 0),
        ("a", 3),
        ("a", 9),
        ("b", 1),
    ]
    assert all(event["event"] == "data" and event["of"] == 9 for event in events)


def test_a_job_that_ends_while_it_is_looked_at_is_shown_as_running(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was live at the first look and has left no file since; the next look shows how it ended."""
    folder = workspace / "evaluations" / "one"
    folder.mkdir(parents=True)
    files.write_record(folder, run_files.REQUEST, REQUEST.to_json())
    process = ProcessRecord(process=replace(current_process(), pid=2**22 + 1))
    files.write_record(folder, run_files.PROCESS, process.to_json())
    answers = iter([True, False, False])
    monkeypatch.setattr(files, "is_job_live", lambda folder: next(answers))
    assert status.job_status(folder).state == "running"
    assert status.job_status(folder).state == "interrupted"


def test_figures_are_finished_whatever_the_clock_said_when_they_were_written(
    workspace: Path,
) -> None:
    folder = workspace / "evaluations" / "one"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")  # of the evaluation before
    files.write_record(folder, run_files.REQUEST, REQUEST.to_json())
    process = ProcessRecord(
        process=replace(current_process(), pid=2**22 + 1),
        former_figures=files.stamp_figures(folder),
    )
    files.write_record(folder, run_files.PROCESS, process.to_json())
    assert status.job_status(folder).state == "interrupted"
    (folder / "metrics.json").unlink()
    (folder / "metrics.json").write_text("{}")
    os.utime(folder / "metrics.json", (0, 0))  # the clock was set back
    assert status.job_status(folder).state == "finished"


@pytest.mark.parametrize("has_figures", [False, True])
def test_an_evaluation_of_version_0_1_is_read(workspace: Path, has_figures: bool) -> None:
    """Its process told its progress in words only, which nobody reads any more."""
    folder = workspace / "evaluations" / "old"
    folder.mkdir(parents=True)
    wanted = {"model": "tiny", "data": "films", "part": "test", "recalibrate": ""}
    request = {"program": ["train.evaluate", "--data=films"], "wanted": wanted}
    files.write_record(folder, run_files.REQUEST, request)
    process = {"pid": 2**22 + 1, "started": 1, "boot": "of long ago", "output_from": 0}
    files.write_record(folder, run_files.PROCESS, process)
    (folder / "job" / "output.log").write_text("reading films  1,200 of 4,700  [##..]\n")
    if has_figures:
        time.sleep(0.01)
        (folder / "metrics.json").write_text("{}")
    (job,) = status.list_evaluations()
    assert job.id == "evaluations/old"
    assert job.title == "tiny on the test split of films"
    assert job.state == ("finished" if has_figures else "interrupted")


def test_a_running_evaluation_of_version_0_1_is_shown_as_running(workspace: Path) -> None:
    folder = workspace / "evaluations" / "old"
    folder.mkdir(parents=True)
    wanted = {"model": "tiny", "data": "films", "part": "test", "recalibrate": ""}
    files.write_record(folder, run_files.REQUEST, {"program": [], "wanted": wanted})
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    process = {"pid": os.getpid(), "started": ticks, "boot": boot, "time": 1.0}
    files.write_record(folder, run_files.PROCESS, process)
    assert ProcessRecord.from_json(files.read_record(folder, run_files.PROCESS)) is not None
    (job,) = status.list_evaluations()
    assert (job.state, job.progress) == ("running", Progress())


def test_an_evaluation_that_cannot_be_dismissed_is_said_and_stays(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace / "evaluations" / "one"
    folder.mkdir(parents=True)
    files.write_record(folder, run_files.REQUEST, REQUEST.to_json())

    def refuse(path: Path, target: Path) -> Path:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(RunError, match="cannot be removed: Read-only file system"):
            actions.dismiss_evaluation("evaluations/one")
    assert [job.id for job in status.list_evaluations()] == ["evaluations/one"]
    actions.dismiss_evaluation("evaluations/one")
    assert status.list_evaluations() == ()
