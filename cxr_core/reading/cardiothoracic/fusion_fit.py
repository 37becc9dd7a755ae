"""Fits the combination of a classifier's probability and the measured ratio on validation films.

Both weigh the same, each in units of its own spread: a few dozen positive films cannot tell weights of their own from
equal ones, and equal ones carry over better (Dawes 1979, American Psychologist 34:571-582). What is fitted is the scale
of their sum, the intercept and the weight of the AP view.
"""

from dataclasses import replace

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold

from cxr_core.errors import DataError
from cxr_core.findings import RATIO_LIMIT
from cxr_core.models.card import Fusion
from cxr_core.reading.cardiothoracic.fusion import AP_WEIGHTS, UNKNOWN_VIEW_WEIGHT, fuse_logits
from cxr_core.reading.cardiothoracic.ratio import RATIO
from cxr_core.reading.fitting.calibration import choose_operating_points, fit_logistic
from cxr_core.reading.fitting.conformal import choose_decisions

FOLDS, REPEATS = 5, 20
MIN_PROBABILITY = 1e-7  # held-out probabilities are clipped to this distance from 0 and 1


def fit_fusion(
    log_odds: np.ndarray,
    ratios: np.ndarray,
    views: np.ndarray,
    labels: np.ndarray,
    *,
    model: str,
    source: str,
) -> Fusion:
    """The logistic model of the sum of both that fits measured films best, with the thresholds on it.

    log_odds: of the classifier's calibrated probabilities, (N,).  ratios: (N,).  views: (N,) "PA", "AP" or any other
    text for unknown.  labels: (N,) 0 or 1.  model: name and version of the segmenter.  source: which films these are.
    The ridge penalty of `fit_logistic` keeps weights finite on few films; a sum that would count against the finding
    gets weight 0. Raises DataError when the films are of one class.
    """
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"the {len(labels)} films to fit the fusion on are of one class; both are needed"
        )
    inputs = _build_inputs(log_odds, ratios, views)
    spreads = _measure_spreads(inputs)
    intercept, (slope, ap) = fit_logistic(_sum_inputs(inputs, spreads), labels)
    classifier, measured = max(slope, 0.0) / spreads
    fitted = Fusion(
        measurement=RATIO,
        model=model,
        intercept=intercept,
        classifier=float(classifier),
        measured=float(measured),
        centre=RATIO_LIMIT,
        ap=ap,
        operating_points=(),
        source=source,
    )
    probabilities = expit(fuse_logits(fitted, log_odds, ratios, views))
    points = choose_operating_points(probabilities, labels, source)
    decisions = choose_decisions(probabilities, labels, source)
    return replace(fitted, operating_points=points, decisions=decisions)


def cross_validate_losses(
    log_odds: np.ndarray,
    ratios: np.ndarray,
    views: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) log loss of each film, held out with its patient: by the classifier refitted alone, and by both together.

    Means over twenty splits into five folds. The arguments are those of `fit_fusion`; patients: (N,).
    """
    inputs = _build_inputs(log_odds, ratios, views)
    losses = np.zeros((2, len(labels)))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for train, test in folds.split(inputs, labels, patients):
            spreads = _measure_spreads(inputs[train])
            for row, columns in enumerate((inputs[:, [0, 2]], _sum_inputs(inputs, spreads))):
                intercept, weights = fit_logistic(columns[train], labels[train])
                probabilities = expit(intercept + columns[test] @ np.array(weights))
                probabilities = probabilities.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
                of_label = np.where(labels[test] == 1, probabilities, 1 - probabilities)
                losses[row, test] -= np.log(of_label) / REPEATS
    return losses[0], losses[1]


def _measure_spreads(inputs: np.ndarray) -> np.ndarray:
    """(2,) standard deviations of log-odds and ratio; 1 where all films have the same."""
    spreads = inputs[:, :2].std(axis=0)
    return np.where(spreads > 0, spreads, 1.0)


def _sum_inputs(inputs: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """(N, 2): log-odds and ratio in units of their spread, added; and the weight of the AP view."""
    return np.stack([(inputs[:, :2] / spreads).sum(axis=1), inputs[:, 2]], axis=1)


def _build_inputs(log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray) -> np.ndarray:
    """(N, 3): log-odds, ratio above the limit, and the weight of the AP view."""
    ap_weights = [AP_WEIGHTS.get(view, UNKNOWN_VIEW_WEIGHT) for view in views.tolist()]
    return np.stack([log_odds, ratios - RATIO_LIMIT, ap_weights], axis=1)
