"""Built-in miscalibrations are found and mended, on patients that were not fitted on, and named as recalibrated."""

import argparse
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.corrections import (
    fit_slope_and_intercept,
    fit_temperature,
    shift_prior,
)
from cxr_core.evaluation.metrics.recalibrate import (
    RecalibratedFinding,
    choose_fit,
    recalibrate,
    recalibrate_finding,
    require_recalibratable,
)
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.report.recalibration import build_recalibration_section
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.models.figures import Figure
from tests.evaluation.report_pages import render_section
from tests.tiny import tiny_card
from train.command_line.arguments import parse_recalibration
from train.evaluate import _parser

VALIDATION = {"validation": {"pneumonia": {"auroc": Figure(0.9, 0.8, 0.95, 1000, 300).to_json()}}}
CARD = tiny_card(findings=("pneumonia",), metrics=VALIDATION)
POINT = CARD.operating_point("pneumonia", "youden")


def rows(seed: int, wrong=lambda log_odds: log_odds, count: int = 4000) -> pd.DataFrame:
    """Two films a patient; the probabilities would be right, were they not made wrong."""
    chance = np.random.default_rng(seed)
    right = chance.normal(-1, 1.2, count)
    return pd.DataFrame(
        {
            "patient": [f"p{n // 2}" for n in range(count)],
            "finding": "pneumonia",
            "label": (chance.random(count) < expit(right)).astype(float),
            "probability": expit(wrong(right)),
        }
    )


def arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["probability"].to_numpy(), table["label"].to_numpy()


def test_a_temperature_is_found_and_is_the_best_slope_through_nought():
    said, labels = arrays(rows(0, lambda z: 2.5 * z))
    found = fit_temperature(said, labels)
    assert found.slope == pytest.approx(1 / 2.5, rel=0.08)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(
        logit(said)[:, None], labels
    )
    assert found.slope == pytest.approx(theirs.coef_[0, 0], rel=1e-4)
    with pytest.raises(DataError, match="no temperature"):
        fit_temperature(1 - labels * 0.9 - 0.05, labels)


def test_a_line_is_found():
    found = fit_slope_and_intercept(*arrays(rows(1, lambda z: (z - 0.7) / 1.5)))
    assert (found.slope, found.intercept) == (
        pytest.approx(1.5, rel=0.1),
        pytest.approx(0.7, abs=0.1),
    )
    with pytest.raises(DataError, match="no rising line"):
        fit_slope_and_intercept(*arrays(rows(1, lambda z: -z)))


def test_a_prior_shift_makes_probabilities_right_where_only_prevalence_changed():
    """Bayes: films of two known densities, mixed at one prevalence, read at another."""
    chance = np.random.default_rng(2)
    labels = (chance.random(200_000) < 0.05).astype(float)
    shown = chance.normal(labels, 1)
    evidence = shown - 0.5  # log of the densities' ratio
    at_30 = expit(evidence + logit(0.3))
    mended = shift_prior(0.3, 0.05).apply(at_30)
    assert mended == pytest.approx(expit(evidence + logit(0.05)))
    assert mended.mean() == pytest.approx(labels.mean(), abs=0.002)
    with pytest.raises(DataError, match="found a prevalence of 0"):
        shift_prior(0.3, 0)


def test_prior_takes_the_card_and_the_fitting_films_or_what_is_stated():
    labels = np.array([0.0] * 9 + [1])
    assert choose_fit("prior", CARD, "pneumonia")(labels, labels) == shift_prior(0.3, 0.1)
    assert choose_fit("prior=0.02", CARD, "pneumonia")(labels, labels) == shift_prior(0.3, 0.02)
    with pytest.raises(DataError, match="does not record how many"):
        choose_fit("prior", tiny_card(), "pneumonia")
    with pytest.raises(DataError, match="choose from"):
        choose_fit("isotonic", CARD, "pneumonia")
    with pytest.raises(DataError, match="such as"):
        choose_fit("prior=many", CARD, "pneumonia")


