"""Calibration is held against labels of reports with the probability that reports name, never with the reader's."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.evaluation.compare import ComparedEvaluation, compare_evaluations
from cxr_core.evaluation.evaluate import compute_figures
from cxr_core.evaluation.metrics.metrics import expected_calibration_error
from cxr_core.evaluation.metrics.recalibrate import recalibrate_finding
from cxr_core.evaluation.report.notes import list_notes
from cxr_core.inference import tabulate_predictions
from cxr_core.promotion.gate.gate import Predictions, check_classifier
from tests.reading.fitting.test_noisy_labels import make_noise
from tests.tiny import tiny_card

NOISE = make_noise(0.3, 0.01)
COUNT = 2000
CARD = tiny_card(
    findings=("cardiomegaly",),
    label_noise={"cardiomegaly": NOISE},
    prevalence={"cardiomegaly": 0.2},
    training={"data": {"kind": "nih14"}},
)


def tabulate(card, kind: str = "nih14") -> pd.DataFrame:
    """Predictions of a model that knows what readers say, beside labels of reports."""
    rng = np.random.default_rng(0)
    probabilities = rng.beta(0.8, 2.5, COUNT)
    truth = rng.random(COUNT) < probabilities
    labels = rng.random(COUNT) < np.where(truth, 0.3, 0.01)
    logits = np.log(probabilities / (1 - probabilities))
    facts = {"view": "PA", "age": 50.0, "sex": "F", "source": "x", "concerns": ""}
    table = pd.DataFrame({"patient": [f"p{i}" for i in range(COUNT)], **facts})
    table["sha256"], table["cardiomegaly"] = table["patient"], labels.astype(float)
    films = SimpleNamespace(names=list(table["patient"]), table=table, kind=kind)
    outputs = [
        SimpleNamespace(logits=[logit], probabilities=[p], ood_score=0.0)
        for logit, p in zip(logits, probabilities, strict=True)
    ]
    return tabulate_predictions(card, films, outputs)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return tabulate(CARD)


def test_predictions_have_what_reports_would_say(table):
    assert np.allclose(table["probability_reported"], 0.01 + 0.29 * table["probability"])
    assert "probability_reported" not in tabulate(CARD, "csv"), "a hospital's own verdicts"
    assert "probability_reported" not in tabulate(tiny_card(findings=("cardiomegaly",)))


def test_figures_compare_like_with_like(table):
    figures = compute_figures(CARD, table)["cardiomegaly"]
    own = compute_figures(CARD, table.drop(columns="probability_reported"))["cardiomegaly"]
    labels = table["label"].to_numpy()
    expected = expected_calibration_error(table["probability_reported"].to_numpy(), labels)
    assert figures.ece.value == pytest.approx(expected, abs=1e-6)
    assert figures.ece.value < 0.03 < 0.1 < own.ece.value
    assert figures.calibration_slope.value == pytest.approx(1, abs=0.25)
    assert figures.auroc == own.auroc
    assert figures.points == own.points, "thresholds are on the probability"
    assert (figures.calibration_of, own.calibration_of) == ("probability_reported", "probability")
    assert type(figures).from_json(figures.to_json()) == figures
    assert "Labels here come from reports" in "".join(list_notes({"cardiomegaly": figures}, False))
    assert not list(list_notes({"cardiomegaly": own}, False))


def test_a_point_of_the_calibration_chart_selects_its_own_films(table):
    low, high = 0.1, 0.2
    chosen = FilmFilter(low=low, high=high, calibrated=True).select_rows(table, 0.5)
    inside = table["probability_reported"].between(low, high, inclusive="left")
    assert sorted(chosen) == list(np.flatnonzero(inside))


def test_the_gate_does_not_mistake_readers_for_miscalibration(table):
    def check(rows: pd.DataFrame):
        checks = check_classifier(CARD, (), Predictions(own=rows))
        return next(one for one in checks if one.name == "calibration error")

    assert check(table).status == "pass"
    assert "Labels here come from reports" in check(table).sentence
    assert check(table.drop(columns="probability_reported")).status == "fail"


def test_a_comparison_with_a_model_of_reports_is_fair(table):
    reports = table.drop(columns="probability_reported")
    reports["probability"] = table["probability_reported"]
    tables = {"reader": table, "reports": reports}
    for names in (("reader", "reports"), ("reports", "reader")):
        given = [ComparedEvaluation(name=name, table=tables[name]) for name in names]
        (pair,) = compare_evaluations(given, resamples=20).findings["cardiomegaly"].differences
        assert pair.figures["brier"].value == pytest.approx(0, abs=1e-9)
        assert pair.figures["ece"].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("method", ["prior", "line"])
def test_recalibration_changes_little_where_reports_are_as_expected(table, method):
    point = CARD.operating_point("cardiomegaly", "youden")
    card = replace(CARD, prevalence={"cardiomegaly": float(table["probability"].mean())})
    found = recalibrate_finding(table, method, card, point, resamples=20)
    assert abs(found.correction.intercept) < 0.6
    assert found.after.ece.value < 0.03
    called = table["probability"] >= point.threshold
    assert found.before.sensitivity.value == pytest.approx(
        called[table["label"] == 1].mean(), abs=0.1
    )
