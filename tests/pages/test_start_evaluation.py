"""An evaluation started on the Evaluate page: the request, its progress, and how it ended."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RunError
from cxr_core.jobs import actions, status
from cxr_core.jobs.job import Action, Job, Progress, State
from cxr_core.jobs.records import EvaluationRequest
from pages.components.markdown import plain
from tests.pages.app_bench import (
    button_labels,
    find_button,
    open_page,
    page_link_labels,
    visible_text,
)
from tests.pages.fake_datasets import register
from tests.pages.fake_evaluations import predictions, write_evaluation

pytestmark = pytest.mark.process

TITLE = "tiny on the test split of films"


class FakeEvaluationJob:
    """Stands in for the queue: at most one job, whose state the test sets, and the requests that were submitted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path):
        self.folder = folder
        self.job: Job | None = None
        self.requests: list[EvaluationRequest] = []
        self.refusal = ""
        monkeypatch.setattr(actions, "submit_evaluation", self.submit)
        monkeypatch.setattr(actions, "stop_job", self.stop)
        monkeypatch.setattr(actions, "dismiss_evaluation", self.dismiss)
        monkeypatch.setattr(status, "list_evaluations", self.list_jobs)
        monkeypatch.setattr(status, "find_evaluation", lambda folder: None)

    def set_state(
        self, state: State, sentence: str, progress: Progress | None = None, *possible: Action
    ) -> Job:
        self.job = Job(
            id="evaluations/new",
            kind="evaluation",
            folder=self.folder,
            state=state,
            sentence=sentence,
            title=TITLE,
            progress=progress or Progress(),
            actions=frozenset(possible),
        )
        return self.job

    def submit(self, request: EvaluationRequest) -> Job:
        self.requests.append(request)
        if self.refusal:
            raise RunError(self.refusal)
        return self.set_state("running", "It runs.", Progress("reading films", 12, 48))

    def stop(self, job: str) -> None:
        assert job == "evaluations/new"
        self.set_state("stopped", "It was stopped.")

    def dismiss(self, job: str) -> None:
        assert job == "evaluations/new"
        self.job = None

    def list_jobs(self) -> tuple[Job, ...]:
        return (self.job,) if self.job else ()


@pytest.fixture
def evaluation_job(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> FakeEvaluationJob:
    return FakeEvaluationJob(monkeypatch, workspace / "evaluations" / "new")


def test_one_click_starts_the_chosen_evaluation_and_opens_it_when_it_is_finished(
    app: AppTest,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    evaluation_job: FakeEvaluationJob,
) -> None:
    data = register(monkeypatch, tmp_path / "films").name
    write_evaluation(workspace / "evaluations" / "old")
    open_page(app, "evaluate")
    assert "so is this one" in visible_text(app)
    app.selectbox(key="evaluate-new-method").select("temperature").run()
    app.selectbox(key="evaluate-new-split").select("val").run()
    assert "so is this one" not in visible_text(app)
    app.toggle(key="evaluate-new-outside").set_value(True).run()
    find_button(app, "Evaluate").click().run()
    assert not app.exception
    (request,) = evaluation_job.requests
    assert (request.data, request.split, request.recalibrate) == ((data,), "val", "temperature")
    assert request.outside_population
    shown = app.get("progress")[0].proto
    assert (shown.value, "reading films, 12 of 48" in shown.text) == (25, True)
    older = "2025-01-02T03:04:05+00:00"  # than the other evaluation
    write_evaluation(evaluation_job.folder, predictions(seed=3), made=older)
    evaluation_job.set_state("finished", "It is finished.")
    app.run()
    assert plain(f"Finished: {TITLE}.") in visible_text(app)
    assert app.session_state["evaluate_page"].folder == str(evaluation_job.folder)
    app.run()
    assert "Finished" not in visible_text(app)


def test_refusal_and_failure_are_shown_until_they_are_dismissed(
    app: AppTest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    evaluation_job: FakeEvaluationJob,
) -> None:
    register(monkeypatch, tmp_path / "films")
    evaluation_job.refusal = "the disk is full; free some"
    open_page(app, "evaluate")
    find_button(app, "Evaluate").click().run()
    assert "the disk is full; free some" in visible_text(app)
    evaluation_job.set_state("failed", "the data has no test split")
    app.run()
    assert f"Evaluating {TITLE}: the data has no test split" in visible_text(app)
    assert "the disk is full" not in visible_text(app)
    find_button(app, "Dismiss").click().run()
    assert "no test split" not in visible_text(app)


def test_without_a_dataset_nothing_can_be_started_but_running_evaluations_can_be_stopped(
    app: AppTest, evaluation_job: FakeEvaluationJob
) -> None:
    open_page(app, "evaluate")
    assert "First add a dataset." in visible_text(app)
    assert page_link_labels(app) == ["Add a dataset on the Data page"]
    assert "Evaluate" not in button_labels(app)
    evaluation_job.set_state("running", "", None, "stop")
    app.run()
    assert "starting …" in app.get("progress")[0].proto.text
    find_button(app, "Stop").click().run()
    assert "It was stopped." in visible_text(app)
