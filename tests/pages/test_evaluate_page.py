"""The Evaluate page on Streamlit's test bench, on evaluations whose films are known."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from scipy.special import expit
from sklearn.metrics import confusion_matrix
from streamlit.testing.v1 import AppTest

from cxr_core.evaluation.charts.base import Chart
from cxr_core.evaluation.charts.film_filter import FilmFilter
from pages.components.markdown import plain
from tests.pages.app_bench import find_button, open_page, table_text, visible_text
from tests.pages.fake_datasets import register
from tests.pages.fake_evaluations import TRAINING, predictions, write_evaluation


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two evaluations of the same films, the first one newer; written once, read only."""
    root = tmp_path_factory.mktemp("evaluated")
    write_evaluation(root / "evaluations" / "first")
    write_evaluation(
        root / "evaluations" / "second", predictions(seed=1), made="2025-01-02T03:04:05+00:00"
    )
    return root


@pytest.fixture
def shown(app: AppTest, evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app in that workspace."""
    monkeypatch.setenv("CXR_WORKSPACE", str(evaluated))
    return app


def open_tab(app: AppTest, tab: str = "Curves") -> AppTest:
    open_page(app, "evaluate")
    if tab != "Curves":
        app.session_state["evaluate_page"].switch_tab(tab)
        app.run()
    return app


def test_without_an_evaluation_the_page_says_what_to_do(app: AppTest) -> None:
    open_tab(app)
    assert not app.exception
    assert "Here a model is measured on films with known labels" in visible_text(app)
    assert not app.code  # no command of a shell
    assert not app.tabs


def test_an_evaluation_shows_its_figures_and_both_curves(shown: AppTest) -> None:
    open_tab(shown)
    assert not shown.exception
    assert "**60 films**, 20 of them labelled present (33.3 %)" in visible_text(shown)
    assert len(shown.get("plotly_chart")) == 2
    assert (
        shown.selectbox[0].options[0]
        == "tiny 1.0.0 · test split of unnamed data · 60 films · 2 Jan 2026"
    )
    assert not shown.warning


def test_unreadable_evaluations_are_listed_and_the_others_are_shown(
    app: AppTest, workspace: Path, evaluated: Path
) -> None:
    complete, later = (
        Path(shutil.copytree(evaluated / "evaluations" / "first", workspace / "evaluations" / name))
        for name in ("complete", "later")
    )
    (workspace / "evaluations" / "cut").mkdir()
    (workspace / "evaluations" / "cut" / "metrics.json").write_text('{"schema": 1, "mod')
    (workspace / "evaluations" / "begun").mkdir()
    (workspace / "evaluations" / "begun" / "predictions.csv").write_text("image\n")
    (later / "metrics.json").write_text(
        (later / "metrics.json").read_text().replace('"schema": 1', '"schema": 99')
    )
    open_tab(app)
    assert not app.exception
    assert [box.value for box in app.selectbox if box.label == "Model and films"] == [str(complete)]
    for folder, reason in (
        ("cut", "cannot be read"),
        ("begun", "was not finished"),
        ("later", "schema 99, not 1"),
    ):
        assert re.search(rf"{re.escape(plain(folder))}: .*{reason}", visible_text(app)), folder


def test_damaged_predictions_are_explained(app: AppTest, workspace: Path, evaluated: Path) -> None:
    place = Path(
        shutil.copytree(evaluated / "evaluations" / "first", workspace / "evaluations" / "first")
    )
    (place / "predictions.csv").write_text("image,patient\n")
    open_tab(app)
    assert not app.exception
    assert "has no column finding" in app.error[0].value.replace("\\", "")


def test_split_other_than_test_carries_a_warning(app: AppTest, workspace: Path) -> None:
    write_evaluation(
        workspace / "runs" / "one" / "evaluation" / "val", split="val", training=TRAINING
    )
    open_tab(app)
    assert "Measured on the validation split" in app.warning[0].value
    assert "run one, tiny" in visible_text(app) + str([box.options for box in app.selectbox])
    app.session_state["evaluate_page"].switch_tab("Training")
    app.run()
    assert len(app.get("plotly_chart")) == 2


def test_moving_the_threshold_changes_the_calls(shown: AppTest) -> None:
    open_tab(shown, "Threshold")
    assert shown.select_slider[0].value == 0.5
    low = float(expit(-0.75))
    shown.select_slider[0].set_value(low).run()
    assert not shown.exception
    films = predictions()
    (tn, fp), (fn, tp) = confusion_matrix(films["label"], films["probability"] >= low)
    found = shown.table[0].value.set_index("Figure")["At this threshold"]
    assert found["Sensitivity"] == f"{tp / (tp + fn):.3f}"
    assert found["Specificity"] == f"{tn / (tn + fp):.3f}"
    assert shown.session_state["evaluate_page"].threshold == low
    find_button(shown, "Balanced 50.0 %").click().run()
    assert shown.select_slider[0].value == 0.5


def test_recalibrated_figures_are_never_shown_as_the_models_own(
    app: AppTest, workspace: Path
) -> None:
    warning = "These are **not the model's own figures**"
    place = write_evaluation(workspace / "evaluations" / "plain")
    open_tab(app, "Calibration")
    assert not app.exception
    assert warning not in visible_text(app)
    assert "choose a recalibration under **Make another evaluation**" in visible_text(app)
    write_evaluation(
        workspace / "evaluations" / "plain", method="line", made="2026-03-01T00:00:00+00:00"
    )
    app.run()
    assert not app.exception
    assert warning in visible_text(app)
    recorded = json.loads((place / "recalibration.json").read_text())["findings"]["cardiomegaly"]
    row = app.table[-1].value.set_index("Figure").loc["Brier score"]
    assert row["The model's own"].startswith(f"{recorded['before']['brier']['value']:.3f}")
    assert row["Recalibrated"].startswith(f"{recorded['after']['brier']['value']:.3f}")


def test_predictive_values_follow_the_readers_prevalence(shown: AppTest) -> None:
    open_tab(shown, "Prevalence and benefit")
    assert shown.number_input[0].value == pytest.approx(33.33)
    shown.number_input[0].set_value(1.0).run()
    assert not shown.exception
    films = predictions()
    (tn, fp), (fn, tp) = confusion_matrix(films["label"], films["probability"] >= 0.5)
    right, wrong = 0.01 * tp / (tp + fn), 0.99 * fp / (tn + fp)
    assert f"PPV **{100 * right / (right + wrong):.1f} %**" in visible_text(shown)


def test_films_of_an_outcome_are_shown_the_worst_first(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset = register(monkeypatch, tmp_path / "films", patient=["0", "0", "1", "1", "2", "2"])
    write_evaluation(
        workspace / "evaluations" / "tiny-test", predictions(6), folders=dataset.folders
    )
    galleries: list[Any] = []
    monkeypatch.setattr(
        "pages.components.evaluation.tabs.films.show_gallery",
        lambda pictures, **_: galleries.append(list(pictures)),
    )
    open_tab(app)
    app.session_state["evaluate_page"].show_films_behind(FilmFilter(low=0.0))
    app.run()
    assert not app.exception
    films = predictions(6)
    gap = (films["probability"] - films["label"]).abs()
    assert [picture.name for picture in galleries[-1]] == list(
        films["image"][gap.sort_values(ascending=False).index]
    )
    assert all(picture.jpeg for picture in galleries[-1])
    assert "**6 films** of 3 patients" in visible_text(app)
    app.session_state["evaluate_page"].open_film(str(tmp_path / "films" / "film-1.png"))
    app.run()
    assert not app.exception
    assert "Log-odds before calibration" in visible_text(app)
    find_button(app, "Back to Curves").click().run()
    assert app.session_state["evaluate_page"].tab == "Curves"
    assert len(app.get("plotly_chart")) == 2


def test_films_that_are_gone_are_listed_in_a_table(shown: AppTest) -> None:
    open_tab(shown, "Films")
    assert not shown.exception
    assert "No registered dataset has the films of this evaluation" in visible_text(shown)
    wrong = (
        predictions()
        .query("label == 0 and probability >= 0.5")
        .sort_values("probability", ascending=False)
    )
    assert list(shown.dataframe[0].value["image"]) == list(wrong["image"])


def test_subgroups_and_a_second_evaluation_are_compared(shown: AppTest, evaluated: Path) -> None:
    open_tab(shown, "Subgroups")
    assert not shown.exception
    assert "Sex: female" in table_text(shown)
    assert "not enough cases" in table_text(shown)
    shown.session_state["evaluate_page"].compared_folders = (
        str(evaluated / "evaluations" / "second"),
    )
    shown.session_state["evaluate_page"].switch_tab("Compare")
    shown.run()
    assert not shown.exception
    assert "**60 films** of 30 patients are in all of them" in visible_text(shown)
    assert "tiny 1.0.0 (second, 2 Jan 2025)" in table_text(shown)


def test_missing_heatmap_figures_are_explained(shown: AppTest) -> None:
    open_tab(shown, "Localisation")
    assert not shown.exception
    assert "Nothing was measured about this model's heatmaps" in visible_text(shown)


def test_segmentation_model_shows_its_report(
    app: AppTest, workspace: Path, evaluated: Path
) -> None:
    place = Path(
        shutil.copytree(evaluated / "evaluations" / "first", workspace / "evaluations" / "outlines")
    )
    metrics = (place / "metrics.json").read_text().replace('"findings"', '"figures"')
    (place / "metrics.json").write_text(metrics)
    open_tab(app)
    assert not app.exception
    assert "segments heart and lungs" in visible_text(app)
    assert not app.tabs


def test_a_click_means_the_evaluation_that_was_drawn_although_the_list_has_grown(
    app: AppTest, workspace: Path, evaluated: Path
) -> None:
    """The newest comes first, so that one written between drawing and click moves all others."""
    root = workspace / "evaluations"
    for name in ("first", "second"):
        shutil.copytree(evaluated / "evaluations" / name, root / name)
    open_tab(app)
    (box,) = [each for each in app.selectbox if each.label == "Model and films"]
    drawn = list(box.options)
    newest = write_evaluation(
        root / "newest", predictions(seed=2), made="2027-01-01T00:00:00+00:00"
    )
    box.set_value(str(root / "second")).run()
    assert not app.exception
    (box,) = [each for each in app.selectbox if each.label == "Model and films"]
    assert len(box.options) == len(drawn) + 1
    assert box.value == app.session_state["evaluate_page"].folder == str(root / "second")
    assert app.query_params["evaluation"] == "second"
    shutil.rmtree(newest)


def test_evaluations_that_read_alike_are_told_apart(app: AppTest, workspace: Path) -> None:
    """The browser sends what it shows, so no two lines may be the same."""
    for name in ("one", "other"):
        write_evaluation(workspace / "evaluations" / name)
    open_tab(app)
    (box,) = [each for each in app.selectbox if each.label == "Model and films"]
    assert sorted(option.rsplit(" · ", 1)[1] for option in box.options) == ["one", "other"]


def test_points_with_other_films_behind_them_are_another_chart() -> None:
    """So that a click that was on its way while the films changed opens none that were not shown."""
    figure = go.Figure()

    def chart(*bounds: float) -> Chart:
        filters = {0: [FilmFilter(low=low) for low in bounds]}
        return Chart(figure=figure, description="", table=pd.DataFrame(), filters=filters)

    assert chart(0.1, 0.2).filters_digest == chart(0.1, 0.2).filters_digest
    assert chart(0.1, 0.2).filters_digest != chart(0.1, 0.3).filters_digest


def test_the_address_names_what_is_shown_and_leads_back_to_it(
    app: AppTest, evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_WORKSPACE", str(evaluated))
    link = {"evaluation": "second", "tab": "films", "view": "PA", "outcome": "false_negative"}
    open_page(app, "evaluate", **link, age_min="40", low="nan", label="7")
    state = app.session_state["evaluate_page"]
    assert (state.folder, state.tab, state.view) == (
        str(evaluated / "evaluations" / "second"),
        "Films",
        "PA",
    )
    assert state.film_filter == FilmFilter(outcome="false_negative", age_min=40)
    assert dict(app.query_params.items()) == {**link, "finding": "cardiomegaly", "age_min": "40"}
    state.switch_tab("Curves")
    app.run()
    assert "age_min" not in app.query_params
    assert app.query_params["tab"] == "curves"
    assert str(evaluated) not in str(dict(app.query_params.items()))


def test_a_link_with_the_folder_of_an_earlier_version_still_leads_to_its_evaluation(
    app: AppTest, evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_WORKSPACE", str(evaluated))
    open_page(app, "evaluate", evaluation=str(evaluated / "evaluations" / "second"))
    assert app.query_params["evaluation"] == "second"
    open_page(app, "evaluate", evaluation="gone")
    assert app.session_state["evaluate_page"].folder == str(evaluated / "evaluations" / "second")


def test_a_link_to_an_evaluation_that_is_gone_says_so(
    app: AppTest, evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_WORKSPACE", str(evaluated))
    open_page(app, "evaluate", evaluation="gone")
    assert "There is no evaluation gone any more" in app.warning[0].value
    assert app.query_params["evaluation"] == "first"


def test_useless_output_is_flagged_although_it_is_calibrated(app: AppTest, workspace: Path) -> None:
    table = predictions()
    table["probability"] = 1 / 3
    place = write_evaluation(workspace / "evaluations" / "constant", table)
    open_tab(app)
    assert plain("Nearly constant output: 60 of 60 films") in app.error[0].value
    recorded = json.loads((place / "metrics.json").read_text())
    assert recorded["findings"]["cardiomegaly"].pop("degenerate").startswith("Nearly constant")
    assert "Nearly constant output" in (place / "report.html").read_text()
    recorded["made"] = "2026-05-01T00:00:00+00:00"
    (place / "metrics.json").write_text(json.dumps(recorded))  # as an earlier version wrote it
    app.run()
    assert plain("Nearly constant output: 60 of 60 films") in app.error[0].value


def test_calibration_on_the_films_that_fitted_it_is_named_so(app: AppTest, workspace: Path) -> None:
    write_evaluation(workspace / "runs" / "one" / "evaluation" / "val", split="val")
    open_tab(app, "Calibration")
    assert "Calibration and thresholds were fitted on these films" in visible_text(app)
    assert "Calibration error, fitted on these films" in table_text(app)


def test_films_left_out_are_counted_and_those_measured_apart_are_shown(
    app: AppTest, workspace: Path, evaluated: Path
) -> None:
    place = Path(
        shutil.copytree(evaluated / "evaluations" / "first", workspace / "evaluations" / "adults")
    )
    metrics = json.loads((place / "metrics.json").read_text())
    metrics["data"]["population"] = {
        "text": "adults",
        "films": 96,
        "data_sha256": "1" * 64,
        "outside": {"the patient is younger than 18": 36},
        "unknown": {},
    }
    metrics["outside_population"] = {
        "cardiomegaly": {**metrics["findings"]["cardiomegaly"], "subgroups": None}
    }
    (place / "metrics.json").write_text(json.dumps(metrics))
    open_tab(app)
    assert not app.exception
    assert "36 of 96 films lie outside it and are not counted" in visible_text(app)
    assert any("Outside the intended population: 60 films" in each.label for each in app.expander)
