"""Fits calibrations and operating points on validation films, for training; reading never needs it."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, ndtr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.preprocessing import StandardScaler

from cxr_core.errors import DataError
from cxr_core.models.card import Calibration, OperatingPoint, order_points
from cxr_core.models.label_noise import LabelNoise
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.fitting.noisy_labels import compute_log_likelihood

YOUDEN_STEPS = 1001
MIN_BANDWIDTH = 1e-3  # in log-odds, for scores that are all alike


def fit_logistic(
    inputs: np.ndarray, labels: np.ndarray, penalty: float = 1.0, noise: LabelNoise | None = None
) -> tuple[float, list[float]]:
    """Intercept and weights (K,), in the inputs' own units, of a logistic regression.

    inputs: (N, K).  labels: (N,) 0 or 1.  penalty: of the squared weights, after the inputs are brought to unit spread;
    1 is scikit-learn's default and keeps weights finite on few or separable films, 0 is maximum likelihood.
    noise: of the labels; the regression is then of what a reader would say. See `noisy_labels`.
    """
    scaler = StandardScaler().fit(inputs)
    scaled = scaler.transform(inputs)
    if noise is None:
        strength = 1.0 / penalty if penalty > 0 else np.inf
        fitted = LogisticRegression(C=strength).fit(scaled, labels)
        intercept, weights = fitted.intercept_[0], fitted.coef_[0]
    else:
        intercept, weights = _fit_to_noisy_labels(scaled, labels, penalty, noise)
    weights = weights / scaler.scale_
    return float(intercept - weights @ scaler.mean_), [float(weight) for weight in weights]


def fit_platt(
    logits: np.ndarray, labels: np.ndarray, source: str, noise: LabelNoise | None = None
) -> Calibration:
    """Platt scaling by maximum likelihood. logits: (N,).  labels: (N,) 0 or 1, unknown ones already dropped.

    noise: of the labels; the calibrated probability is then that of a reader's verdict. See `noisy_labels`.
    The slope is kept above zero, so that calibration never changes an order; `fit_logistic` has no such bound, and
    its last digits would differ from those of the published cards. Raises DataError when the films are of one class.
    Source: Platt 1999.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    _require_both_classes(labels)

    def mean_loss(parameters: np.ndarray) -> float:
        z = np.exp(parameters[0]) * logits + parameters[1]
        return -float(np.mean(compute_log_likelihood(z, labels, noise)))

    fitted = minimize(
        mean_loss, x0=np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}
    )
    return Calibration(
        slope=float(np.exp(fitted.x[0])), intercept=float(fitted.x[1]), source=source
    )


def _fit_to_noisy_labels(
    inputs: np.ndarray, labels: np.ndarray, penalty: float, noise: LabelNoise
) -> tuple[float, np.ndarray]:
    """Intercept and weights (K,) by penalised maximum likelihood. inputs: (N, K) of unit spread."""

    def loss(parameters: np.ndarray) -> float:
        z = parameters[0] + inputs @ parameters[1:]
        likelihood = compute_log_likelihood(z, labels, noise)
        return float(penalty / 2 * (parameters[1:] ** 2).sum() - likelihood.sum())

    fitted = minimize(loss, x0=np.zeros(inputs.shape[1] + 1), method="BFGS")
    return float(fitted.x[0]), fitted.x[1:]


def choose_operating_points(
    probabilities: np.ndarray, labels: np.ndarray, source: str
) -> tuple[OperatingPoint, ...]:
    """Youden's point, and the thresholds that keep sensitivity, or specificity, at 0.95 or more.

    probabilities: (N,) calibrated.  labels: (N,) 0 or 1. Of the thresholds that keep a sensitivity the highest is
    taken, of those that keep a specificity the lowest; where the first would lie above the second, both keep both, and
    the lower one is called sensitive (`order_points`). Raises DataError when the films are of one class.
    Source: Youden 1950, Cancer 3:32-35; see `choose_youden_threshold`.
    """
    labels = np.asarray(labels)
    _require_both_classes(labels)
    false_positive, true_positive, thresholds = roc_curve(
        labels, probabilities, drop_intermediate=False
    )
    thresholds = np.minimum(thresholds, 1.0)  # the first is infinite: nothing is called
    named = {
        "youden": choose_youden_threshold(probabilities, labels),
        "sensitivity_95": thresholds[np.argmax(true_positive >= 0.95)],
        "specificity_95": thresholds[np.flatnonzero(1 - false_positive >= 0.95)[-1]],
    }
    points = [
        OperatingPoint(name=name, threshold=float(threshold), source=source)
        for name, threshold in named.items()
    ]
    return order_points(points)


def choose_youden_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Where sensitivity + specificity is highest, each class smoothed by Gaussian kernels over its log-odds.

    Where few films lie between the classes, sensitivity + specificity is almost level, and a single film decides where
    it is highest. The smoothed maximum lies nearer the truth. Source: Fluss, Faraggi & Reiser 2005, Biometrical
    Journal 47:458-472, with their bandwidth, 0.9 min(sd, iqr / 1.34) n^(-1/5).
    """
    scores = np.array([log_odds(float(probability)) for probability in probabilities])
    present, absent = scores[labels == 1], scores[labels == 0]
    present_width, absent_width = _choose_bandwidth(present), _choose_bandwidth(absent)
    steps = np.linspace(scores.min(), scores.max(), YOUDEN_STEPS)
    sums = np.array(
        [
            ndtr((present - step) / present_width).mean()
            - ndtr((absent - step) / absent_width).mean()
            for step in steps
        ]
    )
    best = steps[sums >= sums.max() - 1e-9]  # level between classes that lie apart: the middle
    return float(expit((best[0] + best[-1]) / 2))


def _choose_bandwidth(scores: np.ndarray) -> float:
    quarter, three_quarters = np.quantile(scores, [0.25, 0.75])
    deviation = float(scores.std())
    spread = min(deviation, float(three_quarters - quarter) / 1.34) or deviation
    return float(max(0.9 * spread * len(scores) ** -0.2, MIN_BANDWIDTH))


def _require_both_classes(labels: np.ndarray) -> None:
    if len(np.unique(labels)) < 2:
        raise DataError(
            "calibration needs positive and negative validation films; one class is missing"
        )
