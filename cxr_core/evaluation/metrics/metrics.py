"""The figures of one finding on one set of films. Undefined stays undefined (NaN), never 0.5.

Everywhere: scores or probabilities (N,); labels (N,) 0 or 1, unknown ones already dropped; weights (..., N) how often
each film counts, None = once; or `Draws`, whose answers are (R,) and cost a fraction of an array's. The answer has the
shape of the weights without their last axis.
"""

from dataclasses import dataclass

import numpy as np

from cxr_core.evaluation.bootstrap.ranking import DrawnRanking
from cxr_core.evaluation.bootstrap.resamples import Draws

BINS = 15  # for the calibration errors, the parts of the Brier score, and the chart of calibration
LEAST = float(
    np.finfo(np.float64).eps
)  # a probability of 0 or 1 counts as this far from it in the log loss

Weights = np.ndarray | Draws | None


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
        return _share(
            2 * self.true_positive,
            2 * self.true_positive + self.false_positive + self.false_negative,
        )

    @property
    def mcc(self) -> np.ndarray:
        """Correlation of call and label, -1 to 1; NaN when either is the same for all films. Source: Matthews 1975."""
        called, passed = (
            self.true_positive + self.false_positive,
            self.false_negative + self.true_negative,
        )
        present, absent = (
            self.true_positive + self.false_negative,
            self.false_positive + self.true_negative,
        )
        agreement = (
            self.true_positive * self.true_negative - self.false_positive * self.false_negative
        )
        return _share(agreement, np.sqrt(called * passed * present * absent))

    @property
    def npv(self) -> np.ndarray:
        """Share of the films not called that are negative; NaN when all are called."""
        return _share(self.true_negative, self.true_negative + self.false_negative)

    @property
    def lr_positive(self) -> np.ndarray:
        """How much a call raises the odds of the finding; NaN when no negative is called, or a class is missing.

        Source: Deeks & Altman 2004, BMJ 329:168-169, also for `lr_negative`.
        """
        return _share(
            self.sensitivity, _share(self.false_positive, self.true_negative + self.false_positive)
        )

    @property
    def lr_negative(self) -> np.ndarray:
        """What is left of the odds when there is no call; NaN when every negative is called, or a class is missing."""
        return _share(
            _share(self.false_negative, self.true_positive + self.false_negative), self.specificity
        )

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
        return _share((self.positives * (below + self.negatives / 2)).sum(axis=-1), pairs)

    @property
    def average_precision(self) -> np.ndarray:
        """As the function of this name."""
        positives, negatives = self.positives[..., ::-1], self.negatives[..., ::-1]
        found = np.cumsum(positives, axis=-1)
        precision = np.nan_to_num(_share(found, found + np.cumsum(negatives, axis=-1)))
        return _share((positives * precision).sum(axis=-1), positives.sum(axis=-1))

    def adaptive_calibration_error(self, bins: int) -> np.ndarray:
        """As the function of this name; the scores are probabilities."""
        positives = self.positives.reshape(-1, len(self.scores))
        films = positives + self.negatives.reshape(positives.shape)
        total = films.sum(axis=-1)
        middles = bins * (np.cumsum(films, axis=-1) - films / 2)
        edges = total[:, None] * np.arange(1, bins)
        gaps = np.zeros(
            (len(films), len(self.scores) + 1)
        )  # of all films below the first, second ... score
        np.cumsum(films * self.scores - positives, axis=-1, out=gaps[:, 1:])
        at_edges = [
            gap[np.searchsorted(middle, edge)]
            for gap, middle, edge in zip(gaps, middles, edges, strict=True)
        ]
        of_bins = np.diff(
            np.reshape(at_edges, (-1, bins - 1)), axis=-1, prepend=0, append=gaps[:, -1:]
        )
        return _share(np.abs(of_bins).sum(axis=-1), total).reshape(self.positives.shape[:-1])[()]


@dataclass(frozen=True, eq=False)
class BrierParts:
    """What a Brier score is made of: reliability - resolution + uncertainty + within, exactly. Each (...), or a number.

    reliability: gap between predicted and observed frequency, squared (0 is best).  resolution: how far the observed
    frequencies of the bins lie apart (more is better).  uncertainty: of the films, whoever reads them.  within: what
    the bins leave over, their variance less twice their covariance with the labels.
    """

    reliability: np.ndarray
    resolution: np.ndarray
    uncertainty: np.ndarray
    within: np.ndarray


