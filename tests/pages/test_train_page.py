"""Runs on the Train page on Streamlit's test bench, with run folders written by hand."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RunError
from cxr_core.findings import STRUCTURES
from cxr_core.jobs import actions, status
from cxr_core.jobs.activity import GATE_ACTIVITY
from cxr_core.jobs.job import Action, Job, Progress, State, TrainingRequest
from cxr_core.models.registry.active_version import retire_model
from pages.components import cache
from tests.pages.app_bench import (
    button_labels,
    column_cells,
    find_button,
    find_labelled,
    open_page,
    selectable_rows,
    table_text,
    visible_text,
)
from tests.pages.fake_runs import FakeRuns, register_dataset
from tests.pages.fake_verdicts import CLOSED, OPEN
from tests.tiny import tiny_card, tiny_model


def test_running_run_is_watched_and_the_queue_has_an_order(app: AppTest, runs: FakeRuns) -> None:
    runs.write_running("alpha")
    for order, name in enumerate(("beta", "gamma"), 1):
        runs.write_queued(name, order)
    open_page(app, "train")
    assert "**alpha** :blue-badge[running]" in visible_text(app)
    assert app.get("progress")[0].proto.value == 50
    assert "epoch 2 of 4 · step 20 of 40" in app.get("progress")[0].proto.text
    assert "50 films/s · learning rate 0.0003 · best epoch so far 2" in visible_text(app)
    assert r"1\. **beta**" in visible_text(app)
    assert r"2\. **gamma**" in visible_text(app)
    assert app.button(key="up-beta").disabled
    app.button(key="up-gamma").click().run()
    assert not app.exception
    assert r"1\. **gamma**" in visible_text(app)
    app.button(key="stop-beta").click().run()
    assert status.load_job("beta").state == "stopped"
    assert "Removed from the queue" not in visible_text(app)


def test_opening_the_page_starts_what_waits(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at runs starts nothing, so after a restart of the machine the page has to."""
    calls: list[str] = []
    monkeypatch.setattr("cxr_core.jobs.scheduler.ensure_scheduler", lambda: calls.append("started"))
    runs.write_queued("alpha", 1)
    open_page(app, "train")
    assert calls == ["started"]


