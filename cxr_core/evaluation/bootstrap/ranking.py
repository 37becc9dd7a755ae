"""AUROC, average precision and adaptive calibration error on many resamples at once, also of several groups of films.

The films are walked through from the highest score down, all resamples side by side. A film counts as often as its
patient was drawn. Sums are taken over some scores at a time, so that no table of films by resamples is ever made, and
over whole numbers, so the figures are exactly those of films repeated as often as they were drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse

from cxr_core.evaluation.bootstrap.resamples import Resamples

SCORES_AT_ONCE = 256  # so few that their counts stay in the processor's cache


@dataclass(frozen=True, eq=False)
class ResampledRanking:
    """As `metrics.Ranking`, of resamples. scores: (N,) none of them NaN.  labels: (N,) 0 or 1."""

    scores: np.ndarray
    labels: np.ndarray
    resamples: Resamples

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
        """AUROC and average precision, from the highest score down; only scores of a positive add to them."""
        positive, times = self.labels == 1, self.resamples.times
        values = np.unique(self.scores[positive])[::-1]
        places = _first_reached(values, self.scores[positive])
        own = _count_by_patient(places, len(values), self.resamples.select(positive))
        misranked, precision, positives = np.zeros((3, self.resamples.shape[0]))
        negatives = self.resamples.select(~positive)
        one_group = np.zeros(1, int)
        reached = _negatives_reaching(values, self.scores[~positive], one_group, 1, negatives)
        for some, above, half in reached:
            added = own[some] @ times
            so_far = _running_sum(added.copy(), positives)
            positives = so_far[-1]
            misranked += (added * half[:, 0]).sum(axis=0)
            # Where nothing is called nothing is added either, so that any divisor but 0 will do.
            called = np.maximum(so_far + above[:, 0], 1)
            precision += (added * so_far / called).sum(axis=0)
        pairs = positives * negatives.sum()
        return 1 - _divide(misranked, pairs), _divide(precision, positives)

    def adaptive_calibration_error(self, bins: int) -> np.ndarray:
        """(R,) as `metrics.adaptive_calibration_error`; the scores are probabilities."""
        order = np.argsort(self.scores, kind="stable")
        ascending = self.scores[order]
        # The first film of each distinct score, and the number of films.
        begins = np.append(0, np.flatnonzero(ascending[1:] != ascending[:-1]) + 1)
        begins = np.append(begins, len(order))
        score_of = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
        patients, gaps = self.resamples.patient_of[order], ascending - self.labels[order]
        edges = np.arange(1, bins) / bins
        errors = []
        for times in self.resamples.times.T:
            weights = np.ascontiguousarray(times).take(patients)
            errors.append(_adaptive_error(weights, gaps, score_of, begins, edges))
        return np.array(errors)


def compute_group_aurocs(
    scores: np.ndarray, labels: np.ndarray, group_of: np.ndarray, groups: int, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """(groups, R) `metrics.auroc` inside each group, and of the films of all other groups together.

    The films are walked through a single time for all groups: for each two of them it is summed how many negatives of
    the one lie above positives of the other. AUROCs inside a group, and among all others, are sums of these.

    scores, labels (0 or 1), group_of (below `groups`): (N,).  resamples: of these N films.
    """
    unscored = np.isnan(scores)  # one such film makes the figures of the films around it undefined
    missing = np.bincount(group_of[unscored], minlength=groups)[:, None]
    scored = ~unscored
    misranked = _count_misranked(
        scores[scored], labels[scored], group_of[scored], groups, resamples.select(scored)
    )
    positives = _count_films(group_of, labels == 1, groups, resamples)
    negatives = _count_films(group_of, labels != 1, groups, resamples)
    own = misranked[np.arange(groups), np.arange(groups)]
    inside = _auroc(own, positives, negatives, missing)
    others = misranked.sum(axis=(0, 1)) - misranked.sum(axis=0) - misranked.sum(axis=1) + own
    outside = _auroc(
        others, *(counts.sum(axis=0) - counts for counts in (positives, negatives, missing))
    )
    return inside, outside


def _adaptive_error(
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


def _negatives_reaching(
    values: np.ndarray, scores: np.ndarray, group_of: np.ndarray, groups: int, resamples: Resamples
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Some values at a time: how many films of each group (B, groups, R) reach each value, then with ties as halves.

    values: (V,) falling, each once.  scores, group_of (below `groups`): (N,), or one group for all.
    resamples: of these N films.
    """
    counts, place = resamples.counts, _first_reached(values, scores)
    tied = np.zeros(len(scores), bool)
    if len(values):
        tied = values[np.minimum(place, len(values) - 1)] == scores
    cells = len(values) * groups
    of_place = np.where(place < len(values), place * groups + group_of, -1)
    films = _count_by_patient(of_place, cells, resamples, counts.dtype)
    ties = _count_by_patient(np.where(tied, of_place, -1), cells, resamples, counts.dtype)
    above = np.zeros((groups, resamples.shape[0]), counts.dtype)
    for first in range(0, len(values), SCORES_AT_ONCE):
        rows = slice(first * groups, (first + SCORES_AT_ONCE) * groups)
        added = (films[rows] @ counts).reshape(-1, groups, resamples.shape[0])
        reach = _running_sum(added, above)
        above = reach[-1]
        half = reach
        if ties.nnz:
            half = reach - (ties[rows] @ counts).reshape(reach.shape) / 2
        yield slice(first, first + len(reach)), reach, half


