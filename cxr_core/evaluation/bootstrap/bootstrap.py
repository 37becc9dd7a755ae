"""Confidence intervals that know that a patient's films are not independent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.models.figures import Figure

RESAMPLES = 1000
AT_ONCE = 2_000_000  # counts of a patient, or a film, in a resample that are held at a time: 16 MB
KEPT = 4_000_000  # counts up to which the last resamples are kept, 32 MB: drawing them takes longer than many a figure

Measure = Callable[[np.ndarray, np.ndarray, Draws], np.ndarray]


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
    values = drawn(
        lambda weights: {"value": measure(scores, labels, weights)},
        patients,
        resamples=resamples,
        seed=seed,
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

    measure: weights (R, N), how often each film counts -> (R, ...) under each name. For many films `drawn` is quicker.
    Source: Efron & Tibshirani 1993, ch. 13; patients as clusters, Field & Welsh 2007.
    """
    draws = draws_of(
        np.asarray(patients), resamples, seed, max(1, AT_ONCE // max(1, len(patients)))
    )
    return _joined(measure(each.dense()) for each in draws)


def drawn(
    measure: Callable[[Draws], Mapping[str, np.ndarray]],
    patients: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """As `bootstrapped`, on the same resamples, for measures that take them as `Draws`."""
    return _joined(measure(each) for each in draws_of(np.asarray(patients), resamples, seed))


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


def draws_of(
    patients: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, at_once: int | None = None
) -> Iterator[Draws]:
    """Every film once, then resamples of the patients, some at a time. patients: (N,) who each film shows."""
    _, patient_of = np.unique(patients, return_inverse=True)
    count = int(patient_of.max()) + 1 if len(patient_of) else 0
    yield Draws(np.ones((count, 1)), patient_of)
    at_once = at_once or max(1, AT_ONCE // max(1, count))
    draw = _kept_times if count * resamples <= KEPT else _times
    for times in draw(count, resamples if count else 0, seed, at_once):
        yield Draws(times, patient_of)


@lru_cache(maxsize=1)
def _kept_times(count: int, resamples: int, seed: int, at_once: int) -> tuple[np.ndarray, ...]:
    """As `_times`: one part's figures, reports and groups are all taken on the same resamples."""
    return tuple(_times(count, resamples, seed, at_once))


def _times(count: int, resamples: int, seed: int, at_once: int) -> Iterator[np.ndarray]:
    """How often each of `count` patients is drawn, (count, some resamples) at a time, read-only."""
    chance = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        chosen = [chance.integers(0, count, count) for _ in range(min(at_once, resamples - start))]
        times = np.stack([np.bincount(each, minlength=count) for each in chosen], axis=1).astype(
            np.float64
        )
        times.flags.writeable = False
        yield times


def _joined(parts: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    for part in parts:
        for name, values in part.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def _defined(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
