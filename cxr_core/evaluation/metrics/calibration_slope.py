"""Fits calibration slope and intercept: how a model's log-odds would have to be scaled and shifted to be right."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.metrics import EPS, Weights

# Films x resamples up to which lines are fitted to the films themselves. Above it they are fitted to films that were
# moved onto nodes, which changes a line by some 1e-8.
MAX_EXACT = 1_000_000
NODES = 1024
PATIENTS_AT_ONCE = 32
START_NODES = 128  # where a fit to the films follows
ROWS_AT_ONCE = 50  # of weights: so few that they stay in a processor's cache
MAX_STEPS = 100  # most fits take less than ten
# A fit has converged when its last step moved no film by more log-odds than this: the error left is about the square.
CONVERGED = 1e-4


@dataclass(frozen=True, eq=False)
class CalibrationLine:
    """Log-odds of the label = intercept + slope x log-odds of the prediction. Each (...), or a number.

    slope: 1 is right; below 1, predictions are too extreme.  intercept: 0 is right; above 0, they are too low at even
    odds.
    """

    slope: np.ndarray
    intercept: np.ndarray


def fit_calibration_line(
    probabilities: np.ndarray, labels: np.ndarray, weights: Weights = None
) -> CalibrationLine:
    """Logistic regression, without a penalty, of the labels on the predicted log-odds; arguments as in metrics.py.

    The intercept is that of the same fit, not the one with the slope held at 1. Both are NaN where no line is the best:
    a class is missing, all predictions are the same, or one threshold separates the classes. 0 and 1 are clipped by
    2.2e-16. Source: Cox 1958, Biometrika 45:562-565.
    """
    if isinstance(weights, Resamples):
        resamples, shape = weights, weights.shape[:1]
    else:
        weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
        shape = weights.shape[:-1]
        rows = weights.reshape(int(np.prod(shape)), len(labels))
        resamples = Resamples(rows.T, np.arange(len(labels)))
    log_odds = logit(np.clip(probabilities, EPS, 1 - EPS))
    lines = np.full((resamples.shape[0], 2), np.nan)
    fitted = _have_line(log_odds, labels, resamples)
    if fitted.all() and len(fitted):
        lines = _fit_lines(log_odds, labels, resamples)
    elif fitted.any():
        some = Resamples(resamples.times[:, fitted], resamples.patient_of)
        lines[fitted] = _fit_lines(log_odds, labels, some)
    intercept, slope = (column.reshape(shape)[()] for column in lines.T)
    return CalibrationLine(slope=slope, intercept=intercept)


def _have_line(log_odds: np.ndarray, labels: np.ndarray, resamples: Resamples) -> np.ndarray:
    """(R,) whether each class has a film above one of the other; if not, a line is the better the steeper it is.

    Taken from the lowest and the highest film of each patient. Source: Albert & Anderson 1984, Biometrika 71:1-10.
    """
    if np.isnan(log_odds).any():
        return np.zeros(resamples.shape[0], bool)
    low_absent, high_absent = _extremes(log_odds, labels == 0, resamples)
    low_present, high_present = _extremes(log_odds, labels == 1, resamples)
    overlap: np.ndarray = (high_absent > low_present) & (high_present > low_absent)
    return overlap


def _extremes(
    log_odds: np.ndarray, chosen: np.ndarray, resamples: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """(R,) the lowest and the highest of the chosen films; infinite, and so in no overlap, where there is none."""
    low = np.full(len(resamples.times), np.inf)
    high = -low
    np.minimum.at(low, resamples.patient_of[chosen], log_odds[chosen])
    np.maximum.at(high, resamples.patient_of[chosen], log_odds[chosen])
    return _lowest_drawn(low, resamples.times), -_lowest_drawn(-high, resamples.times)


def _lowest_drawn(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(R,) the lowest value (M,) of the patients that each resample has; infinite without any.

    Most resamples have one of the few lowest patients, so the others are looked at only where none of those was taken.
    """
    order = np.argsort(values)
    lowest = np.full(times.shape[1], np.inf)
    missing = np.arange(times.shape[1])
    for first in range(0, len(order), PATIENTS_AT_ONCE):
        patients = order[first : first + PATIENTS_AT_ONCE]
        is_drawn = times[np.ix_(patients, missing)] > 0
        found = is_drawn.any(axis=0)
        lowest[missing[found]] = values[patients[is_drawn.argmax(axis=0)[found]]]
        missing = missing[~found]
        if not len(missing):
            break
    return lowest


