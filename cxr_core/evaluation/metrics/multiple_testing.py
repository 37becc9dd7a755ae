"""Several differences looked at together: intervals widened, and p raised, for as many as there are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.stats import norm

Key = TypeVar("Key")


@dataclass(frozen=True)
class Corrected:
    """One difference among several. None = undefined.

    low, high: intervals that hold all differences at once in 95 % of all cases.  p: of this one alone, two-sided.
    p_adjusted: for all that were looked at.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None

    def to_json(self) -> dict[str, Any]:
        """The form that metrics.json and comparison.json carry, rounded to six decimals."""
        return {
            name: None if value is None else round(value, 6) for name, value in asdict(self).items()
        }


def corrected(found: Mapping[Key, tuple[float, float]]) -> dict[Key, Corrected]:
    """Differences as (value, standard error) under each key, with intervals and p corrected for how many there are.

    Intervals by the normal distribution, widened after Bonferroni; p after Holm, which rejects all that Bonferroni does
    and may reject more. An error that is NaN or 0 gives neither. Source: Holm 1979, Scand. J. Stat. 6:65-70.
    """
    tested = {
        key: 2 * float(norm.sf(abs(value / error)))
        for key, (value, error) in found.items()
        if error > 0
    }
    adjusted = dict(zip(tested, holm(np.array(list(tested.values()))), strict=True))
    width = float(norm.ppf(1 - 0.025 / max(1, len(tested))))
    return {
        key: Corrected(
            value=None if np.isnan(value) else float(value),
            low=float(value - width * error) if key in tested else None,
            high=float(value + width * error) if key in tested else None,
            p=tested.get(key),
            p_adjusted=float(adjusted[key]) if key in tested else None,
        )
        for key, (value, error) in found.items()
    }


def holm(p: np.ndarray) -> np.ndarray:
    """(K,) p of K tests, adjusted for all of them, in their order. Source: as `corrected`."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    found = np.empty(len(p))
    found[order] = np.minimum(raised, 1)
    return found


def of_resamples(values: np.ndarray) -> tuple[float, float]:
    """A difference and its standard error from (1 + resamples,); resamples in which it is undefined are left out."""
    defined = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or len(defined) < 2:
        return float(values[0]), float("nan")
    return float(values[0]), float(defined.std(ddof=1))
