"""Confidence intervals that know that a patient's films are not independent."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 1000
AT_ONCE = 2_000_000  # weights held at a time: 16 MB

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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
    measure: Measure,
    scores: np.ndarray,
    labels: np.ndarray,
    patients: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure:
    """A figure with the percentile interval of a bootstrap over patients.

    measure: (scores, labels, weights) -> value for each row of weights, as in metrics.py. scores, labels, patients:
    (N,). Source: see `bootstrapped`.
    """
    values = bootstrapped(
        lambda weights: {"value": measure(scores, labels, weights)}, patients, resamples=resamples, seed=seed
    )
    return figures_of(values, labels)["value"]


def bootstrapped(
    measure: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    patients: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Several figures on the films as they are, then on the same resamples of their patients: (1 + resamples, ...).

    measure: weights (R, N), how often each film counts -> (R, ...) under each name.
    Source: Efron & Tibshirani 1993, ch. 13; patients as clusters, Field & Welsh 2007.
    """
    found: dict[str, list[np.ndarray]] = {}
    for weights in _weights(np.asarray(patients), resamples, np.random.default_rng(seed)):
        for name, values in measure(weights).items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def figures_of(values: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[str, Figure]:
    """What `bootstrapped` gave, each (1 + resamples,), as figures."""
    n, positives = len(labels), int(np.sum(labels == 1))

    def figure(each: np.ndarray) -> Figure:
        low, high = interval(each)
        return Figure(_defined(each[0]), _defined(low), _defined(high), n, positives)

    return {name: figure(each) for name, each in values.items()}


def interval(values: np.ndarray) -> tuple[float, float]:
    """The percentile interval of (1 + resamples,); NaN when the figure is undefined.

    Resamples in which it is undefined are left out.
    """
    defined = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _weights(patients: np.ndarray, resamples: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of weights (R, N): first one of ones, then a row for each resample, some at a time."""
    _, patient_of = np.unique(patients, return_inverse=True)
    count = int(patient_of.max()) + 1 if len(patient_of) else 0
    yield np.ones((1, len(patient_of)))
    at_once = max(1, AT_ONCE // max(1, len(patient_of)))
    for start in range(0, resamples if count else 0, at_once):
        drawn = [chance.integers(0, count, count) for _ in range(min(at_once, resamples - start))]
        times = np.stack([np.bincount(each, minlength=count) for each in drawn])
        yield times[:, patient_of].astype(np.float64)


def _defined(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
