"""Adjusts intervals and p-values of several differences that are tested together."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy.stats import norm

from cxr_core.evaluation.metrics.results import AdjustedDifference

ADJUSTMENT = "intervals of differences after Bonferroni, p_adjusted after Holm"  # in words

Key = TypeVar("Key")


def adjust_for_multiple_testing(
    differences: Mapping[Key, tuple[float, float]],
) -> dict[Key, AdjustedDifference]:
    """Differences as (value, standard error) under each key, adjusted for how many of them there are.

    Intervals by the normal distribution, widened after Bonferroni; p after Holm, which rejects all that Bonferroni does
    and may reject more. An error that is NaN or 0 gives neither. Source: Holm 1979, Scand. J. Stat. 6:65-70.
    """
    p_values = {
        key: 2 * float(norm.sf(abs(value / error)))
        for key, (value, error) in differences.items()
        if error > 0
    }
    adjusted = adjust_by_holm(np.array(list(p_values.values())))
    p_adjusted = dict(zip(p_values, adjusted, strict=True))
    width = float(norm.ppf(1 - 0.025 / max(1, len(p_values))))
    results = {}
    for key, (value, error) in differences.items():
        tested = key in p_values
        results[key] = AdjustedDifference(
            value=None if np.isnan(value) else float(value),
            low=float(value - width * error) if tested else None,
            high=float(value + width * error) if tested else None,
            p=p_values.get(key),
            p_adjusted=float(p_adjusted[key]) if tested else None,
        )
    return results


def adjust_by_holm(p: np.ndarray) -> np.ndarray:
    """(K,) p of K tests, adjusted for all of them, in their order. Source: as `adjust_for_multiple_testing`."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def estimate_difference(values: np.ndarray) -> tuple[float, float]:
    """A difference and its standard error from (1 + resamples,); resamples in which it is undefined are left out."""
    defined = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or len(defined) < 2:
        return float(values[0]), float("nan")
    return float(values[0]), float(defined.std(ddof=1))
