"""Corrections of a model's log-odds by slope and intercept, and what fits them to labelled films.

`train.evaluate --recalibrate` and the recalibration of a site (`cxr_core/site/`) share them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logit

from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.calibration_slope import fit_calibration_line
from cxr_core.evaluation.metrics.metrics import EPS
from cxr_core.workspace.json_record import JsonRecord

LOG_TEMPERATURES = (-4.0, 4.0)  # natural logarithms between which a temperature is searched
# Standard deviations, over sites, of what a ridge expects: Gaussian priors around "no change".
INTERCEPT_SPREAD, SLOPE_SPREAD = 2.0, 0.5
MIN_OF_A_CLASS = 20  # films; with fewer of either the slope stays 1
MAX_STEPS, CONVERGED = 100, 1e-10


@dataclass(frozen=True, kw_only=True)
class Correction(JsonRecord):
    """New log-odds = intercept + slope x log-odds of the model's probability. description: the same in words."""

    KEYS: ClassVar[Mapping[str, str]] = {"description": "said"}

    slope: float
    intercept: float
    description: str

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Recalibrated probabilities, of the same shape as the model's own; 0 and 1 are clipped by 2.2e-16."""
        recalibrated: np.ndarray = expit(self.intercept + self.slope * _log_odds(probabilities))
        return recalibrated


Fit = Callable[[np.ndarray, np.ndarray], Correction]


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> Correction:
    """Divides log-odds by the one number that makes the log loss least. Source: Guo et al. 2017, ch. 4.2.

    probabilities, labels 0 or 1: (N,). Raises DataError when the loss has no minimum within e^-4 to e^4.
    """
    log_odds = _log_odds(probabilities)

    def loss(log_temperature: float) -> float:
        z = log_odds / np.exp(log_temperature)
        return -float(np.mean(labels * log_expit(z) + (1 - labels) * log_expit(-z)))

    best = minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-9})
    if min(abs(best.x - end) for end in LOG_TEMPERATURES) < 1e-3:
        raise DataError(
            "no temperature fits these films: the model's probabilities do not agree with their labels"
        )
    temperature = float(np.exp(best.x))
    return Correction(
        slope=1 / temperature,
        intercept=0.0,
        description=f"log-odds divided by the temperature {temperature:.3f}",
    )


def fit_slope_and_intercept(probabilities: np.ndarray, labels: np.ndarray) -> Correction:
    """Maximum-likelihood slope and intercept of the labels on the log-odds. Source: Cox 1958.

    probabilities, labels 0 or 1: (N,). Raises DataError where there is no line, or one that reverses the order.
    """
    line = fit_calibration_line(probabilities, labels)
    slope, intercept = float(line.slope), float(line.intercept)
    if not slope > 0:
        raise DataError(
            "no rising line fits these films, so they cannot be recalibrated by slope and intercept"
        )
    return Correction(
        slope=slope,
        intercept=intercept,
        description=f"log-odds times {slope:.3f}, plus {intercept:.3f}",
    )


def shift_prior(before: float, after: float) -> Correction:
    """Changes the odds as the prevalence changes, everything else about the films being the same.

    before: share of positives where the model was calibrated; after: where it is used; both within 0 and 1, else
    DataError. Sources: Elkan 2001, IJCAI, theorem 2; Saerens et al. 2002, Neural Comput. 14:21-41, eq. 2.4.
    """
    for prevalence in (before, after):
        if not 0 < prevalence < 1:
            raise DataError(
                f"found a prevalence of {prevalence:g}; a prior shift needs one above 0 and below 1"
            )
    return Correction(
        slope=1.0,
        intercept=float(logit(after) - logit(before)),
        description=(
            f"odds changed from a prevalence of {before:.4f}, where it was calibrated, to {after:.4f}"
        ),
    )


def fit_towards_no_change(
    probabilities: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    no_change: float = 0.0,
    intercept_alone: bool = False,
) -> Correction:
    """Slope and intercept, or with few films of a class the intercept alone, drawn towards "no change" by a ridge.

    probabilities, labels 0 or 1: (N,).  weights: (N,) how often each film counts; None = once.  no_change: the
    intercept that a ridge draws to, the difference in prior log-odds where the films have another prevalence.
    intercept_alone: keep the slope at 1, however many films there are.
    The penalty is that of Gaussian priors, so that it fades as films are added. Raises DataError where the best line
    reverses the order. Source: le Cessie & van Houwelingen 1992, Appl. Stat. 41:191-201.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    log_odds = _log_odds(probabilities)
    fewer = min(int((labels == 1).sum()), int((labels == 0).sum()))
    with_slope = fewer >= MIN_OF_A_CLASS and not intercept_alone
    slope, intercept = _fit_ridge(log_odds, labels, weights, no_change, with_slope)
    if not slope > 0:
        raise DataError(
            "no rising line fits these films: their labels do not agree with the model's probabilities"
        )
    return Correction(
        slope=slope,
        intercept=intercept,
        description=f"log-odds times {slope:.3f}, plus {intercept:.3f}, drawn towards no change",
    )


def _fit_ridge(
    log_odds: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    no_change: float,
    with_slope: bool,
) -> tuple[float, float]:
    """Slope and intercept of the least penalised log loss, by Newton's steps; the loss is convex."""
    inputs = np.stack([np.ones_like(log_odds), log_odds], axis=1)  # (N, 2)
    centre = np.array([no_change, 1.0])
    precision = np.array([INTERCEPT_SPREAD, SLOPE_SPREAD]) ** -2.0
    free = np.array([True, with_slope])
    line = centre.copy()

    def loss(line: np.ndarray) -> float:
        z = inputs @ line
        fit = labels * log_expit(z) + (1 - labels) * log_expit(-z)
        return float(-weights @ fit + 0.5 * (precision * (line - centre) ** 2).sum())

    for _ in range(MAX_STEPS):
        expected = expit(inputs @ line)
        gradient = inputs.T @ (weights * (expected - labels)) + precision * (line - centre)
        curvature = (inputs * (weights * expected * (1 - expected))[:, None]).T @ inputs
        curvature += np.diag(precision)
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        while loss(line - step) > loss(line) + CONVERGED and np.abs(step).max() > CONVERGED:
            step /= 2  # far from the minimum a whole step may go too far
        line = line - step
        if np.abs(step).max() < CONVERGED:
            break
    intercept, slope = line
    return float(slope), float(intercept)


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    log_odds: np.ndarray = logit(np.clip(probabilities, EPS, 1 - EPS))
    return log_odds