def test_what_was_wrong_is_mended_on_patients_that_were_not_fitted_on():
    films = rows(3, lambda z: 2.5 * z + 1)
    found = recalibrate_finding(films, "line", CARD, POINT, resamples=200)
    assert found.fitted_on.patients == 600
    assert found.fitted_on.patients + found.reported_on.patients == films["patient"].nunique()
    assert found.fitted_on.films + found.reported_on.films == len(films)
    assert found.after.calibration_slope.low < 1 < found.after.calibration_slope.high
    assert found.before.calibration_slope.high < 0.6
    assert found.difference.log_loss.high < 0
    gap = found.after.brier.value - found.before.brier.value
    assert found.difference.brier.value == pytest.approx(gap)
    again = recalibrate_finding(films, "line", CARD, POINT, resamples=20)
    assert again.correction == found.correction
    assert (
        recalibrate_finding(films, "line", CARD, POINT, resamples=20, seed=1).correction
        != found.correction
    )


def test_the_threshold_that_calls_the_same_films_is_told_and_none_is_moved():
    films = rows(8, lambda z: 2.5 * z + 1, count=400)
    recalibration = recalibrate(CARD, films, "line", "youden")
    told = recalibration.findings["pneumonia"]
    mended = told.correction.apply(films["probability"].to_numpy())
    for point in CARD.operating_points["pneumonia"]:
        found = told.thresholds[point.name]
        assert found.own == point.threshold
        same = (mended >= found.recalibrated) == (films["probability"] >= point.threshold)
        assert same.mean() > 0.995  # thresholds are rounded to six decimals
    assert (told.operating_point, told.threshold) == (
        "youden",
        CARD.operating_point("pneumonia", "youden").threshold,
    )
    page = render_section(build_recalibration_section(recalibration))
    assert "chosen on the model&#39;s own probabilities and were not moved" in page
    assert f"becomes {told.thresholds['youden'].recalibrated:.3g}" in page


def test_what_cannot_be_recalibrated_says_why_beside_what_can():
    card = tiny_card(metrics=VALIDATION)
    table = pd.concat([rows(4, count=200), rows(5, count=200).assign(finding="cardiomegaly")])
    recalibration = recalibrate(card, table, "prior", "youden")
    found = recalibration.findings
    assert isinstance(found["pneumonia"], RecalibratedFinding)
    assert "does not record how many" in found["cardiomegaly"].reason
    page = render_section(build_recalibration_section(recalibration))
    assert "not the model&#39;s own figures" in page
    assert "Odds changed from a prevalence of 0.3000" in page
    assert "Not recalibrated: the card of tiny" in page
    with pytest.raises(DataError, match="nothing could be recalibrated: pneumonia"):
        recalibrate(CARD, rows(6, count=40).assign(label=0.0), "line", "youden")


def test_it_is_written_apart_and_taken_away_again(tmp_path):
    table = rows(7, count=200)
    found = Evaluation(
        card=CARD,
        split="test",
        data=EvaluatedData(
            films=200, patients=100, data_sha256="d", split_sha256="s", terms="none"
        ),
        table=table,
        figures={},
        reports={},
        curves={},
        made="2026-11-21T10:00:00+00:00",
    )
    mended = replace(found, recalibration=recalibrate(CARD, table, "prior=0.05", "youden"))
    mended.write(tmp_path)
    told = json.loads((tmp_path / "recalibration.json").read_text())
    assert (told["method"], told["part"], told["model"]) == ("prior=0.05", "test", "tiny")
    assert told["findings"]["pneumonia"]["correction"]["intercept"] == pytest.approx(
        logit(0.05) - logit(0.3)
    )
    assert "Recalibrated for these films" in (tmp_path / "report.html").read_text()
    found.write(tmp_path)
    assert not (tmp_path / "recalibration.json").exists()
    assert "Recalibrated" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "known"), [("prior", True), ("prior=0.05", True), ("line", True), ("prior=5", False)]
)
def test_the_command_knows_the_methods(given, known):
    if known:
        assert parse_recalibration(given) == given
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="expected prior"):
            parse_recalibration(given)


def test_a_method_that_cannot_fit_is_refused_before_films_are_read():
    require_recalibratable("prior", CARD)
    with pytest.raises(DataError, match="does not record how many"):
        require_recalibratable("prior", tiny_card())


def test_the_command_goes_without_a_recalibration():
    assert _parser().parse_args(["a-model", "--data", "films"]).recalibrate is None
    assert (
        _parser()
        .parse_args(["a-model", "--data", "films", "--recalibrate", "prior=0.1"])
        .recalibrate
        == "prior=0.1"
    )
