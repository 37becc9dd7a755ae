"""Whether a heatmap depends on what the network has learnt: it must change when the weights are replaced by chance.

Source: Adebayo et al. 2018, arXiv:1810.03292 (cascading randomisation, from the head down to the whole network).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from cxr_core.evaluation.segmentation.metrics import means_of

STAGES = ("head", "late", "all")
ALIKE = 0.5  # a mean rank correlation from which two maps count as the same
PASSED, FAILED, OPEN = "passed", "failed", "cannot be told"


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each film's two maps: (N, C) and (N, C) to (N,); NaN where one of them is flat."""
    first, second = (_centred(rankdata(each, axis=1)) for each in (one, other))
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide(
        (first * second).sum(axis=1), spread, out=np.full(len(one), np.nan), where=spread > 0
    )


def randomisation_figures(
    similar: Mapping[str, np.ndarray], patients: np.ndarray
) -> dict[str, Any]:
    """How alike maps and randomised maps are, by stage, with patient-bootstrapped 95 % intervals, and the verdict.

    similar: by stage (D, N), the rank correlation in each of D draws of each of N films; NaN where a map is flat.
    The interval is of the mean over films and draws; least and most are the means of single draws.
    """
    count = next(iter(similar.values())).shape[1]
    means = means_of({stage: _mean(values, axis=0) for stage, values in similar.items()}, patients)
    found: dict[str, Any] = {"alike_from": ALIKE, "draws": len(next(iter(similar.values())))}
    for stage, values in similar.items():
        of_draws = _mean(values, axis=1)
        known = of_draws[~np.isnan(of_draws)]
        least, most = (
            (round(float(end), 6) for end in (known.min(), known.max()))
            if len(known)
            else (None, None)
        )
        found[stage] = {**means[stage], "least": least, "most": most}
    return {**found, "films": count, "verdict": _verdict(found[STAGES[-1]], count)}


def _verdict(whole: Mapping[str, Any], films: int) -> str:
    """Of the map of a network without any learnt weight. Not told when half of the films have a flat map."""
    if whole["low"] is None or 2 * whole["n"] < films:
        return OPEN
    if whole["high"] < ALIKE:
        return PASSED
    return FAILED if whole["low"] >= ALIKE else OPEN


def _centred(ranks: np.ndarray) -> np.ndarray:
    return ranks - ranks.mean(axis=1, keepdims=True)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
