"""Tests whether a heatmap depends on the learnt weights: it must change when they are replaced by random ones.

Source: Adebayo et al. 2018, arXiv:1810.03292 (cascading randomisation, from the head down to the whole network).
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.models.figures import Randomisation, StageSimilarity

ALL_LAYERS = "all"
STAGES = ("head", "late", ALL_LAYERS)
SIMILARITY_LIMIT = 0.5  # a mean rank correlation from which two maps count as the same
PASSED, FAILED, UNDECIDED = (
    "passed",
    "failed",
    "cannot be told",
)  # verdicts, as metrics.json has them


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each film's two maps: (N, C) and (N, C) to (N,); NaN where one of them is flat."""
    first, second = _centre(rankdata(one, axis=1)), _centre(rankdata(other, axis=1))
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    undefined = np.full(len(one), np.nan)
    return np.divide((first * second).sum(axis=1), spread, out=undefined, where=spread > 0)


def compute_randomisation(
    similarity: Mapping[str, np.ndarray], patients: np.ndarray
) -> Randomisation:
    """How similar maps of learnt and random weights are, by stage, with patient-bootstrapped 95 % intervals.

    similarity: by stage (D, N), the rank correlation of each of N films with each of D random networks; NaN where a map
    is flat. The interval is of the mean over films and networks.
    """
    networks, films = next(iter(similarity.values())).shape
    columns = {stage: _mean_of_known(values, axis=0) for stage, values in similarity.items()}
    means = bootstrap_means(columns, patients)
    stages = {}
    for stage, values in similarity.items():
        of_networks = _mean_of_known(values, axis=1)
        known = of_networks[~np.isnan(of_networks)]
        mean = means[stage]
        stages[stage] = StageSimilarity(
            value=mean.value,
            low=mean.low,
            high=mean.high,
            n=mean.n,
            lowest=round(float(known.min()), 6) if len(known) else None,
            highest=round(float(known.max()), 6) if len(known) else None,
        )
    return Randomisation(
        similarity_limit=SIMILARITY_LIMIT,
        networks=networks,
        stages=stages,
        films=films,
        verdict=judge_similarity(stages[ALL_LAYERS], films),
    )


def judge_similarity(similarity: StageSimilarity, films: int) -> str:
    """PASSED, FAILED or UNDECIDED. similarity: of fully random networks, of which half of the films must have one."""
    if similarity.low is None or similarity.high is None or 2 * similarity.n < films:
        return UNDECIDED
    if similarity.high < SIMILARITY_LIMIT:
        return PASSED
    return FAILED if similarity.low >= SIMILARITY_LIMIT else UNDECIDED


def _centre(ranks: np.ndarray) -> np.ndarray:
    return ranks - ranks.mean(axis=1, keepdims=True)


def _mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of the values that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
