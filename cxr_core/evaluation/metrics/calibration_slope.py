"""How far a model's log-odds would have to be stretched and shifted to be right: calibration slope and intercept."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics.metrics import LEAST, Weights

AT_ONCE = 50  # rows of weights fitted together: few enough to stay in a processor's cache
DENSE = 1_000_000  # films x resamples up to which each film is looked at in each resample
FINE_KNOTS = 1024  # that films are moved onto where they are more: lines differ by some 1e-8 then
KNOTS = 128
STEPS = 100  # a fit that has not settled by then is none; most take less than ten
SETTLED = 1e-4  # log-odds that the last step moved a film by at most; what is left is about the square of it


@dataclass(frozen=True, eq=False)
class Recalibration:
    """Log-odds of the label = intercept + slope x log-odds said. Each (...), or a number.

    slope: 1 is right; below, what is said is too extreme.  intercept: 0 is right; above, too low at even odds.
    """

    slope: np.ndarray
    intercept: np.ndarray


def recalibration(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> Recalibration:
    """Logistic regression, without a penalty, of the labels on the log-odds said; arguments as in metrics.py.

    The intercept is that of the same fit, not the one with the slope held at 1. Both are NaN where no line is the best:
    a class is missing, all films say the same, or one threshold parts the classes. 0 and 1 are clipped by 2.2e-16.
    Source: Cox 1958, Biometrika 45:562-565.
    """
    if isinstance(weights, Draws):
        return _of_draws(probabilities, labels, weights)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    rows = weights.reshape(int(np.prod(weights.shape[:-1])), len(labels))
    said = logit(np.clip(probabilities, LEAST, 1 - LEAST))
    lines = np.full((len(rows), 2), np.nan)
    overlap = _overlap(said, labels, rows)
    if overlap.any():
        lines[overlap] = _lines(said, labels, rows[overlap])
    intercept, slope = (column.reshape(weights.shape[:-1])[()] for column in lines.T)
    return Recalibration(slope=slope, intercept=intercept)


def _of_draws(probabilities: np.ndarray, labels: np.ndarray, draws: Draws) -> Recalibration:
    """Of many films on many resamples: the sums over films are taken of cubics between knots, once for each patient."""
    said = logit(np.clip(probabilities, LEAST, 1 - LEAST))
    several = len(said) > 0 and bool(np.ptp(said) > 0)
    if np.prod(draws.shape) <= DENSE or not several:
        return recalibration(probabilities, labels, draws.dense())
    centre, spread = said.mean(), said.std()
    inputs = (said - centre) / spread
    knots, shares = _cubic_shares(inputs)
    start = _newton(
        knots,
        shares.sum(axis=0)[None],
        _observed(inputs, labels).sum(axis=0)[None],
        np.zeros((1, 2)),
    )
    lines = _newton(knots, draws @ shares, draws @ _observed(inputs, labels), np.nan_to_num(start))
    lines = np.where(_overlap_of_draws(said, labels, draws)[:, None], lines, np.nan)
    return Recalibration(
        slope=lines[:, 1] / spread, intercept=lines[:, 0] - lines[:, 1] * centre / spread
    )


def _observed(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return labels[:, None] * np.stack([np.ones_like(inputs), inputs], axis=1)


def _cubic_shares(inputs: np.ndarray) -> tuple[np.ndarray, sparse.csr_array]:
    """Evenly spaced knots, and the share (N, K) of each film at the four about it: Lagrange's cubic through them."""
    knots, gap = np.linspace(inputs.min(), inputs.max(), FINE_KNOTS, retstep=True)
    first = np.clip(((inputs - knots[0]) / gap).astype(int) - 1, 0, FINE_KNOTS - 4)
    at = (inputs - knots[first]) / gap  # 0 to 3, between the four
    shares = [(1 - at) * (2 - at) * (3 - at) / 6, at * (2 - at) * (3 - at) / 2]
    shares += [at * (at - 1) * (3 - at) / 2, at * (at - 1) * (at - 2) / 6]
    columns = first[:, None] + np.arange(4)
    places = (np.stack(shares, axis=1).ravel(), columns.ravel(), 4 * np.arange(len(inputs) + 1))
    return knots, sparse.csr_array(places, shape=(len(inputs), FINE_KNOTS))


