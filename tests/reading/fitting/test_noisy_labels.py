"""Calibrations fitted to labels with known noise tell the truth behind them; simulated, so that the truth is known."""

import numpy as np
import pytest
from scipy.special import expit

from cxr_core.errors import ModelError
from cxr_core.evaluation.metrics.metrics import expected_calibration_error
from cxr_core.models.label_noise import LabelNoise, Rate
from cxr_core.reading.calibration import apply_calibration
from cxr_core.reading.fitting.calibration import fit_logistic, fit_platt
from cxr_core.reading.fitting.false_positives import bound_false_positives

FILMS = 100_000


def make_noise(sensitivity: float, false_positives: float) -> LabelNoise:
    """Rates that are known exactly."""
    return LabelNoise(
        sensitivity=Rate(value=sensitivity, low=sensitivity, high=sensitivity),
        false_positive_rate=Rate(value=false_positives, low=false_positives, high=false_positives),
        population="simulated films",
        source="the simulation",
    )


REPORTS = make_noise(0.27, 0.018)
NO_NOISE = make_noise(1.0, 0.0)


@pytest.fixture(scope="module")
def films() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of overconfident networks, what readers say, and labels mined from reports."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, FILMS)
    truth = (rng.random(FILMS) < expit(0.7 * logits - 2)).astype(float)
    chance = np.where(truth == 1, REPORTS.sensitivity.value, REPORTS.false_positive_rate.value)
    return logits, truth, (rng.random(FILMS) < chance).astype(float)


def test_the_probability_is_that_of_the_truth_behind_noisy_labels(films):
    logits, truth, labels = films
    to_truth = apply_calibration(fit_platt(logits, labels, "a test", REPORTS), logits)
    to_labels = apply_calibration(fit_platt(logits, labels, "a test"), logits)
    assert expected_calibration_error(to_truth, truth) < 0.02
    assert expected_calibration_error(to_labels, truth) > 0.1
    assert expected_calibration_error(REPORTS.to_reported(to_truth), labels) < 0.02


def test_labels_without_noise_give_plain_platt_scaling(films):
    logits, truth, _ = films
    plain, corrected = (fit_platt(logits, truth, "a test", noise) for noise in (None, NO_NOISE))
    assert corrected.slope == pytest.approx(plain.slope, rel=1e-6)
    assert corrected.intercept == pytest.approx(plain.intercept, rel=1e-6)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_regression_without_noise_is_that_of_scikit_learn(films, penalty):
    logits, truth, _ = films
    inputs = np.stack([logits, np.sin(7 * logits)], axis=1)[:2000]
    reference = fit_logistic(inputs, truth[:2000], penalty)
    intercept, weights = fit_logistic(inputs, truth[:2000], penalty, NO_NOISE)
    assert intercept == pytest.approx(reference[0], rel=1e-3)
    assert weights == pytest.approx(reference[1], rel=1e-3)


def test_a_regression_finds_the_weights_behind_noisy_labels():
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(FILMS, 2))
    truth = rng.random(FILMS) < expit(-1 + inputs @ (1.5, 0.8))
    noise = make_noise(0.6, 0.05)
    labels = (rng.random(FILMS) < np.where(truth, 0.6, 0.05)).astype(float)
    intercept, weights = fit_logistic(inputs, labels, 0.0, noise)
    assert intercept == pytest.approx(-1, abs=0.15)
    assert weights == pytest.approx([1.5, 0.8], abs=0.15)


@pytest.mark.parametrize(("sensitivity", "false_positives"), [(0.2, 0.2), (0.1, 0.3)])
def test_labels_that_tell_nothing_are_refused(sensitivity, false_positives):
    with pytest.raises(ModelError, match="the first must be below the second"):
        make_noise(sensitivity, false_positives)


def test_a_rate_outside_its_interval_is_refused():
    with pytest.raises(ModelError, match=r"0.3 with an interval from 0.1 to 0.2"):
        Rate(value=0.3, low=0.1, high=0.2)


def test_a_stated_false_positive_rate_is_kept_where_labels_agree_with_it(films):
    logits, _, labels = films
    assert bound_false_positives(logits[:20_000], labels[:20_000], REPORTS) is REPORTS
    exact = make_noise(0.27, 0.0)
    assert bound_false_positives(logits[:500], labels[:500], exact) is exact


def test_a_false_positive_rate_that_labels_contradict_is_lowered():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 3, 20_000)
    truth = rng.random(20_000) < expit(0.7 * logits - 2)
    labels = (rng.random(20_000) < np.where(truth, 0.27, 0.004)).astype(float)
    found = bound_false_positives(logits, labels, REPORTS)
    rate = found.false_positive_rate
    assert rate.low <= 0.004 <= rate.high < 0.01
    assert found.sensitivity == REPORTS.sensitivity
    assert "contradicted by the 20000 validation films and was lowered to" in found.source
    fitted = apply_calibration(fit_platt(logits, labels, "a test", found), logits)
    assert expected_calibration_error(fitted, truth) < 0.03
