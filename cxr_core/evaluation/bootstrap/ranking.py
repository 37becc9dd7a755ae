"""Figures of order on many resamples at once: from the highest score down, all resamples side by side.

A film counts as often as its patient was drawn. Sums are taken of some scores at a time, so that no table of films by
resamples is ever made, and of whole numbers, so the figures are those of films repeated as often as drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse

from cxr_core.evaluation.bootstrap.resamples import Draws

AT_ONCE = 256  # scores gone through together: their counts stay near the processor
EXACT = 2**23  # below it float32 tells a whole number from itself and a half


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
        positive, times = self.labels == 1, self.draws.times
        values = np.unique(self.scores[positive])[::-1]
        own = by_patient(
            _place(values, self.scores[positive]), len(values), self.draws.of(positive)
        )
        wrong, precision, positives = np.zeros((3, self.draws.shape[0]))
        negatives = self.draws.of(~positive)
        for some, above, half in reached(
            values, self.scores[~positive], np.zeros(1, int), 1, negatives
        ):
            found = own[some] @ times
            so_far = _running(found.copy(), positives)
            positives = so_far[-1]
            wrong += (found * half[:, 0]).sum(axis=0)
            called = np.maximum(so_far + above[:, 0], 1)  # where nothing is called nothing is found
            precision += (found * so_far / called).sum(axis=0)
        pairs = positives * negatives.sum()
        return 1 - share_of(wrong, pairs), share_of(precision, positives)

    def adaptive_calibration_error(self, bins: int) -> np.ndarray:
        """(R,) as `metrics.adaptive_calibration_error`; the scores are probabilities."""
        order = np.argsort(self.scores, kind="stable")
        ascending = self.scores[order]
        begins = np.append(
            0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1
        )  # first film of each score
        begins = np.append(begins, len(order))
        score_of = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        patients, gaps = self.draws.patient_of[order], ascending - self.labels[order]
        edges = np.arange(1, bins) / bins
        weights = (np.ascontiguousarray(times).take(patients) for times in self.draws.times.T)
        return np.array([_adaptive(each, gaps, score_of, begins, edges) for each in weights])


def _adaptive(
    weights: np.ndarray,
    gaps: np.ndarray,
    score_of: np.ndarray,
    begins: np.ndarray,
    edges: np.ndarray,
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
    bins = np.append(0, cut[cut < len(gaps)])
    bins = bins[np.append(True, bins[1:] > bins[:-1])]
    return float(np.abs(np.add.reduceat(weights * gaps, bins)).sum() / films[-1])


def reached(
    values: np.ndarray, scores: np.ndarray, group_of: np.ndarray, groups: int, draws: Draws
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Some values at a time, the films of each group (B, groups, R) that reach each of them; then, ties counting half.

    values: (V,) falling, each once.  scores, group_of (below `groups`): (N,), or one group for all.  draws: of them.
    """
    counts, place = counts_of(draws), _place(values, scores)
    tied = (
        values[np.minimum(place, len(values) - 1)] == scores
        if len(values)
        else np.zeros(len(scores), bool)
    )
    of_place = np.where(place < len(values), place * groups + group_of, -1)
    films = by_patient(of_place, len(values) * groups, draws, counts.dtype)
    ties = by_patient(np.where(tied, of_place, -1), len(values) * groups, draws, counts.dtype)
    above = np.zeros((groups, draws.shape[0]), counts.dtype)
    for first in range(0, len(values), AT_ONCE):
        rows = slice(first * groups, (first + AT_ONCE) * groups)
        reach = _running((films[rows] @ counts).reshape(-1, groups, draws.shape[0]), above)
        above = reach[-1]
        half = reach - (ties[rows] @ counts).reshape(reach.shape) / 2 if ties.nnz else reach
        yield slice(first, first + len(reach)), reach, half


def by_patient(
    places: np.ndarray, count: int, draws: Draws, dtype: type | np.dtype = np.float64
) -> sparse.csr_array:
    """(count, M) how many films of each patient are at each place. places: (N,); below 0 nowhere."""
    there = places >= 0
    cells = (places[there], draws.patient_of[there])
    return sparse.csr_array((np.ones(len(cells[0]), dtype), cells), shape=(count, len(draws.times)))


def _place(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(N,) the first of the falling values that each score reaches; their number where it reaches none."""
    return np.searchsorted(-values, -scores)


def counts_of(draws: Draws) -> np.ndarray:
    """(M, R) how often each patient was drawn, as float32 where sums over films, and once these counts, are exact."""
    exact = draws.sum().max(initial=0) * draws.times.max(initial=0) < EXACT
    counts: np.ndarray = draws.times.astype(np.float32) if exact else draws.times
    return counts


def _running(steps: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Sums of steps (B, ...) so far, in their place, begun with what was before (...)."""
    steps[0] += before
    for earlier, later in pairwise(steps):
        later += earlier
    return steps


def share_of(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is nothing."""
    found: np.ndarray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found
