"""Runs on the Train page through Streamlit's own test bench, on run folders written by hand."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RunError
from cxr_core.findings import STRUCTURES
from cxr_core.jobs import jobs
from cxr_core.jobs.activity import JUDGED, MEASURED
from cxr_core.jobs.job import Request
from pages.components import cache
from pages.components.training import publishing
from tests.pages.fake_runs import FakeRuns, dataset
from tests.pages.test_models_page import VERDICT
from tests.pages.train_page_bench import (
    OPEN,
    app,
    asked,
    cells,
    labels,
    named,
    open_page,
    published,
    runs,
    words,
)

__all__ = ["app", "asked", "published", "runs"]


def test_a_running_run_is_watched_and_those_that_wait_have_an_order(
    app: AppTest, runs: FakeRuns
) -> None:
    runs.running("alpha")
    for order, name in enumerate(("beta", "gamma"), 1):
        runs.queued(name, order)
    open_page(app)
    assert "**alpha** :blue-badge[running]" in words(app)
    assert app.get("progress")[0].proto.value == 50
    assert "epoch 2 of 4 · step 20 of 40" in app.get("progress")[0].proto.text
    assert "50 films/s · learning rate 0.0003 · best epoch so far 2" in words(app)
    assert r"1\. **beta**" in words(app)
    assert r"2\. **gamma**" in words(app)
    assert app.button(key="up-beta").disabled
    app.button(key="up-gamma").click().run()
    assert not app.exception
    assert r"1\. **gamma**" in words(app)
    app.button(key="stop-beta").click().run()
    assert jobs.job("beta").state == "stopped"
    assert "Taken out" not in words(app)


def test_the_best_figure_of_a_living_run_is_in_the_table(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.running("alpha")
    open_page(app)
    assert app.dataframe[0].value["Best figure"].tolist() == ["0.700 AUROC, validation"]
    runs.tells(folder, auroc=0.85)
    app.run()
    assert app.dataframe[0].value["Best figure"].tolist() == ["0.850 AUROC, validation"]


def test_a_log_is_text(app: AppTest, runs: FakeRuns) -> None:
    runs.running("alpha")
    open_page(app)
    assert "<img src=x" in app.code[0].value
    assert not [each for each in app.markdown if each.proto.allow_html]


def test_five_runs_at_once_are_five_cards(app: AppTest, runs: FakeRuns) -> None:
    for number in range(5):
        runs.running(f"run-{number}")
    open_page(app)
    assert len(app.get("progress")) == 5
    assert sum(label == "Stop" for label in labels(app)) == 5


def test_stopping_says_what_happens(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.running("alpha")
    told: list[str] = []
    monkeypatch.setattr(jobs, "stop", told.append)
    open_page(app)
    assert "with a checkpoint" in app.button(key="stop-alpha").help
    app.button(key="stop-alpha").click().run()
    assert told == ["alpha"]


def test_a_run_that_died_says_so_and_can_go_on(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write("alpha")
    told: list[str] = []
    monkeypatch.setattr(jobs, "resume", told.append)
    open_page(app, run="alpha")
    assert "### alpha :orange-badge[interrupted]" in words(app)
    assert "The machine was restarted while it ran" in words(app)
    assert "When it ended: " in words(app)
    assert not app.get("progress")
    app.button(key="resume-alpha").click().run()
    assert told == ["alpha"]


def test_a_failed_run_says_why_and_is_tried_again_with_a_change(
    app: AppTest, runs: FakeRuns, asked: list[Request], workspace: Path
) -> None:
    dataset(workspace)
    runs.failed("alpha", "the loss became nan at step 7. Lower the *learning rate*")
    open_page(app, run="alpha")
    assert r"the loss became nan at step 7. Lower the \*learning rate\*" in words(app)
    app.button(key="retry-alpha").click().run()
    assert not app.exception
    assert "The recipe of **alpha**" in words(app)
    named(app.number_input, "Learning rate").set_value(1e-5).run()
    named(app.button, "Start").click().run()
    assert (asked[0].retry_of, asked[0].data, asked[0].recipe.learning_rate) == (
        "alpha",
        ("films",),
        1e-5,
    )
    assert asked[0].recipe.name == "tiny"


def test_deleting_asks_first(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.write("alpha")
    open_page(app, run="alpha")
    app.button(key="delete-alpha").click().run()
    assert "goes for good" in words(app)
    app.button(key="keep-alpha").click().run()
    assert folder.is_dir()
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-alpha").click().run()
    assert not app.exception
    assert not folder.exists()
    assert "There is no run yet." in words(app)


def test_why_a_run_is_kept_is_said(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(run: str) -> None:
        raise RunError(f"{run} is kept: the installed model tiny 1.0.0 came from it")

    runs.write("alpha")
    monkeypatch.setattr(jobs, "delete", delete)
    open_page(app, run="alpha")
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-alpha").click().run()
    assert "the installed model tiny 1.0.0 came from it" in app.error[0].value


def test_a_finished_run_shows_its_figures_with_intervals(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha", tested=True)
    open_page(app, run="alpha")
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row["Best figure"] == "0.800 (0.700 to 0.900) AUROC, test"
    assert "0.900 (0.850 to 0.940) · 40 of 400" in cells(app)
    assert "0.800 (0.700 to 0.900)" in cells(app)
    assert len(app.get("plotly_chart")) == 3
    assert app.query_params["run"] == "alpha"


def test_a_run_in_the_address_that_is_gone_is_said(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha")
    open_page(app, run="[x](http://a.b)")
    assert r"no run named \[x\]" in app.warning[0].value


def test_two_runs_are_compared_by_what_differs(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha", auroc=0.8)
    runs.finished("beta", auroc=0.85, epochs=6, learning_rate=1e-3)
    open_page(app, runs="alpha,beta")
    said = cells(app)
    assert "2 runs side by side" in words(app)
    assert all(field in said for field in ("Epochs", "Learning rate", "0.001", "0.0003"))
    assert all(same not in said for same in ("Batch size", "Backbone", "Seed"))
    assert "0.800 (0.750 to 0.840)" in said
    assert "0.850 (0.800 to 0.890)" in said
    assert "AUROC, cardiomegaly, validation" in said
    assert len(app.get("plotly_chart")) == 3
    assert app.query_params["runs"] == "beta,alpha"  # the newest first, as in the table


def test_the_table_is_filtered_by_words_and_state(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha")
    runs.failed("beta", "no")
    runs.write("gamma", model="other")
    open_page(app)

    def shown() -> list[str]:
        return sorted(app.dataframe[0].value["Run"])

    assert shown() == ["alpha", "beta", "gamma"]
    named(app.text_input, "Search").set_value("GAM tiny").run()
    assert shown() == ["gamma"]
    named(app.text_input, "Search").set_value("").run()
    app.segmented_control[-1].set_value("Finished").run()
    assert shown() == ["alpha"]


def test_a_run_without_test_figures_is_measured_first(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def measured(run: Path, data: tuple[str, ...], stop: object) -> None:
        asked.append((run.name, data))
        raise RunError("the data has no *test* part")

    runs.finished("alpha")
    monkeypatch.setattr(publishing, "measure_on_test", measured)
    open_page(app, run="alpha")
    assert "has not been measured on test films yet" in words(app)
    assert "Ask the gate" not in labels(app)
    app.button(key="measure-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    app.run()
    assert asked == [("alpha", ("films",))]
    assert r"the data has no \*test\* part" in app.error[0].value
    runs.finished("alpha", tested=True)
    app.run()
    assert "Ask the gate" in labels(app)


@pytest.mark.parametrize(
    ("what", "button"), [(MEASURED, "Measure on test films"), (JUDGED, "Ask the gate")]
)
def test_work_on_a_run_that_outlived_the_app_or_not_is_said(
    app: AppTest, runs: FakeRuns, what: str, button: str
) -> None:
    folder = runs.finished("alpha", tested=what == JUDGED)
    runs.asked(folder, what, alive=True)
    open_page(app, run="alpha")
    assert f"It is being {what}. It was not begun by this server." in words(app)
    assert button not in labels(app)
    assert ("Cancel" in labels(app)) is (what == MEASURED)
    runs.asked(folder, what, alive=False)
    app.run()
    assert f"It was being {what} when that was cut off" in app.warning[0].value
    assert button in labels(app)


def test_a_measurement_that_ended_well_after_the_app_needs_no_word(
    app: AppTest, runs: FakeRuns
) -> None:
    runs.asked(runs.finished("alpha", tested=True), MEASURED, alive=False)
    open_page(app, run="alpha")
    assert not app.warning
    assert "Ask the gate" in labels(app)


def test_a_run_that_outlines_comes_before_the_gate_without_a_test_part(
    app: AppTest, runs: FakeRuns
) -> None:
    runs.finished("alpha", findings=(), structures=STRUCTURES, monitor="dice")
    open_page(app, run="alpha")
    assert "Ask the gate" in labels(app)


def test_an_open_gate_is_passed_with_a_reason_for_the_change(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.judged(runs.finished("alpha", tested=True), OPEN)
    open_page(app, run="alpha")
    assert "The gate is open" in app.success[0].value
    assert app.button(key="publish-alpha").disabled
    assert "say why it replaces the installed model" in words(app)
    assert not app.text_area
    app.text_input(key="note-alpha").set_value("twice the films").run()
    app.button(key="publish-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "twice the films", "")]


def test_a_shut_gate_is_passed_only_with_a_written_reason(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.judged(runs.finished("alpha", tested=True), VERDICT)
    open_page(app, run="alpha")
    assert "The gate is shut" in app.error[0].value
    assert "AUROC, pneumonia" in cells(app)
    app.text_input(key="note-alpha").set_value("newer").run()
    for nothing in ("", "   "):
        app.text_area(key="override-alpha").set_value(nothing).run()
        assert app.button(key="publish-alpha").disabled
        assert "the gate is shut. Write why" in words(app)
    app.text_area(key="override-alpha").set_value(" a drill ").run()
    app.button(key="publish-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "newer", "a drill")]
