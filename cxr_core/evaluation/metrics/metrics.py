"""Computes the figures of one finding on one set of films. Undefined stays undefined (NaN), never 0.5.

Arguments of every function: scores or probabilities (N,); labels (N,) 0 or 1, unknown ones already dropped; weights
(..., N) how often each film counts, None = once each, or `Resamples`, which give (R,) at a fraction of an array's cost.
The result has the shape of the weights without their last axis.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_core.evaluation.bootstrap.ranking import ResampledRanking
from cxr_core.evaluation.bootstrap.resamples import Resamples

BINS = 15  # for the calibration errors, the parts of the Brier score, and the calibration chart
# The log loss counts a probability of 0 or 1 as this far from it.
EPS = float(np.finfo(np.float64).eps)

Weights = np.ndarray | Resamples | None
Rates = np.ndarray | np.floating[Any] | float


@dataclass(frozen=True, eq=False)
class Confusion:
    """Films by what they were called and how they are labelled. Each (...), or a number."""

    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    true_negative: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the films called as they are labelled."""
        right = self.true_positive + self.true_negative
        return divide(right, right + self.false_positive + self.false_negative)

    @property
    def balanced_accuracy(self) -> np.ndarray:
        """Mean of sensitivity and specificity; NaN when a class is missing."""
        mean: np.ndarray = (self.sensitivity + self.specificity) / 2
        return mean

    @property
    def precision(self) -> np.ndarray:
        """Share of the films called positive that are positive; NaN when none is called positive."""
        return divide(self.true_positive, self.true_positive + self.false_positive)

    @property
    def sensitivity(self) -> np.ndarray:
        """Share of the positives called positive, also named recall; NaN without positives."""
        return divide(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> np.ndarray:
        """Share of the negatives called negative; NaN without negatives."""
        return divide(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall; NaN when nothing is positive and nothing is called so."""
        return divide(
            2 * self.true_positive,
            2 * self.true_positive + self.false_positive + self.false_negative,
        )

    @property
    def mcc(self) -> np.ndarray:
        """Correlation of call and label, -1 to 1; NaN when either is the same for all films. Source: Matthews 1975."""
        called = self.true_positive + self.false_positive
        not_called = self.false_negative + self.true_negative
        present = self.true_positive + self.false_negative
        absent = self.false_positive + self.true_negative
        agreement = (
            self.true_positive * self.true_negative - self.false_positive * self.false_negative
        )
        return divide(agreement, np.sqrt(called * not_called * present * absent))

    @property
    def npv(self) -> np.ndarray:
        """Share of the films called negative that are negative; NaN when none is called negative."""
        return divide(self.true_negative, self.true_negative + self.false_negative)

    @property
    def lr_positive(self) -> np.ndarray:
        """Likelihood ratio of a positive call; NaN when no negative is called positive, or a class is missing.

        Source: Deeks & Altman 2004, BMJ 329:168-169, also for `lr_negative`.
        """
        false_positive_rate = divide(self.false_positive, self.true_negative + self.false_positive)
        return divide(self.sensitivity, false_positive_rate)

    @property
    def lr_negative(self) -> np.ndarray:
        """Likelihood ratio of a negative call; NaN when every negative is called positive, or a class is missing."""
        false_negative_rate = divide(self.false_negative, self.true_positive + self.false_negative)
        return divide(false_negative_rate, self.specificity)

    @property
    def of_negatives(self) -> "Confusion":
        """The same films with the negative class as the one that is looked for."""
        return Confusion(
            self.true_negative, self.false_negative, self.false_positive, self.true_positive
        )


@dataclass(frozen=True, eq=False)
class Ranking:
    """The films by score, lowest first: V distinct scores (V,), and how many films of each class have each (..., V).

    All NaN, as one score, when there are no films or a score is NaN.
    """

    scores: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    @property
    def auroc(self) -> np.ndarray:
        """As the function of this name."""
        below = np.cumsum(self.negatives, axis=-1) - self.negatives
        pairs = self.positives.sum(axis=-1) * self.negatives.sum(axis=-1)
        return divide((self.positives * (below + self.negatives / 2)).sum(axis=-1), pairs)

    @property
    def average_precision(self) -> np.ndarray:
        """As the function of this name."""
        positives, negatives = self.positives[..., ::-1], self.negatives[..., ::-1]
        true = np.cumsum(positives, axis=-1)
        precision = np.nan_to_num(divide(true, true + np.cumsum(negatives, axis=-1)))
        return divide((positives * precision).sum(axis=-1), positives.sum(axis=-1))

    def adaptive_calibration_error(self, bins: int) -> np.ndarray:
        """As the function of this name; the scores are probabilities."""
        positives = self.positives.reshape(-1, len(self.scores))
        films = positives + self.negatives.reshape(positives.shape)
        total = films.sum(axis=-1)
        middles = bins * (np.cumsum(films, axis=-1) - films / 2)
        edges = total[:, None] * np.arange(1, bins)
        # Sums over all films below the first, the second ... score.
        gaps = np.zeros((len(films), len(self.scores) + 1))
        np.cumsum(films * self.scores - positives, axis=-1, out=gaps[:, 1:])
        rows = zip(gaps, middles, edges, strict=True)
        at_edges = [gap[np.searchsorted(middle, edge)] for gap, middle, edge in rows]
        of_bins = np.diff(
            np.reshape(at_edges, (-1, bins - 1)), axis=-1, prepend=0, append=gaps[:, -1:]
        )
        errors = divide(np.abs(of_bins).sum(axis=-1), total)
        reshaped: np.ndarray = errors.reshape(self.positives.shape[:-1])[()]
        return reshaped


@dataclass(frozen=True, eq=False)
class BrierParts:
    """The parts of a Brier score: reliability - resolution + uncertainty + within, exactly. Each (...), or a number.

    reliability: gap between predicted and observed frequency, squared (0 is best).  resolution: how far the observed
    frequencies of the bins differ (more is better).  uncertainty: of the films, whoever reads them.  within: the rest
    inside the bins, their variance less twice their covariance with the labels.
    """

    reliability: np.ndarray
    resolution: np.ndarray
    uncertainty: np.ndarray
    within: np.ndarray


def count_confusion(called: np.ndarray, labels: np.ndarray, weights: Weights = None) -> Confusion:
    """Count films by call and label. called: (N,) bool, whether the finding was called present."""
    positive = labels == 1
    cells = np.stack(
        [called & positive, called & ~positive, ~called & positive, ~called & ~positive], axis=1
    )
    return Confusion(*np.moveaxis(_to_weights(weights, labels) @ cells, -1, 0))


def rank_films(
    scores: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> Ranking | ResampledRanking:
    """The films by score, for several figures of the same scores at once."""
    weights = _to_weights(weights, labels)
    if not len(scores) or np.isnan(scores).any():
        nothing = np.full((*weights.shape[:-1], 1), np.nan)
        return Ranking(np.full(1, np.nan), nothing, nothing)
    if isinstance(weights, Resamples):
        return ResampledRanking(scores, labels, weights)
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    starts = np.append(0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1)
    weights = weights[..., order]
    positives = np.add.reduceat(weights * labels[order], starts, axis=-1)
    films = np.add.reduceat(weights, starts, axis=-1)
    return Ranking(ascending[starts], positives, films - positives)


def auroc(scores: np.ndarray, labels: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Area under the ROC curve, ties counting half; NaN when a class is missing or a score is NaN.

    Source: the Mann-Whitney statistic; Hanley & McNeil 1982, Radiology 143:29-36.
    """
    return rank_films(scores, labels, weights).auroc


def average_precision(
    scores: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> np.ndarray:
    """Precision at each threshold, weighted by the recall that it adds; NaN without positives."""
    return rank_films(scores, labels, weights).average_precision


def brier_score(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> np.ndarray:
    """Mean squared difference between probability and label. Source: Brier 1950."""
    return _mean((probabilities - labels) ** 2, weights)


def decompose_brier_score(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> BrierParts:
    """The Brier score taken apart over equal-width bins, each bin's forecast being its mean probability.

    Sources: Murphy 1973, J. Appl. Meteorol. 12:595-600; within: Stephenson et al. 2008, Weather Forecast. 23:752-757.
    """
    inside = np.eye(BINS, dtype=bool)[assign_bins(probabilities, BINS)]
    weights = _to_weights(weights, labels)
    films = weights @ inside
    predicted = weights @ (inside * probabilities[:, None])
    observed = weights @ (inside * labels[:, None])
    total = weights.sum(axis=-1)
    frequency = divide(observed.sum(axis=-1), total)
    apart = np.nan_to_num(divide(observed, films)) - np.asarray(frequency)[..., None]
    of_bins = np.nan_to_num(divide(predicted**2 - 2 * predicted * observed, films)).sum(axis=-1)
    gaps = np.nan_to_num(divide((predicted - observed) ** 2, films))
    return BrierParts(
        reliability=divide(gaps.sum(axis=-1), total),
        resolution=divide((films * apart**2).sum(axis=-1), total),
        uncertainty=frequency * (1 - frequency),
        within=divide(weights @ (probabilities**2 - 2 * probabilities * labels) - of_bins, total),
    )


def log_loss(probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Mean of -log of the probability given to the true class; 0 and 1 are clipped by 2.2e-16."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities).clip(EPS, 1 - EPS)
    return _mean(-np.log(of_truth), weights)


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None, bins: int = BINS
) -> np.ndarray:
    """Gap between predicted and observed frequency, averaged over equal-width bins, each weighted by its films.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    inside = np.eye(bins)[assign_bins(probabilities, bins)]
    weights = _to_weights(weights, labels)
    gaps = weights @ (inside * (probabilities - labels)[:, None])
    return divide(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def adaptive_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None, bins: int = BINS
) -> np.ndarray:
    """The calibration error over bins of equally many films, finest where most films lie.

    Films of the same probability stay together, in the bin where the middle one of them lies.
    Source: Nguyen & O'Connor 2015, arXiv:1508.05154; Nixon et al. 2019, arXiv:1904.01685.
    """
    return rank_films(probabilities, labels, weights).adaptive_calibration_error(bins)


def assign_bins(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(N,) which of so many equal-width bins each probability lies in, from 0."""
    places: np.ndarray = np.minimum((probabilities * bins).astype(int), bins - 1)
    return places


def _to_weights(weights: Weights, labels: np.ndarray) -> np.ndarray | Resamples:
    if isinstance(weights, Resamples):
        return weights
    return np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)


def _mean(values: np.ndarray, weights: Weights) -> np.ndarray:
    weights = _to_weights(weights, values)
    return divide(weights @ values, weights.sum(axis=-1))


def divide(part: Rates, total: Rates) -> np.ndarray:
    """Divide; NaN where total is 0."""
    part, total = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(total, np.float64))
    share: np.ndarray = np.divide(part, total, out=np.full(part.shape, np.nan), where=total != 0)[
        ()
    ]
    return share
