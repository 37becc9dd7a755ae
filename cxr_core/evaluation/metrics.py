"""The figures of one finding on one set of films. Undefined stays undefined (NaN), never 0.5.

Everywhere: probabilities or scores (N,), labels (N,) 0 or 1 with unknown ones already dropped.
"""

import numpy as np
from sklearn import metrics as sk


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve; NaN when a class is missing."""
    return float(sk.roc_auc_score(labels, scores)) if _both(labels) else float("nan")


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Average precision; NaN without positives."""
    return float(sk.average_precision_score(labels, scores)) if np.any(labels == 1) else float("nan")


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared difference between probability and label. Source: Brier 1950."""
    return float(np.mean((probabilities - labels) ** 2))


def sensitivity(called: np.ndarray, labels: np.ndarray) -> float:
    """Share of the positives called; NaN without positives. called: (N,) bool."""
    return _share(called[labels == 1])


def specificity(called: np.ndarray, labels: np.ndarray) -> float:
    """Share of the negatives not called; NaN without negatives."""
    return _share(~called[labels == 0])


def accuracy(called: np.ndarray, labels: np.ndarray) -> float:
    """Share of the films called as they are labelled."""
    return _share(called == (labels == 1))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Gap between predicted and observed frequency, averaged over equal-width bins, each weighed by its films.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    films = np.bincount(place, minlength=bins)
    gaps = np.bincount(place, weights=probabilities - labels, minlength=bins)
    return float(np.abs(gaps).sum() / films.sum())


def _both(labels: np.ndarray) -> bool:
    return bool(np.any(labels == 1) and np.any(labels == 0))


def _share(hits: np.ndarray) -> float:
    return float(np.mean(hits)) if len(hits) else float("nan")
