"""The table of runs on Streamlit's test bench: its columns, its order, what it finds, and what it says of test sets."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.jobs import actions, status
from cxr_core.training.runs.annotation import (
    RunAnnotation,
    pin_baseline,
    read_baseline,
    write_annotation,
)
from pages.components.training.run_columns import format_hours
from tests.pages.app_bench import (
    column_cells,
    find_labelled,
    open_page,
    selectable_rows,
    table_text,
    visible_text,
)
from tests.pages.fake_runs import FakeRuns, register_dataset


def shown(app: AppTest) -> list[str]:
    return column_cells(app, "Run")


def test_validation_and_test_have_columns_of_their_own(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha")
    open_page(app, "train")
    (row,) = selectable_rows(app)
    assert row["Validation"] == "0.900 (0.850 to 0.940) AUROC, 400 films"
    assert row.keys().isdisjoint({"Test", "Test uses", "Tags", "Best figure"})
    runs.write_finished("beta", tested=True)
    app.run()
    assert column_cells(app, "Test") == [
        "0.800 (0.700 to 0.900) AUROC, 400 films",
        "",
    ]


def test_evaluations_on_a_test_set_are_counted_beside_it(
    app: AppTest, runs: FakeRuns, workspace: Path
) -> None:
    metrics = runs.write_finished("alpha", tested=True) / "evaluation" / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"data": {"data_sha256": "d"}}))
    uses = [{"data_sha256": films, "weights_sha256": str(n)} for n, films in enumerate("ddd?")]
    lines = "".join(json.dumps(use) + "\n" for use in uses)
    (workspace / "official_test_uses.jsonl").write_text(lines)
    open_page(app, "train")
    assert column_cells(app, "Test uses") == ["3"]


def test_runs_are_sorted_by_any_figure_and_those_without_come_last(
    app: AppTest, runs: FakeRuns
) -> None:
    for name, auroc in (("low", 0.61), ("high", 0.93), ("middle", 0.8)):
        runs.write_finished(name, auroc=auroc)
    runs.write_queued("none", 1)
    open_page(app, "train")
    order = find_labelled(app.selectbox, "Sort by")
    order.set_value("Validation AUROC, cardiomegaly").run()
    assert shown(app) == ["high", "middle", "low", "none"]
    find_labelled(app.toggle, "Lowest first").set_value(True).run()
    assert shown(app) == ["low", "middle", "high", "none"]


def test_any_setting_and_figure_is_a_column(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha", learning_rate=1e-3)
    runs.write_finished("beta", learning_rate=1e-4)
    open_page(app, "train", columns="Learning rate", sort="Learning rate")
    assert list(selectable_rows(app)[0]) == ["Run", "Learning rate"]
    assert column_cells(app, "Learning rate") == ["0.001", "0.0001"]
    find_labelled(app.multiselect, "Columns").set_value(
        ["Validation Calibration error, cardiomegaly"]
    )
    app.run()
    assert list(selectable_rows(app)[0].values())[1] == "0.900 (0.850 to 0.940)"


@pytest.mark.parametrize("words", ["first try", "NIGHT", "chests tiny", "good"])
def test_runs_are_found_by_what_is_known_of_them(
    app: AppTest, runs: FakeRuns, workspace: Path, words: str
) -> None:
    """Also the run that a shell started, whose dataset only its manifest names, by its folder."""
    register_dataset(workspace, "chests")
    record = workspace / "datasets" / "chests" / "dataset.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"folders": ["/data/films"]}))
    run = runs.write_interrupted("by-hand", hand=True)
    write_annotation(run, RunAnnotation(name="First try", tags=("night",), note="looks good"))
    other = runs.write_finished("other")
    request = json.loads((other / "job" / "request.json").read_text())
    (other / "job" / "request.json").write_text(json.dumps({**request, "data": ["elsewhere"]}))
    open_page(app, "train", search=words)
    assert shown(app) == ["First try"]
    assert column_cells(app, "Data") == ["chests"]


def test_a_folder_of_the_server_is_never_shown(app: AppTest, runs: FakeRuns) -> None:
    runs.write_interrupted("by-hand", hand=True)
    open_page(app, "train", run="by-hand")
    assert column_cells(app, "Data") == ["films"]
    assert "/data" not in visible_text(app)
    runs.write_interrupted("other")
    app.query_params["runs"] = "by-hand,other"
    app.run()
    assert "/data" not in table_text(app)


def test_a_run_gets_name_tags_and_note_on_the_page(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha")
    open_page(app, "train", run="alpha")
    app.text_input(key="name-alpha").set_value("**best**")
    app.multiselect(key="tags-alpha").set_value(["night"])
    app.text_area(key="text-alpha").set_value("see <b>this</b>")
    find_labelled(app.button, "Save").click().run()
    assert not app.exception
    assert status.load_job("alpha").annotation == RunAnnotation(
        name="**best**", tags=("night",), note="see <b>this</b>"
    )
    assert r"### \*\*best\*\* :green-badge[finished]" in visible_text(app)
    assert r"see \<b\>this\</b\>" in visible_text(app)
    assert shown(app) == ["**best**"]


def test_the_pinned_run_is_what_others_are_compared_with(app: AppTest, runs: FakeRuns) -> None:
    runs.write_finished("alpha", auroc=0.8)
    runs.write_finished("beta", auroc=0.85)
    open_page(app, "train", run="alpha")
    app.button(key="pin-alpha").click().run()
    assert read_baseline() == "alpha"
    assert shown(app) == ["beta", "Baseline: alpha"]
    app.query_params.pop("run")
    app.query_params["runs"] = "alpha,beta"
    app.run()
    assert "0.850 (0.800 to 0.890), 400 films [+0.050]" in table_text(app)
    pin_baseline("")
    app.run()
    assert "[+0.050]" not in table_text(app)


def test_a_click_on_a_run_that_has_ended_meanwhile_is_answered(
    app: AppTest, runs: FakeRuns
) -> None:
    runs.write_running("alpha")
    open_page(app, "train")
    stop = app.button(key="stop-alpha")
    runs.write_finished("alpha")
    (runs.root / "alpha" / "job" / "process.json").unlink()
    stop.click().run()
    assert "alpha is finished; there is nothing to stop" in app.error[0].value


def test_a_click_on_a_run_that_was_deleted_meanwhile_is_answered(
    app: AppTest, runs: FakeRuns
) -> None:
    runs.write_interrupted("alpha")
    open_page(app, "train", run="alpha")
    resume = app.button(key="resume-alpha")
    actions.delete_run("alpha")
    resume.click().run()
    assert "there is no run 'alpha'" in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0, "00:00:00"), (61.4, "00:01:01"), (360_000, "100:00:00")]
)
def test_durations_are_text_that_sorts(seconds: float | None, text: str) -> None:
    assert format_hours(seconds) == text