def confusion(called: np.ndarray, labels: np.ndarray, weights: Weights = None) -> Confusion:
    """called: (N,) bool, whether the finding was called present."""
    positive = labels == 1
    cells = np.stack(
        [called & positive, called & ~positive, ~called & positive, ~called & ~positive], axis=1
    )
    return Confusion(*np.moveaxis(_weights(weights, labels) @ cells.astype(np.float64), -1, 0))


def ranking(
    scores: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> Ranking | DrawnRanking:
    """The films by score, for several figures of the same scores at once."""
    weights = _weights(weights, labels)
    if not len(scores) or np.isnan(scores).any():
        nothing = np.full((*weights.shape[:-1], 1), np.nan)
        return Ranking(np.full(1, np.nan), nothing, nothing)
    if isinstance(weights, Draws):
        return DrawnRanking(scores, labels, weights)
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    starts = np.append(0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1)
    weights = weights[..., order]
    positives = np.add.reduceat(weights * labels[order], starts, axis=-1)
    return Ranking(
        ascending[starts], positives, np.add.reduceat(weights, starts, axis=-1) - positives
    )


def auroc(scores: np.ndarray, labels: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Area under the ROC curve, ties counting half; NaN when a class is missing or a score is.

    Source: the Mann-Whitney statistic; Hanley & McNeil 1982, Radiology 143:29-36.
    """
    return ranking(scores, labels, weights).auroc


def average_precision(
    scores: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> np.ndarray:
    """Precision at each threshold, weighed by the recall that it adds; NaN without positives."""
    return ranking(scores, labels, weights).average_precision


def brier(probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Mean squared difference between probability and label. Source: Brier 1950."""
    return _mean((probabilities - labels) ** 2, weights)


def brier_parts(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None, bins: int = BINS
) -> BrierParts:
    """The Brier score taken apart over equal-width bins, each bin's forecast being its mean probability.

    Sources: Murphy 1973, J. Appl. Meteorol. 12:595-600; within: Stephenson et al. 2008, Weather Forecast. 23:752-757.
    """
    inside = np.eye(bins)[bin_of(probabilities, bins)]
    weights = _weights(weights, labels)
    films, said, seen = (
        weights @ (inside * each[:, None]) for each in (np.ones(len(labels)), probabilities, labels)
    )
    total = weights.sum(axis=-1)
    frequency = _share(seen.sum(axis=-1), total)
    apart = np.nan_to_num(_share(seen, films)) - np.asarray(frequency)[..., None]
    of_bins = np.nan_to_num(_share(said**2 - 2 * said * seen, films)).sum(axis=-1)
    return BrierParts(
        reliability=_share(np.nan_to_num(_share((said - seen) ** 2, films)).sum(axis=-1), total),
        resolution=_share((films * apart**2).sum(axis=-1), total),
        uncertainty=frequency * (1 - frequency),
        within=_share(weights @ (probabilities**2 - 2 * probabilities * labels) - of_bins, total),
    )


def log_loss(probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Mean of -log of the probability given to what is the case; 0 and 1 are clipped by 2.2e-16."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities).clip(LEAST, 1 - LEAST)
    return _mean(-np.log(of_truth), weights)


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None, bins: int = BINS
) -> np.ndarray:
    """Gap between predicted and observed frequency, averaged over equal-width bins, each weighed by its films.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    inside = np.eye(bins)[bin_of(probabilities, bins)]
    weights = _weights(weights, labels)
    gaps = weights @ (inside * (probabilities - labels)[:, None])
    return _share(np.abs(gaps).sum(axis=-1), weights.sum(axis=-1))


def adaptive_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None, bins: int = BINS
) -> np.ndarray:
    """The calibration error over bins of equally many films, so that it looks closest where most films lie.

    Films of the same probability stay together, in the bin where the middle one of them lies.
    Source: Nguyen & O'Connor 2015, arXiv:1508.05154; Nixon et al. 2019, arXiv:1904.01685.
    """
    return ranking(probabilities, labels, weights).adaptive_calibration_error(bins)


def bin_of(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """(N,) which of so many equal-width bins each probability lies in, from 0."""
    return np.minimum((probabilities * bins).astype(int), bins - 1)


def _weights(weights: Weights, labels: np.ndarray) -> np.ndarray | Draws:
    if isinstance(weights, Draws):
        return weights
    return np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)


def _mean(values: np.ndarray, weights: Weights) -> np.ndarray:
    weights = _weights(weights, values)
    return _share(weights @ values, weights.sum(axis=-1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)[()]
