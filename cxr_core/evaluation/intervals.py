"""Confidence intervals that know that a patient's films are not independent."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One figure with its 95 % interval. None = undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    positives: int

    def as_json(self) -> dict[str, float | int | None]:
        """The form that metrics.json and model cards carry, rounded to six decimals."""
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


def patient_bootstrap(
    measure: Callable[[np.ndarray, np.ndarray], float],
    scores: np.ndarray,
    labels: np.ndarray,
    patients: Sequence[str] | np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Figure:
    """A figure with the percentile interval of a bootstrap over patients.

    measure: (scores, labels) -> float, NaN when undefined. scores, labels, patients: (N,). Resamples in which the
    figure is undefined are left out. Source: Efron & Tibshirani 1993, ch. 13; patients as clusters, Field & Welsh 2007.
    """
    groups = _films_of_each(np.asarray(patients))
    chance = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        rows = np.concatenate([groups[i] for i in chance.integers(0, len(groups), len(groups))])
        values.append(measure(scores[rows], labels[rows]))
    defined = np.array([value for value in values if not np.isnan(value)])
    value = measure(scores, labels)
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    counts = {"n": len(labels), "positives": int(np.sum(labels == 1))}
    return Figure(_defined(value), _defined(low), _defined(high), **counts)


def _defined(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _films_of_each(patients: np.ndarray) -> list[np.ndarray]:
    """The rows of each patient."""
    _, inverse = np.unique(patients, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