def _count_misranked(
    scores: np.ndarray, labels: np.ndarray, group_of: np.ndarray, groups: int, resamples: Resamples
) -> np.ndarray:
    """(groups, groups, R) negatives of the second group above positives of the first, ties counting half."""
    positive = labels == 1
    falling = np.flatnonzero(positive)[np.argsort(-scores[positive])]
    values, own = np.unique(-scores[falling], return_inverse=True)
    begins = np.searchsorted(own, np.arange(len(values) + 1))
    pairs, counts = np.zeros((groups, groups, resamples.shape[0])), resamples.counts
    negatives = resamples.select(~positive)
    reached = _negatives_reaching(
        -values, scores[~positive], group_of[~positive], groups, negatives
    )
    for some, _, half in reached:
        places = np.arange(begins[some.start], begins[some.stop])
        films = falling[places]
        for group in range(groups):
            members = group_of[films] == group
            times = counts[resamples.patient_of[films[members]]]
            above = half[own[places[members]] - some.start]
            pairs[group] += np.einsum("fr,fgr->gr", times, above, dtype=np.float64)
    return pairs


def _count_films(
    group_of: np.ndarray, chosen: np.ndarray, groups: int, resamples: Resamples
) -> np.ndarray:
    """(groups, R) how many of the chosen films each group has."""
    columns = (group_of[:, None] == np.arange(groups)) & chosen[:, None]
    counts: np.ndarray = (resamples @ columns).T
    return counts


def _auroc(
    misranked: np.ndarray, positives: np.ndarray, negatives: np.ndarray, missing: np.ndarray
) -> np.ndarray:
    return 1 - _divide(misranked, np.where(missing == 0, positives * negatives, 0))


def _count_by_patient(
    places: np.ndarray, count: int, resamples: Resamples, dtype: type | np.dtype = np.float64
) -> sparse.csr_array:
    """(count, M) how many films of each patient are at each place. places: (N,); below 0 nowhere."""
    placed = places >= 0
    cells = (places[placed], resamples.patient_of[placed])
    shape = (count, len(resamples.times))
    return sparse.csr_array((np.ones(len(cells[0]), dtype), cells), shape=shape)


def _first_reached(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(N,) the first of the falling values that each score reaches; their number where it reaches none."""
    return np.searchsorted(-values, -scores)


def _running_sum(steps: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Sums of steps (B, ...) so far, in place, beginning with what came before (...)."""
    steps[0] += before
    for earlier, later in pairwise(steps):
        later += earlier
    return steps


def _divide(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide; NaN where total is not above 0."""
    share: np.ndarray = np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)
    return share