def test_best_figure_of_a_running_run_is_in_the_table(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.write_running("alpha")
    open_page(app, "train")
    assert column_cells(app, "Validation") == ["0.700 AUROC"]
    runs.append_epoch(folder, auroc=0.85)
    app.run()
    assert column_cells(app, "Validation") == ["0.850 AUROC"]


def test_log_is_shown_as_text(app: AppTest, runs: FakeRuns) -> None:
    runs.write_running("alpha")
    open_page(app, "train")
    assert "<img src=x" in app.code[0].value
    assert not [each for each in app.markdown if each.proto.allow_html]


def test_five_runs_at_once_are_five_cards(app: AppTest, runs: FakeRuns) -> None:
    for number in range(5):
        runs.write_running(f"run-{number}")
    open_page(app, "train")
    assert len(app.get("progress")) == 5
    assert sum(label == "Stop" for label in button_labels(app)) == 5


def test_stop_button_explains_what_happens(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write_running("alpha")
    called: list[str] = []
    monkeypatch.setattr(actions, "stop_job", called.append)
    open_page(app, "train")
    assert "with a checkpoint" in app.button(key="stop-alpha").help
    app.button(key="stop-alpha").click().run()
    assert called == ["alpha"]


def test_killed_run_is_explained_and_can_resume(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write_interrupted("alpha")
    called: list[str] = []
    monkeypatch.setattr(actions, "resume_run", called.append)
    open_page(app, "train", run="alpha")
    assert "### alpha :orange-badge[interrupted]" in visible_text(app)
    assert "The machine was restarted while it ran" in visible_text(app)
    assert "When it ended: " in visible_text(app)
    assert not app.get("progress")
    app.button(key="resume-alpha").click().run()
    assert called == ["alpha"]


def test_failed_run_is_explained_and_retried_with_a_change(
    app: AppTest, runs: FakeRuns, submitted: list[TrainingRequest], workspace: Path
) -> None:
    register_dataset(workspace)
    runs.write_failed("alpha", "the loss became nan at step 7. Lower the *learning rate*")
    open_page(app, "train", run="alpha")
    assert r"the loss became nan at step 7. Lower the \*learning rate\*" in visible_text(app)
    app.button(key="retry-alpha").click().run()
    assert not app.exception
    assert "The recipe of **alpha**" in visible_text(app)
    find_labelled(app.number_input, "Learning rate").set_value(1e-5).run()
    find_labelled(app.button, "Start").click().run()
    assert (submitted[0].retry_of, submitted[0].data, submitted[0].recipe.learning_rate) == (
        "alpha",
        ("films",),
        1e-5,
    )
    assert submitted[0].recipe.name == "tiny"


def test_deleting_asks_first(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.write_interrupted("alpha")
    open_page(app, "train", run="alpha")
    app.button(key="delete-alpha").click().run()
    assert "is deleted for good" in visible_text(app)
    app.button(key="keep-alpha").click().run()
    assert folder.is_dir()
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-delete-alpha").click().run()
    assert not app.exception
    assert not folder.exists()
    assert "There are no runs yet." in visible_text(app)


def test_refused_deletion_is_explained(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(run: str) -> None:
        raise RunError(f"{run} is kept: the installed model tiny 1.0.0 came from it")

    runs.write_interrupted("alpha")
    monkeypatch.setattr(actions, "delete_run", delete)
    open_page(app, "train", run="alpha")
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-delete-alpha").click().run()
    assert "the installed model tiny 1.0.0 came from it" in app.error[0].value


def test_a_finished_run_shows_its_figures_with_intervals(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha", tested=True)
    open_page(app, "train", run="alpha")
    (row,) = selectable_rows(app)
    assert row["Validation"] == "0.900 (0.850 to 0.940) AUROC, 400 films"
    assert row["Test"] == "0.800 (0.700 to 0.900) AUROC, 400 films"
    assert "0.900 (0.850 to 0.940) · 40 of 400" in table_text(app)
    assert table_text(app).count("40 of 400, fitted on these films") == 1
    assert "0.800 (0.700 to 0.900)" in table_text(app)
    assert len(app.get("plotly_chart")) == 3
    assert app.query_params["run"] == "alpha"


def test_deleted_run_in_the_address_is_explained(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha")
    open_page(app, "train", run="[x](http://a.b)")
    assert r"no run named \[x\]" in app.warning[0].value


def test_two_runs_are_compared_by_what_differs(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha", auroc=0.8)
    runs.write_finished("beta", auroc=0.85, epochs=6, learning_rate=1e-3)
    open_page(app, "train", runs="alpha,beta")
    text = table_text(app)
    assert "2 runs side by side" in visible_text(app)
    assert all(field in text for field in ("Epochs", "Learning rate", "0.001", "0.0003"))
    assert all(same not in text for same in ("Batch size", "Backbone", "Seed"))
    assert "0.800 (0.750 to 0.840)" in text
    assert "0.850 (0.800 to 0.890)" in text
    assert "Validation AUROC, cardiomegaly" in text
    assert len(app.get("plotly_chart")) == 4
    assert app.query_params["runs"] == "beta,alpha"  # the newest first, as in the table


def test_table_is_filtered_by_words_and_state(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha")
    runs.write_failed("beta", "no")
    runs.write_interrupted("gamma", model="other")
    open_page(app, "train")

    def shown() -> list[str]:
        return sorted(column_cells(app, "Run"))

    assert shown() == ["alpha", "beta", "gamma"]
    find_labelled(app.text_input, "Search").set_value("GAM tiny").run()
    assert shown() == ["gamma"]
    find_labelled(app.text_input, "Search").set_value("").run()
    app.segmented_control[-1].set_value("Finished").run()
    assert shown() == ["alpha"]


def evaluation_job(folder: Path, state: State, sentence: str, *possible: Action) -> Job:
    """The evaluation of a run on its test films."""
    return Job(
        id="runs/alpha/evaluation",
        kind="evaluation",
        folder=folder / "evaluation",
        state=state,
        sentence=sentence,
        progress=Progress("reading films", 12, 48),
        actions=frozenset(possible),
    )


def test_run_without_test_figures_is_evaluated_first(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs.write_finished("alpha")
    jobs: list[Job] = []
    requests: list[tuple[str, tuple[str, ...]]] = []

    def submit(run: Path, data: tuple[str, ...]) -> None:
        requests.append((run.name, data))
        jobs.append(evaluation_job(folder, "running", "It runs.", "stop"))

    def stop(job: str) -> None:
        assert job == "runs/alpha/evaluation"
        jobs.append(evaluation_job(folder, "failed", "the data has no *test* split"))

    monkeypatch.setattr(actions, "submit_test_evaluation", submit)
    monkeypatch.setattr(actions, "stop_job", stop)
    monkeypatch.setattr(status, "find_evaluation", lambda folder: jobs[-1] if jobs else None)
    open_page(app, "train", run="alpha")
    assert "has not been evaluated on test films yet" in visible_text(app)
    assert "Run the gate" not in button_labels(app)
    app.button(key="measure-alpha").click().run()
    assert requests == [("alpha", ("films",))]
    assert "reading films, 12 of 48" in app.get("progress")[0].proto.text
    assert "Evaluate on test films" not in button_labels(app)
    find_button(app, "Cancel").click().run()
    assert r"the data has no \*test\* split" in app.warning[0].value
    assert "Evaluate on test films" in button_labels(app)
    runs.write_finished("alpha", tested=True)
    app.run()
    assert "Run the gate" in button_labels(app)


def test_refused_evaluation_is_explained(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Path, data: tuple[str, ...]) -> None:
        raise RunError("the gate compares *alpha* at this moment")

    runs.write_finished("alpha")
    monkeypatch.setattr(actions, "submit_test_evaluation", refuse)
    open_page(app, "train", run="alpha")
    app.button(key="measure-alpha").click().run()
    assert r"the gate compares \*alpha\*" in app.error[0].value


def test_gate_run_by_another_process_is_shown(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.write_finished("alpha", tested=True)
    runs.write_activity(folder, GATE_ACTIVITY, alive=True)
    open_page(app, "train", run="alpha")
    assert f"It is being {GATE_ACTIVITY}. Another process does this" in visible_text(app)
    assert "Run the gate" not in button_labels(app)
    assert "Cancel" not in button_labels(app)
    runs.write_activity(folder, GATE_ACTIVITY, alive=False)
    app.run()
    assert f"It was being {GATE_ACTIVITY}, but that was interrupted" in app.warning[0].value
    assert "Run the gate" in button_labels(app)


def test_finished_evaluation_needs_no_message(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs.write_finished("alpha", tested=True)
    finished = evaluation_job(folder, "finished", "It is finished.", "dismiss")
    monkeypatch.setattr(status, "find_evaluation", lambda folder: finished)
    open_page(app, "train", run="alpha")
    assert not app.warning
    assert "Run the gate" in button_labels(app)


def test_segmentation_run_needs_no_test_split_before_the_gate(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha", findings=(), structures=STRUCTURES, monitor="dice")
    open_page(app, "train", run="alpha")
    assert "Run the gate" in button_labels(app)


def test_open_gate_needs_a_note_for_the_replacement(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.write_verdict(runs.write_finished("alpha", tested=True), OPEN)
    open_page(app, "train", run="alpha")
    assert "The gate is open" in app.success[0].value
    assert app.button(key="publish-alpha").disabled
    assert "Write why it replaces tiny 1.0.0" in visible_text(app)
    assert "override-alpha" not in [area.key for area in app.text_area]
    app.text_input(key="note-alpha").set_value("twice the films").run()
    app.button(key="publish-alpha").click().run()
    cache.background_tasks().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "twice the films", "")]


def test_a_run_whose_model_is_active_is_not_published_a_second_time(
    app: AppTest, runs: FakeRuns, workspace: Path
) -> None:
    published = {"published": {"run": "alpha"}}
    tiny_model(workspace / "models", tiny_card(training=published))
    runs.write_verdict(runs.write_finished("alpha", tested=True), OPEN)
    open_page(app, "train", run="alpha")
    assert "Installed as tiny 1.0.0: active." in app.success[0].value
    assert "The gate is open" in app.success[1].value
    assert not {"Publish", "Run the gate again"} & set(button_labels(app))
    retire_model("tiny", "a drill")
    app.run()
    assert app.info[0].value == "Installed as tiny 1.0.0: no longer in use."
    assert {"Publish", "Run the gate again"} <= set(button_labels(app))


def test_closed_gate_needs_a_written_reason(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.write_verdict(runs.write_finished("alpha", tested=True), CLOSED)
    open_page(app, "train", run="alpha")
    assert "The gate is closed" in app.error[0].value
    assert "AUROC, pneumonia" in table_text(app)
    app.text_input(key="note-alpha").set_value("newer").run()
    for nothing in ("", "   "):
        app.text_area(key="override-alpha").set_value(nothing).run()
        assert app.button(key="publish-alpha").disabled
        assert "The gate is closed. Write why" in visible_text(app)
    app.text_area(key="override-alpha").set_value(" a drill ").run()
    app.button(key="publish-alpha").click().run()
    cache.background_tasks().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "newer", "a drill")]
