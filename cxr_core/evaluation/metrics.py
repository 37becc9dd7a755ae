"""The figures of one finding on one set of films. Undefined stays undefined (NaN), never 0.5.

Everywhere: scores or probabilities (N,); labels (N,) 0 or 1, unknown ones already dropped; weights (..., N) how often
each film counts, None = once. The answer has the shape of the weights without their last axis.
"""

from dataclasses import dataclass

import numpy as np

BINS = 15  # of equal width, for the calibration error and its chart
LEAST = float(np.finfo(np.float64).eps)  # a probability of 0 or 1 counts as this far from it in the log loss


@dataclass(frozen=True, eq=False)
class Confusion:
    """How many films were called what they are, and what they are not. Each (...), or a number."""

    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    true_negative: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the films called as they are labelled."""
        right = self.true_positive + self.true_negative
        return _share(right, right + self.false_positive + self.false_negative)

    @property
    def balanced_accuracy(self) -> np.ndarray:
        """Mean of sensitivity and specificity; NaN when a class is missing."""
        return (self.sensitivity + self.specificity) / 2

    @property
    def precision(self) -> np.ndarray:
        """Share of the films called that are positive; NaN when none is called."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def sensitivity(self) -> np.ndarray:
        """Share of the positives called, also named recall; NaN without positives."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> np.ndarray:
        """Share of the negatives not called; NaN without negatives."""
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall; NaN when nothing is positive and nothing called."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def of_negatives(self) -> "Confusion":
        """The same films with the negative class as the one that is looked for."""
        return Confusion(self.true_negative, self.false_negative, self.false_positive, self.true_positive)


def confusion(called: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Confusion:
    """called: (N,) bool, whether the finding was called present."""
    positive = labels == 1
    cells = np.stack([called & positive, called & ~positive, ~called & positive, ~called & ~positive], axis=1)
    return Confusion(*np.moveaxis(_weights(weights, labels) @ cells.astype(np.float64), -1, 0))


def auroc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve, ties counting half; NaN when a class is missing or a score is.

    Source: the Mann-Whitney statistic; Hanley & McNeil 1982, Radiology 143:29-36.
    """
    positives, negatives = _by_score(scores, labels, weights)
    below = np.cumsum(negatives, axis=-1) - negatives
    pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
    return _share((positives * (below + negatives / 2)).sum(axis=-1), pairs)


def average_precision(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Precision at each threshold, weighed by the recall that it adds; NaN without positives."""
    positives, negatives = (counts[..., ::-1] for counts in _by_score(scores, labels, weights))
    found = np.cumsum(positives, axis=-1)
    precision = np.nan_to_num(_share(found, found + np.cumsum(negatives, axis=-1)))
    return _share((positives * precision).sum(axis=-1), positives.sum(axis=-1))


def brier(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean squared difference between probability and label. Source: Brier 1950."""
    return _mean((probabilities - labels) ** 2, weights)


def log_loss(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean of -log of the probability given to what is the case; 0 and 1 are clipped by 2.2e-16."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities).clip(LEAST, 1 - LEAST)
    return _mean(-np.log(of_truth), weights)


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, bins: int = BINS
) -> np.ndarray:
    """Gap between predicted and observed frequency, averaged over equal-width bins, each weighed by its films.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    inside = np.eye(bins)[bin_of(probabilities, bins)]
    weights = _weights(weights, labels)
    gaps = weights @ (inside * (probabilities - labels)[:, None])
    return _share(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def bin_of(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(N,) which of so many equal-width bins each probability lies in, from 0."""
    return np.minimum((probabilities * bins).astype(int), bins - 1)


def _by_score(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives (..., V) at each of the V distinct scores, the lowest first; NaN when a score is."""
    weights = _weights(weights, labels)
    if not len(scores) or np.isnan(scores).any():
        nothing = np.full((*weights.shape[:-1], 1), np.nan)
        return nothing, nothing
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    starts = np.append(0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1)
    weights = weights[..., order]
    positives = np.add.reduceat(weights * labels[order], starts, axis=-1)
    return positives, np.add.reduceat(weights, starts, axis=-1) - positives


def _weights(weights: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    return np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)


def _mean(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    weights = _weights(weights, values)
    return _share(weights @ values, weights.sum(axis=-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)[()]
