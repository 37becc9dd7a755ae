"""Figures of order on many resamples at once: the films are gone through by score, all resamples side by side.

One film takes one addition of a row that holds its patient's count in every resample, so that no table of films by
resamples is ever made. The counts are whole numbers, so the figures are those of films repeated as often as drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxr_core.evaluation.draws import Draws


@dataclass(frozen=True, eq=False)
class DrawnRanking:
    """As `metrics.Ranking`, of resamples. scores: (N,) none of them NaN.  labels: (N,) 0 or 1."""

    scores: np.ndarray
    labels: np.ndarray
    draws: Draws

    @property
    def auroc(self) -> np.ndarray:
        """(R,) as `metrics.auroc`."""
        return self._areas[0]

    @property
    def average_precision(self) -> np.ndarray:
        """(R,) as `metrics.average_precision`."""
        return self._areas[1]

    @cached_property
    def _areas(self) -> tuple[np.ndarray, np.ndarray]:
        """AUROC and average precision, from the highest score down; only scores that a positive has add to them."""
        resamples = self.draws.shape[0]
        pairs, precision, positives, negatives = np.zeros((4, resamples))
        half, called = np.empty((2, resamples))
        rows = list(self.draws.times)
        with np.errstate(invalid="ignore", divide="ignore"):
            for above, level, present in _steps(self.scores, self.labels, self.draws.patient_of):
                for patient in above:
                    negatives += rows[patient]
                found = rows[present[0]] if len(present) == 1 else sum(rows[patient] for patient in present)
                positives += found
                if level:
                    np.copyto(half, negatives)
                    for patient in level:
                        negatives += rows[patient]
                    half += negatives
                    half *= 0.5
                np.add(positives, negatives, out=called)
                np.divide(positives, called, out=called)
                called *= found
                np.add(precision, called, out=precision, where=found != 0)
                pairs += found * (half if level else negatives)
            # Below the last positive nothing adds to either; the negatives there only enlarge what is divided by.
            total = self.draws @ (self.labels != 1).astype(np.float64)
            return 1 - pairs / np.where(positives * total > 0, positives * total, np.nan), precision / np.where(
                positives > 0, positives, np.nan
            )

    def adaptive_calibration_error(self, bins: int) -> np.ndarray:
        """(R,) as `metrics.adaptive_calibration_error`; the scores are probabilities."""
        order = np.argsort(self.scores, kind="stable")
        ascending = self.scores[order]
        begins = np.append(0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1)  # first film of each score
        begins = np.append(begins, len(order))
        score_of = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        patients, gaps = self.draws.patient_of[order], ascending - self.labels[order]
        edges = np.arange(1, bins) / bins
        weights = (np.ascontiguousarray(times).take(patients) for times in self.draws.times.T)
        return np.array([_adaptive(each, gaps, score_of, begins, edges) for each in weights])


def _adaptive(
    weights: np.ndarray, gaps: np.ndarray, score_of: np.ndarray, begins: np.ndarray, edges: np.ndarray
) -> float:
    """The error of one resample. weights, gaps: (N,) by score.  begins: the first film of each score, and N."""
    films = np.zeros(len(gaps) + 1, np.int32)  # before each film
    np.cumsum(weights, dtype=np.int32, out=films[1:])
    if films[-1] == 0:
        return float("nan")
    edges = edges * films[-1]
    score = score_of[np.searchsorted(films[1:], edges)]
    score += (films[begins[score]] + films[begins[score + 1]]) / 2 < edges
    cut = begins[score]
    bins = np.unique(np.append(0, cut[cut < len(gaps)]))
    return float(np.abs(np.add.reduceat(weights * gaps, bins)).sum() / films[-1])


def _steps(
    scores: np.ndarray, labels: np.ndarray, patient_of: np.ndarray
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """For each score that a positive has, from the highest: patients of the negatives above it and not yet told, of
    those that share it, and of its positives."""
    positive = labels == 1
    values = np.unique(scores[positive])[::-1]
    high = scores[~positive]
    order = np.argsort(-high, kind="stable")
    patients, falling = patient_of[~positive][order].tolist(), -high[order]
    over, upto = (np.searchsorted(falling, -values, side=side).tolist() for side in ("left", "right"))
    order = np.argsort(-scores[positive], kind="stable")
    present, own = patient_of[positive][order].tolist(), -scores[positive][order]
    ends = np.searchsorted(own, -values, side="right").tolist()
    told = begun = 0
    for first, second, end in zip(over, upto, ends, strict=True):
        yield patients[told:first], patients[first:second], present[begun:end]
        told, begun = second, end
