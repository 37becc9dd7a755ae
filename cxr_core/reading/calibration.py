"""From a logit to a probability that means what it says, and to named thresholds on it.

Both are fitted on validation films and nothing else.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, ndtr
from sklearn.metrics import roc_curve

from cxr_core.errors import DataError
from cxr_core.models.card import Calibration, ModelCard, OperatingPoint
from cxr_core.reading.log_odds import log_odds

YOUDEN_STEPS = 1001
LEAST_BANDWIDTH = 1e-3  # in log-odds, for scores that are all alike


def apply(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    """Calibrated probabilities in [0, 1] of logits, of the same shape."""
    return expit(calibration.slope * np.asarray(logits, np.float64) + calibration.intercept)


def apply_all(card: ModelCard, logits: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of one film's logits (L,), in the order of the card's findings."""
    fitted = [card.calibration[key] for key in card.findings]
    slopes, intercepts = np.array([(c.slope, c.intercept) for c in fitted]).T
    return expit(slopes * logits + intercepts)


def fit_platt(logits: np.ndarray, labels: np.ndarray, source: str) -> Calibration:
    """Platt scaling by maximum likelihood. logits (N,), labels (N,) 0 or 1, unknown ones already dropped.

    The slope is held above zero, so that calibration never changes an order. Source: Platt 1999.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    _need_both_classes(labels)

    def loss(parameters: np.ndarray) -> float:
        z = np.exp(parameters[0]) * logits + parameters[1]
        return -float(np.mean(labels * log_expit(z) + (1 - labels) * log_expit(-z)))

    fitted = minimize(
        loss, x0=np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}
    )
    return Calibration(
        slope=float(np.exp(fitted.x[0])), intercept=float(fitted.x[1]), source=source
    )


def operating_points(
    probabilities: np.ndarray, labels: np.ndarray, source: str
) -> tuple[OperatingPoint, ...]:
    """Youden's point, and the thresholds that keep sensitivity, or specificity, at 0.95 or more.

    probabilities (N,) calibrated, labels (N,) 0 or 1. Of the thresholds that keep a sensitivity the highest is taken,
    of those that keep a specificity the lowest. Source: Youden 1950, Cancer 3:32-35; see `youdens_threshold`.
    """
    labels = np.asarray(labels)
    _need_both_classes(labels)
    false_positive, true_positive, thresholds = roc_curve(
        labels, probabilities, drop_intermediate=False
    )
    thresholds = np.minimum(thresholds, 1.0)  # the first is infinite: nothing is called
    youden = youdens_threshold(probabilities, labels)
    sensitive = thresholds[np.argmax(true_positive >= 0.95)]
    specific = thresholds[np.flatnonzero(1 - false_positive >= 0.95)[-1]]
    named = {"youden": youden, "sensitivity_95": sensitive, "specificity_95": specific}
    return tuple(
        OperatingPoint(name=k, threshold=float(v), source=source) for k, v in named.items()
    )


def youdens_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Where sensitivity + specificity is highest, each class smoothed by Gaussian kernels over its log-odds.

    Where few films lie between the classes, sensitivity + specificity is level but for chance, and its highest point
    alone would be a matter of one film. Smoothed, it lies nearer the truth. Source: Fluss, Faraggi & Reiser 2005,
    Biometrical Journal 47:458-472, with their bandwidth, 0.9 min(sd, iqr / 1.34) n^(-1/5).
    """
    scores = np.array([log_odds(float(each)) for each in probabilities])
    present, absent = scores[labels == 1], scores[labels == 0]
    widths = _bandwidth(present), _bandwidth(absent)
    steps = np.linspace(scores.min(), scores.max(), YOUDEN_STEPS)
    sums = np.array(
        [
            ndtr((present - t) / widths[0]).mean() - ndtr((absent - t) / widths[1]).mean()
            for t in steps
        ]
    )
    best = steps[sums >= sums.max() - 1e-9]  # level between classes that lie apart: the middle
    return float(expit((best[0] + best[-1]) / 2))


def _bandwidth(scores: np.ndarray) -> float:
    quarter, three = np.quantile(scores, [0.25, 0.75])
    spread = min(float(scores.std()), float(three - quarter) / 1.34) or float(scores.std())
    return max(0.9 * spread * len(scores) ** -0.2, LEAST_BANDWIDTH)


def _need_both_classes(labels: np.ndarray) -> None:
    if len(np.unique(labels)) < 2:
        raise DataError(
            "calibration needs positive and negative validation films; one class is missing"
        )
