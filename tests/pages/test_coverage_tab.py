"""The Coverage tab of Evaluate: figures against a count by hand, groups, reasons, and what older ones lack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from streamlit.testing.v1 import AppTest

from cxr_core.evaluation.metrics.coverage import ClassSample, ValidationSample
from cxr_core.evaluation.metrics.figures import compute_finding_figures
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.coverage_view import compute_coverage_view
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.models.card import DecisionThresholds
from tests.pages.app_bench import open_page, table_text, visible_text
from tests.pages.fake_evaluations import CARD, predictions, write_evaluation

FINDING = "cardiomegaly"
FILMS = 120
VALIDATION = predictions(400, seed=9)


def evaluated_films() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    return predictions(FILMS).assign(
        unfamiliarity=chance.random(FILMS) * 1.2,
        concerns=["inverted", "", "special_view|low_resolution", "low_resolution"] * (FILMS // 4),
    )


def validation_sample() -> dict[str, ValidationSample]:
    present, absent = (
        ClassSample(log_odds=np.sort(logit(rows["probability"])), films=len(rows))
        for rows in (VALIDATION[VALIDATION["label"] == label] for label in (1, 0))
    )
    return {FINDING: ValidationSample(present=present, absent=absent)}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an evaluation of today."""
    root = tmp_path_factory.mktemp("evaluated")
    write_evaluation(root / "evaluations" / "new", evaluated_films(), samples=validation_sample())
    return root


@pytest.fixture
def shown(app: AppTest, evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("CXR_WORKSPACE", str(evaluated))
    return open_coverage(app)


def open_coverage(app: AppTest) -> AppTest:
    open_page(app, "evaluate")
    app.session_state["evaluate_page"].switch_tab("Coverage")
    app.run()
    return app


def surest_error(films: pd.DataFrame, share: float) -> float:
    """The error of the films farthest from the balanced threshold in log-odds, counted by hand."""
    threshold = CARD.operating_point(FINDING, "youden").threshold
    offset = logit(films["probability"].to_numpy()) - logit(threshold)
    first = np.argsort(-np.abs(offset), kind="stable")[: round(share * len(films))]
    return float(np.mean((offset[first] >= 0) != (films["label"].to_numpy()[first] == 1)))


def test_the_tab_shows_the_error_at_the_share_that_is_chosen(shown: AppTest) -> None:
    assert not shown.exception
    text = table_text(shown)
    assert "Conformal rule" in text
    assert "Out-of-distribution score" in text
    assert f"{surest_error(evaluated_films(), 0.9):.3f} (" in text
    assert "108, " in text  # films decided
    shares = next(group for group in shown.button_group if group.label == "Share of films decided")
    shares.set_value(0.8).run()
    assert f"{surest_error(evaluated_films(), 0.8):.3f} (" in table_text(shown)
    assert "96, " in table_text(shown)


def test_groups_and_reasons_are_counted(shown: AppTest) -> None:
    assert "Sex: female" in table_text(shown)
    assert "not enough cases" in table_text(shown)  # of an age band
    films = evaluated_films()
    text = visible_text(shown)
    assert f"unlike the training films: {(films['unfamiliarity'] > 1).sum()}" in text
    assert "quality of the film or its file: 30" in text
    assert "view other than a plain frontal one: 30" in text


def test_an_older_evaluation_says_what_it_lacks(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evaluation(tmp_path / "evaluations" / "old", predictions().drop(columns="unfamiliarity"))
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path))
    open_coverage(app)
    assert not app.exception
    text = visible_text(app)
    assert "This evaluation has no conformal p-values" in text
    assert "This evaluation has no out-of-distribution scores" in text
    assert "the balanced threshold" in text
    assert "Conformal rule" not in table_text(app)