def _fit_lines(log_odds: np.ndarray, labels: np.ndarray, resamples: Resamples) -> np.ndarray:
    """(R, 2) intercept and slope of each resample: through nodes, from there through the films where they are few."""
    centre, spread = log_odds.mean(), log_odds.std()
    inputs = (log_odds - centre) / spread  # so that both terms of a step are of one size
    exact = np.prod(resamples.shape) <= MAX_EXACT
    nodes, shares = _cubic_shares(inputs, START_NODES if exact else NODES)
    positives = labels[:, None] * np.stack([np.ones_like(inputs), inputs], axis=1)
    of_all_films = shares.sum(axis=0)[None], positives.sum(axis=0)[None]
    start = _newton(nodes, *of_all_films, np.zeros((1, 2)))
    lines = _newton(nodes, resamples @ shares, resamples @ positives, np.nan_to_num(start))
    if exact:
        lines = _refine(inputs, positives, resamples.to_weights(), np.nan_to_num(lines))
    intercepts, slopes = lines.T
    return np.stack([intercepts - slopes * centre / spread, slopes / spread], axis=1)


def _refine(
    inputs: np.ndarray, positives: np.ndarray, weights: np.ndarray, lines: np.ndarray
) -> np.ndarray:
    """(R, 2) the lines of the films themselves. weights: (R, N).  lines: where to begin."""
    refined = []
    for first in range(0, len(weights), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        refined.append(_newton(inputs, weights[rows], weights[rows] @ positives, lines[rows]))
    return np.concatenate(refined)


def _cubic_shares(inputs: np.ndarray, count: int) -> tuple[np.ndarray, sparse.csr_array]:
    """Evenly spaced nodes, and the share (N, K) of each film at the four around it: Lagrange's cubic through them."""
    nodes, gap = np.linspace(inputs.min(), inputs.max(), count, retstep=True)
    first = np.clip(((inputs - nodes[0]) / gap).astype(int) - 1, 0, count - 4)
    at = (inputs - nodes[first]) / gap  # 0 to 3, between the four
    shares = np.stack(
        [
            (1 - at) * (2 - at) * (3 - at) / 6,
            at * (2 - at) * (3 - at) / 2,
            at * (at - 1) * (3 - at) / 2,
            at * (at - 1) * (at - 2) / 6,
        ],
        axis=1,
    )
    columns = first[:, None] + np.arange(4)
    cells = (shares.ravel(), columns.ravel(), 4 * np.arange(len(inputs) + 1))
    return nodes, sparse.csr_array(cells, shape=(len(inputs), count))


@np.errstate(all="ignore")  # a line that diverges ends as NaN
def _newton(
    inputs: np.ndarray, weights: np.ndarray, observed: np.ndarray, lines: np.ndarray
) -> np.ndarray:
    """(R, 2) the maximum-likelihood lines, by Newton's steps from others; NaN where they do not converge.

    inputs: (N,).  weights: (R, N).  observed: the positives and the sum of their inputs, (R, 2).
    """
    powers = np.stack([np.ones_like(inputs), inputs, inputs**2], axis=1)  # (N, 3)
    ends = np.array([[1, inputs.min()], [1, inputs.max()]])
    shift = np.full(len(weights), np.inf)
    for _ in range(MAX_STEPS):
        expected = expit(lines[:, :1] + lines[:, 1:] * inputs)
        counted = weights * expected
        slope_0, slope_1 = (observed - counted @ powers[:, :2]).T
        curve_0, curve_1, curve_2 = ((counted - counted * expected) @ powers).T
        step = np.stack(
            [curve_2 * slope_0 - curve_1 * slope_1, curve_0 * slope_1 - curve_1 * slope_0], axis=1
        )
        step /= (curve_0 * curve_2 - curve_1**2)[:, None]
        shift = np.abs(step @ ends.T).max(axis=1)  # a line moves most at one of its ends
        lines = lines + step
        if not (shift > CONVERGED).any():
            break
    return np.where((shift <= CONVERGED)[:, None], lines, np.nan)
