"""AUROC of many groups on many resamples at once: the films are gone through by score a single time for all groups.

For each two groups it is summed how many negatives of the one lie above positives of the other. What is so inside a
group, and among all others, are sums of these.
"""

import numpy as np

from cxr_core.evaluation.bootstrap.ranking import counts_of, reached, share_of
from cxr_core.evaluation.bootstrap.resamples import Draws


def auroc_of_groups(
    scores: np.ndarray, labels: np.ndarray, group_of: np.ndarray, groups: int, draws: Draws
) -> tuple[np.ndarray, np.ndarray]:
    """(groups, R) `metrics.auroc` inside each group, and of the films of all other groups together.

    scores, labels (0 or 1), group_of (below `groups`): (N,).  draws: of these N films.
    """
    unsaid = np.isnan(
        scores
    )  # one film without a score leaves the films that it is among undefined
    missing = np.bincount(group_of[unsaid], minlength=groups)[:, None]
    wrong = _above(scores[~unsaid], labels[~unsaid], group_of[~unsaid], groups, draws.of(~unsaid))
    positives, negatives = (
        _films(group_of, labels == 1, groups, draws),
        _films(group_of, labels != 1, groups, draws),
    )
    own = wrong[np.arange(groups), np.arange(groups)]
    inside = _auroc(own, positives, negatives, missing)
    others = wrong.sum(axis=(0, 1)) - wrong.sum(axis=0) - wrong.sum(axis=1) + own
    return inside, _auroc(
        others, *(each.sum(axis=0) - each for each in (positives, negatives, missing))
    )


def _above(
    scores: np.ndarray, labels: np.ndarray, group_of: np.ndarray, groups: int, draws: Draws
) -> np.ndarray:
    """(groups, groups, R) negatives of the second group above positives of the first, ties counting half."""
    positive = labels == 1
    falling = np.flatnonzero(positive)[np.argsort(-scores[positive])]
    values, own = np.unique(-scores[falling], return_inverse=True)
    begins = np.searchsorted(own, np.arange(len(values) + 1))
    pairs, counts = np.zeros((groups, groups, draws.shape[0])), counts_of(draws)
    for some, _, half in reached(
        -values, scores[~positive], group_of[~positive], groups, draws.of(~positive)
    ):
        for place in range(begins[some.start], begins[some.stop]):
            film = falling[place]
            pairs[group_of[film]] += counts[draws.patient_of[film]] * half[own[place] - some.start]
    return pairs


def _films(group_of: np.ndarray, chosen: np.ndarray, groups: int, draws: Draws) -> np.ndarray:
    """(groups, R) how many of the chosen films each group has."""
    columns = (group_of[:, None] == np.arange(groups)) & chosen[:, None]
    return (draws @ columns.astype(np.float64)).T


def _auroc(
    wrong: np.ndarray, positives: np.ndarray, negatives: np.ndarray, missing: np.ndarray
) -> np.ndarray:
    return 1 - share_of(wrong, np.where(missing == 0, positives * negatives, 0))
