import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from cxr_core.errors import DataError, ModelError
from cxr_core.models.card import Calibration
from cxr_core.reading.fitting.calibration import (
    choose_operating_points,
    choose_youden_threshold,
    fit_logistic,
    fit_platt,
)
from tests.tiny import tiny_card


@pytest.fixture
def miscalibrated() -> tuple[np.ndarray, np.ndarray]:
    """Overconfident logits: labels are drawn from sigmoid(0.5 * logit - 1)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    return logits, (rng.random(20_000) < expit(0.5 * logits - 1)).astype(float)


def test_a_known_miscalibration_is_recovered(miscalibrated):
    fitted = fit_platt(*miscalibrated, "a test")
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.intercept == pytest.approx(-1, abs=0.05)


def test_platt_scaling_agrees_with_unpenalised_logistic_regression(miscalibrated):
    logits, labels = miscalibrated
    reference = LogisticRegression(C=np.inf).fit(logits[:, None], labels)
    fitted = fit_platt(logits, labels, "a test")
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert fitted.intercept == pytest.approx(reference.intercept_[0], rel=1e-3)


def test_calibration_never_reverses_the_order_of_scores(miscalibrated):
    logits, labels = miscalibrated
    assert fit_platt(-logits, labels, "a test").slope > 0
    reversed_order = {"cardiomegaly": Calibration(slope=-1.0)}
    with pytest.raises(
        ModelError, match=r"cardiomegaly.slope: found -1.0, expected greater than 0"
    ):
        tiny_card(findings=("cardiomegaly",), calibration=reversed_order).to_json()


def test_operating_points_reach_the_rates_in_their_names(miscalibrated):
    logits, labels = miscalibrated
    probabilities = expit(logits)
    points = {p.name: p.threshold for p in choose_operating_points(probabilities, labels, "a test")}
    positive, negative = probabilities[labels == 1], probabilities[labels == 0]

    def sensitivity(threshold: float) -> float:
        return float(np.mean(positive >= threshold))

    def specificity(threshold: float) -> float:
        return float(np.mean(negative < threshold))

    higher = probabilities[probabilities > points["sensitivity_95"]].min()
    lower = probabilities[probabilities < points["specificity_95"]].max()
    assert (
        sensitivity(points["sensitivity_95"])
        >= 0.95
        > sensitivity(np.nextafter(positive[positive >= higher].min(), 1))
    )
    assert (
        specificity(points["specificity_95"])
        >= 0.95
        > specificity(negative[negative <= lower].max())
    )
    every = [
        sensitivity(t) + specificity(t) for t in np.quantile(probabilities, np.linspace(0, 1, 500))
    ]
    youden = points["youden"]
    assert sensitivity(youden) + specificity(youden) >= max(every) - 0.005


def test_smoothed_youden_threshold_is_closer_to_the_known_optimum_than_the_unsmoothed_one():
    """Log-odds drawn from N(4, 2) and N(-4, 2): the best cut is 0, and between them lie few."""
    errors = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], [60, 90])
        scores = rng.normal(np.where(labels == 1, 4.0, -4.0), 2.0)
        false_positive, true_positive, cuts = roc_curve(labels, scores, drop_intermediate=False)
        smoothed = choose_youden_threshold(expit(scores), labels)
        errors.append(
            (np.log(smoothed / (1 - smoothed)), cuts[np.argmax(true_positive - false_positive)])
        )
    smoothed_error, counted_error = np.sqrt(np.mean(np.square(errors), axis=0))
    assert smoothed_error < 0.8 * counted_error
    assert abs(np.mean(errors, axis=0)[0]) < 0.2


@pytest.mark.parametrize("low", [0.1, 0.1000001])
def test_separated_classes_get_the_threshold_in_the_middle_between_them(low):
    labels = np.repeat([0, 1], 5)
    threshold = choose_youden_threshold(np.where(labels == 1, 0.9, low), labels)
    assert threshold == pytest.approx(0.5, abs=0.01)


def test_one_class_cannot_be_calibrated():
    with pytest.raises(DataError, match="one class is missing"):
        fit_platt(np.zeros(4), np.ones(4), "a test")


@pytest.mark.parametrize(("penalty", "strength"), [(0.0, np.inf), (1.0, 1.0), (4.0, 0.25)])
def test_logistic_weights_are_in_the_inputs_own_units(penalty, strength):
    rng = np.random.default_rng(0)
    inputs = rng.normal([3.0, -1.0], [2.0, 0.05], (4000, 2))
    labels = (rng.random(4000) < expit(inputs @ [0.4, 6.0] + 4)).astype(float)
    intercept, weights = fit_logistic(inputs, labels, penalty)
    standard = (inputs - inputs.mean(0)) / inputs.std(0)
    reference = LogisticRegression(C=strength).fit(standard, labels).predict_proba(standard)
    assert expit(intercept + inputs @ weights) == pytest.approx(reference[:, 1], abs=1e-4)


def test_where_both_targets_are_met_at_both_thresholds_the_lower_one_is_the_sensitive_one():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [160, 470])
    probabilities = expit(rng.normal(np.where(labels == 1, 3.0, -3.0), 1.2))
    points = {p.name: p.threshold for p in choose_operating_points(probabilities, labels, "a test")}
    sensitive, specific = points["sensitivity_95"], points["specificity_95"]
    assert sensitive < specific
    for threshold in (sensitive, specific):
        assert np.mean(probabilities[labels == 1] >= threshold) >= 0.95
        assert np.mean(probabilities[labels == 0] < threshold) >= 0.95
