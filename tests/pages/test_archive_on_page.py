"""Scorings on the Site page: started as jobs, watched, and what they hold."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RunError
from cxr_core.jobs import actions, status
from cxr_core.jobs.commands import build_job_command
from cxr_core.jobs.files import read_request
from tests.pages.app_bench import find_button, open_page, visible_text
from tests.pages.fake_runs import FakeRuns
from tests.pages.fake_site import open_tab


def open_archive(app: AppTest) -> AppTest:
    open_page(app, "site")
    return open_tab(app, "Archive")


def test_a_scoring_is_started_as_a_job(app: AppTest, runs: FakeRuns, tmp_path: Path) -> None:
    open_archive(app)
    assert "Reads every film of an archive with the installed models" in visible_text(app)
    find_button(app, "Start").click().run()
    assert "No films were named" in visible_text(app)
    app.text_area(key="archive-data").set_value(f"{tmp_path}\ns3://bucket/films").run()
    find_button(app, "Start").click().run()
    assert not app.exception
    (job,) = status.list_scoring_jobs()
    assert (job.state, job.kind, job.id) == ("queued", "scoring", "scorings/archive")
    request = read_request(job.folder)
    assert request is not None
    command = build_job_command(job.folder, request)
    assert command[2] == "train.verbs.score"
    assert command[-2:] == [f"--data={tmp_path}", "--data=s3://bucket/films"]
    assert "**archive**" in visible_text(app)
    assert status.list_evaluations() == ()


def test_a_name_of_another_archive_is_refused(runs: FakeRuns, tmp_path: Path) -> None:
    actions.submit_scoring((str(tmp_path),), "mine")
    assert actions.submit_scoring((str(tmp_path),), "mine").state == "queued"
    with pytest.raises(RunError, match="mine is a scoring of"):
        actions.submit_scoring(("s3://bucket",), "mine")
    with pytest.raises(RunError, match=r"cannot be named '\.\./x'"):
        actions.submit_scoring((str(tmp_path),), "../x")


def test_the_name_of_a_dismissed_scoring_goes_on_with_its_films_alone(
    runs: FakeRuns, tmp_path: Path
) -> None:
    job = actions.submit_scoring((str(tmp_path),), "mine")
    asked = {"time": "2026-01-01T00:00:00+00:00", "data": [str(tmp_path)], "films": 3}
    (job.folder / "scores").mkdir()
    (job.folder / "scores" / "requests.jsonl").write_text(f"{json.dumps(asked)}\n")
    actions.stop_job(job.id)
    actions.dismiss_evaluation(job.id)
    assert read_request(job.folder) is None
    with pytest.raises(RunError, match="mine is a scoring of"):
        actions.submit_scoring(("s3://bucket",), "mine")
    assert actions.submit_scoring((str(tmp_path),), "mine").state == "queued"


def test_a_stopped_scoring_says_what_it_holds_and_goes_on(
    app: AppTest, runs: FakeRuns, tmp_path: Path
) -> None:
    job = actions.submit_scoring((str(tmp_path),), "mine")
    actions.stop_job(job.id)
    counts = {"films": 1200, "read": 1190, "refusals": {"undecodable": 10}}
    (job.folder / "scores").mkdir()
    (job.folder / "scores" / "manifest.json").write_text(json.dumps({"counts": counts}))
    open_archive(app)
    assert "1,200 films, 10 refused (undecodable 10)" in visible_text(app)
    find_button(app, "Continue").click().run()
    assert not app.exception
    assert status.load_job(job.id).state == "queued"
