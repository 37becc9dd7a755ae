import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from cxr_core.errors import DataError, ModelError
from cxr_core.models.card import Calibration
from cxr_core.reading import calibration


@pytest.fixture
def miscalibrated() -> tuple[np.ndarray, np.ndarray]:
    """Logits that say too much: the truth is drawn from sigmoid(0.5 * logit - 1)."""
    chance = np.random.default_rng(0)
    logits = chance.normal(0, 3, 20_000)
    return logits, (chance.random(20_000) < expit(0.5 * logits - 1)).astype(float)


def test_a_known_miscalibration_is_recovered(miscalibrated):
    fitted = calibration.fit_platt(*miscalibrated, "a test")
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.intercept == pytest.approx(-1, abs=0.05)


def test_it_agrees_with_scikit_learns_unpenalised_logistic_regression(miscalibrated):
    logits, labels = miscalibrated
    reference = LogisticRegression(C=np.inf).fit(logits[:, None], labels)
    fitted = calibration.fit_platt(logits, labels, "a test")
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert fitted.intercept == pytest.approx(reference.intercept_[0], rel=1e-3)


def test_an_inverted_score_never_reverses_the_order(miscalibrated):
    logits, labels = miscalibrated
    assert calibration.fit_platt(-logits, labels, "a test").slope > 0
    with pytest.raises(ModelError, match="no order"):
        Calibration(slope=-1.0)


def test_operating_points_keep_what_their_names_say(miscalibrated):
    logits, labels = miscalibrated
    probabilities = expit(logits)
    points = {
        p.name: p.threshold for p in calibration.operating_points(probabilities, labels, "a test")
    }
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


def test_youdens_threshold_lies_nearer_the_known_best_than_the_highest_of_the_counts():
    """Log-odds drawn from N(4, 2) and N(-4, 2): the best cut is 0, and between them lie few."""
    errors = []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        labels = np.repeat([0, 1], [60, 90])
        scores = chance.normal(np.where(labels == 1, 4.0, -4.0), 2.0)
        false_positive, true_positive, cuts = roc_curve(labels, scores, drop_intermediate=False)
        smoothed = calibration.youdens_threshold(expit(scores), labels)
        errors.append(
            (np.log(smoothed / (1 - smoothed)), cuts[np.argmax(true_positive - false_positive)])
        )
    smoothed_error, counted_error = np.sqrt(np.mean(np.square(errors), axis=0))
    assert smoothed_error < 0.8 * counted_error
    assert abs(np.mean(errors, axis=0)[0]) < 0.2


@pytest.mark.parametrize("low", [0.1, 0.1000001])
def test_classes_that_lie_apart_are_cut_in_the_middle_between_them(low):
    labels = np.repeat([0, 1], 5)
    threshold = calibration.youdens_threshold(np.where(labels == 1, 0.9, low), labels)
    assert threshold == pytest.approx(0.5, abs=0.01)


def test_one_class_alone_cannot_be_calibrated():
    with pytest.raises(DataError, match="one class is missing"):
        calibration.fit_platt(np.zeros(4), np.ones(4), "a test")
