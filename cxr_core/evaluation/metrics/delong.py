"""AUROC with DeLong's variance: of one score, and of the difference of two on the same films.

Each film counts as independent of the others, so this is for films of which no two are of one patient; elsewhere
`intervals.patient_bootstrap` holds.
Sources: DeLong et al. 1988, Biometrics 44:837-845; by ranks, Sun & Xu 2014, IEEE Signal Process. Lett. 21:1389-1393.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from cxr_core.models.figures import Figure

WIDTH = float(norm.ppf(0.975))  # standard errors from the middle of a 95 % interval to its end


@dataclass(frozen=True)
class Difference:
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


def auroc_delong(scores: np.ndarray, labels: np.ndarray) -> Figure:
    """AUROC with its 95 % interval: symmetric on the logit scale, so that it stays between 0 and 1.

    scores (N,); labels (N,) 0 or 1, unknown ones already dropped. Undefined when a class is missing or a score is NaN;
    without interval when a class has one film, or when the AUROC is 0 or 1. Source of the scale: Pepe 2003, ch. 5.
    """
    value, error = _mean_and_error(*_placements(scores, labels))
    low = high = np.nan
    if error > 0 and 0 < value < 1:
        low, high = expit(logit(value) + np.array([-WIDTH, WIDTH]) * error / (value * (1 - value)))
    return Figure(
        _defined(value), _defined(low), _defined(high), len(labels), int(np.sum(labels == 1))
    )


def auroc_difference(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> Difference:
    """How far two scores of the same films lie apart in AUROC: first - second.

    first, second: (N,); labels (N,) 0 or 1. Undefined when a class is missing or a score is NaN; without interval and
    test when a class has one film, or when both put the films in one order.
    """
    pairs = zip(_placements(first, labels), _placements(second, labels), strict=True)
    value, error = _mean_and_error(*(one - other for one, other in pairs))
    z = value / error if error > 0 else np.nan
    return Difference(
        value=_defined(value),
        low=_defined(value - WIDTH * error if error > 0 else np.nan),
        high=_defined(value + WIDTH * error if error > 0 else np.nan),
        z=_defined(z),
        p=_defined(2 * norm.sf(abs(z))),
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
    return float(below.mean()), float(
        np.sqrt(sum(each.var(ddof=1) / len(each) for each in (below, above)))
    )


def _defined(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
