"""Computes an AUROC with DeLong's variance: of one score, and of the difference of two on the same films.

Each film counts as independent of the others, so this is for films of which no two are of one patient; otherwise use
`bootstrap_patients`.
Sources: DeLong et al. 1988, Biometrics 44:837-845; by ranks, Sun & Xu 2014, IEEE Signal Process. Lett. 21:1389-1393.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from cxr_core.models.figures import Figure

Z_95 = float(norm.ppf(0.975))  # standard errors from the middle of a 95 % interval to its end


@dataclass(frozen=True)
class DelongDifference:
    """AUROC of the first score minus that of the second, its 95 % interval, and the test that it is 0.

    z: the difference in standard errors.  p: two-sided. None = undefined.
    """

    value: float | None
    low: float | None
    high: float | None
    z: float | None
    p: float | None
    n: int
    positives: int


def compute_delong_auroc(scores: np.ndarray, labels: np.ndarray) -> Figure:
    """AUROC with its 95 % interval: symmetric on the logit scale, so that it stays between 0 and 1.

    scores (N,); labels (N,) 0 or 1, unknown ones already dropped. Undefined when a class is missing or a score is NaN;
    without interval when a class has one film, or when the AUROC is 0 or 1. Source of the scale: Pepe 2003, ch. 5.
    """
    value, error = _mean_and_error(*_placements(scores, labels))
    low = high = np.nan
    if error > 0 and 0 < value < 1:
        low, high = expit(logit(value) + np.array([-Z_95, Z_95]) * error / (value * (1 - value)))
    return Figure(
        value=_to_optional(value),
        low=_to_optional(low),
        high=_to_optional(high),
        n=len(labels),
        positives=int(np.sum(labels == 1)),
    )


def compare_aurocs_by_delong(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray
) -> DelongDifference:
    """The difference in AUROC of two scores of the same films: first - second.

    first, second: (N,); labels (N,) 0 or 1. Undefined when a class is missing or a score is NaN; without interval and
    test when a class has one film, or when both put the films in one order.
    """
    pairs = zip(_placements(first, labels), _placements(second, labels), strict=True)
    value, error = _mean_and_error(*(one - other for one, other in pairs))
    low = high = z = np.nan
    if error > 0:
        z = value / error
        low, high = value - Z_95 * error, value + Z_95 * error
    return DelongDifference(
        value=_to_optional(value),
        low=_to_optional(low),
        high=_to_optional(high),
        z=_to_optional(z),
        p=_to_optional(2 * norm.sf(abs(z))),
        n=len(labels),
        positives=int(np.sum(labels == 1)),
    )


def _placements(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each positive the share of negatives below it, of each negative the share of positives above; ties half.

    (P,) and (N - P,); empty when that is undefined.
    """
    positive, negative = scores[labels == 1], scores[labels != 1]
    if not len(positive) or not len(negative) or np.isnan(scores).any():
        return np.empty(0), np.empty(0)
    ranks = rankdata(np.concatenate([positive, negative]))
    below = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    above = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return below, above


def _mean_and_error(below: np.ndarray, above: np.ndarray) -> tuple[float, float]:
    """The AUROC of placements, or a difference of it, and its standard error; NaN = undefined."""
    if not len(below):
        return np.nan, np.nan
    if min(len(below), len(above)) < 2:
        return float(below.mean()), np.nan
    variance = sum(placed.var(ddof=1) / len(placed) for placed in (below, above))
    return float(below.mean()), float(np.sqrt(variance))


def _to_optional(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