def test_the_files_hold_what_the_tab_shows(evaluated: Path) -> None:
    evaluation = load_evaluation(load_record(evaluated / "evaluations" / "new"))
    view = compute_coverage_view(evaluation, FINDING, None)
    recorded = evaluation.metrics.findings[FINDING].coverage
    assert set(recorded) == set(view.measured) == {"distance", "conformal", "familiarity"}
    for rule, measured in view.measured.items():
        assert recorded[rule] == measured.figures
        assert evaluation.coverage[FINDING].rules[rule].error == pytest.approx(
            measured.error.value, abs=1e-6
        )
    report = (evaluation.record.folder / "report.html").read_text(encoding="utf-8")
    assert "Error among the films decided, the surest first, by rule." in report
    error = recorded["conformal"].at[2].error
    assert f"{error.value:.3f} ({error.low:.3f} to {error.high:.3f})" in report


def test_the_report_has_the_groups_of_the_tab(evaluated: Path) -> None:
    evaluation = load_evaluation(load_record(evaluated / "evaluations" / "new"))
    view = compute_coverage_view(evaluation, FINDING, None)
    recorded = evaluation.metrics.findings[FINDING].coverage_groups
    assert recorded is not None
    assert recorded.groups == view.measure_groups("distance", 0.9)
    report = (evaluation.record.folder / "report.html").read_text(encoding="utf-8")
    assert "Groups when 90 % of all films are decided" in report
    (female,) = [group for group in recorded.groups if group.name == "female"]
    assert female.decided is not None
    assert female.error is not None
    cells = [
        f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
        for figure in (female.decided, female.error)
    ]
    assert f"<td>{cells[0]}</td><td>{cells[1]}</td>" in report
    assert "not enough cases" in report


def test_groups_share_one_cut_and_together_make_up_all_films(evaluated: Path) -> None:
    evaluation = load_evaluation(load_record(evaluated / "evaluations" / "new"))
    view = compute_coverage_view(evaluation, FINDING, None)
    groups = [one for one in view.measure_groups("familiarity", 0.9) if one.by == "view"]
    assert [one.name for one in groups] == ["AP", "PA"]
    decided = sum(one.error.n for one in groups if one.error)
    assert decided == round(0.9 * FILMS)
    films = evaluated_films()
    surest = films.nsmallest(decided, "unfamiliarity")
    threshold = CARD.operating_point(FINDING, "youden").threshold
    for group in groups:
        rows = surest[surest["view"] == group.name]
        wrong = (rows["probability"] >= threshold) != (rows["label"] == 1)
        assert group.error is not None
        assert group.error.value == pytest.approx(wrong.mean(), abs=1e-6)


def test_of_one_view_the_films_are_those_of_that_view(evaluated: Path) -> None:
    evaluation = load_evaluation(load_record(evaluated / "evaluations" / "new"))
    view = compute_coverage_view(evaluation, FINDING, "AP")
    rows = evaluated_films().query("view == 'AP'").reset_index(drop=True)
    error = view.measured["distance"].figures.at[2].error
    assert error.n == round(0.9 * len(rows))
    assert error.value == pytest.approx(surest_error(rows, 0.9), abs=1e-6)


def test_decisions_lie_where_their_shares_say(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluations" / "one", evaluated_films())
    evaluation = load_evaluation(load_record(folder))
    films = evaluated_films()
    probability, label = films["probability"].to_numpy(), films["label"].to_numpy()
    present_from, absent_below = 0.6, 0.3
    standard = DecisionThresholds(
        name="standard",
        error=0.1,
        present_from=present_from,
        absent_below=absent_below,
        source="a test",
    )
    points = CARD.operating_points[FINDING]
    own = compute_finding_figures(
        probability, label, films["patient"].to_numpy(), points, (standard,)
    )
    changed = replace(evaluation, metrics=replace(evaluation.metrics, findings={FINDING: own}))
    (point,) = compute_coverage_view(changed, FINDING, None).points
    decided = (probability >= present_from) | (probability < absent_below)
    assert point.decided == pytest.approx(decided.mean(), abs=1e-5)
    wrong = (probability[decided] >= present_from) != (label[decided] == 1)
    assert point.error == pytest.approx(wrong.mean(), abs=1e-5)