def _overlap_of_draws(said: np.ndarray, labels: np.ndarray, draws: Draws) -> np.ndarray:
    """As `_overlap`, from the lowest and the highest of each patient."""
    drawn = draws.times > 0
    ends = []
    for label in (0, 1):
        of_patients = np.array([[np.inf], [-np.inf]]).repeat(len(drawn), axis=1)
        chosen = labels == label
        np.minimum.at(of_patients[0], draws.patient_of[chosen], said[chosen])
        np.maximum.at(of_patients[1], draws.patient_of[chosen], said[chosen])
        low, high = of_patients[:, :, None]
        ends.append(
            (np.where(drawn, low, np.inf).min(axis=0), np.where(drawn, high, -np.inf).max(axis=0))
        )
    (low, high), (low_present, high_present) = ends
    overlap: np.ndarray = (high > low_present) & (
        high_present > low
    )  # a class that is missing has none
    return overlap


def _overlap(said: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R,) whether each class has a film above one of the other; else a line is the better the steeper it is.

    Source: Albert & Anderson 1984, Biometrika 71:1-10.
    """
    if np.isnan(said).any() or len(np.unique(labels)) < 2:
        return np.zeros(len(weights), bool)
    order = np.argsort(said)
    ends, seen = [], np.ones(len(weights), bool)
    for label in (0, 1):
        films = order[labels[order] == label]
        counts = weights[:, films] > 0
        seen &= counts.any(axis=1)
        lowest, highest = counts.argmax(axis=1), len(films) - 1 - counts[:, ::-1].argmax(axis=1)
        ends.append((said[films][lowest], said[films][highest]))
    (low, high), (low_present, high_present) = ends
    return seen & (high > low_present) & (high_present > low)


def _lines(said: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R, 2) intercept and slope for each row of weights (R, N).

    Each is found for films moved onto few knots first, which is quick and almost right, and then for the films.
    """
    centre, spread = said.mean(), said.std()
    inputs = (said - centre) / spread  # so that both terms of a step are of one size
    knots, gap = np.linspace(inputs.min(), inputs.max(), KNOTS, retstep=True)
    shares = np.maximum(
        0, 1 - np.abs(inputs[:, None] - knots) / gap
    )  # of each film to the two knots beside it
    positives = _observed(inputs, labels)
    together = weights.sum(axis=0, keepdims=True)
    start = _newton(knots, together @ shares, together @ positives, np.zeros((1, 2)))
    found = []
    for first in range(0, len(weights), AT_ONCE):
        some = weights[first : first + AT_ONCE]
        rough = _newton(knots, some @ shares, some @ positives, start)
        found.append(_newton(inputs, some, some @ positives, np.nan_to_num(rough)))
    intercepts, slopes = np.concatenate(found).T
    return np.stack([intercepts - slopes * centre / spread, slopes / spread], axis=1)


@np.errstate(all="ignore")  # a line that runs away ends as NaN
def _newton(
    inputs: np.ndarray, weights: np.ndarray, observed: np.ndarray, lines: np.ndarray
) -> np.ndarray:
    """(R, 2) the lines of most likelihood, by Newton's steps from others; NaN where they do not settle.

    inputs: (N,).  weights: (R, N).  observed: the positives and the sum of their inputs, (R, 2).
    """
    powers = np.stack([np.ones_like(inputs), inputs, inputs**2], axis=1)  # (N, 3)
    ends = np.array([[1, inputs.min()], [1, inputs.max()]])
    moved = np.full(len(weights), np.inf)
    for _ in range(STEPS):
        expected = expit(lines[:, :1] + lines[:, 1:] * inputs)
        counted = weights * expected
        slope_0, slope_1 = (observed - counted @ powers[:, :2]).T
        curve_0, curve_1, curve_2 = ((counted - counted * expected) @ powers).T
        step = np.stack(
            [curve_2 * slope_0 - curve_1 * slope_1, curve_0 * slope_1 - curve_1 * slope_0], axis=1
        )
        step /= (curve_0 * curve_2 - curve_1**2)[:, None]
        moved = np.abs(step @ ends.T).max(axis=1)  # a line moves most at one of its ends
        lines = lines + step
        if not (moved > SETTLED).any():
            break
    return np.where((moved <= SETTLED)[:, None], lines, np.nan)
