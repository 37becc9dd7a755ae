"""95 % confidence intervals by a bootstrap over patients, since a patient's films are not independent."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.models.figures import Figure

RESAMPLES = 1000
CHUNK = 4_000_000  # counts of a patient, or a film, in a resample that are held at a time: 32 MB
# Counts up to which the last resamples are kept, 32 MB: drawing them takes longer than computing many a figure.
CACHED_COUNTS = 4_000_000

# Figures that chance alone raises above 0: in a resample they are larger than in the films, as in the films they are
# larger than in all such patients.
RAISED_BY_CHANCE = frozenset({"ece", "adaptive_ece", "brier_reliability", "brier_resolution"})

Key = TypeVar("Key", bound=Hashable)


def bootstrap_patients(
    measure: Callable[[Resamples], Mapping[Key, np.ndarray]],
    patients: Sequence[str] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    by_film: bool = False,
) -> dict[Key, np.ndarray]:
    """Several figures on the films as they are, then on the same resamples of their patients: (1 + resamples, ...).

    measure: resamples of the films -> (R, ...) under each name.  patients: (N,) whom each film shows.
    by_film: whether the measure looks at each film of each resample (`Resamples.to_weights`), so that fewer resamples
    are held at a time.
    Source: Efron & Tibshirani 1993, ch. 13; patients as clusters, Field & Welsh 2007.
    """
    at_once = max(1, CHUNK // max(1, len(patients))) if by_film else None
    samples = draw_resamples(np.asarray(patients), resamples, seed, at_once)
    return _concatenate(measure(some) for some in samples)


def to_figures(
    values: Mapping[str, np.ndarray],
    labels: np.ndarray,
    raised_by_chance: Collection[str] = RAISED_BY_CHANCE,
) -> dict[str, Figure]:
    """The result of `bootstrap_patients`, each (1 + resamples,), as figures with their intervals.

    raised_by_chance: names of the figures that get a basic interval instead of a percentile interval.
    """
    n, positives = len(labels), int(np.sum(labels == 1))
    figures = {}
    for name, of_resamples in values.items():
        interval = basic_interval if name in raised_by_chance else percentile_interval
        low, high = interval(of_resamples)
        value = _to_optional(float(of_resamples[0]))
        figures[name] = Figure(value, _to_optional(low), _to_optional(high), n, positives)
    return figures


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of (1 + resamples,); NaN when the figure is undefined.

    Resamples in which it is undefined are left out. An end that would exclude the figure itself, as happens with few
    films, is moved to the figure.
    """
    low, high = _central_range(values)
    return _include_figure(float(values[0]), low, high)


def basic_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % basic interval of (1 + resamples,) of a figure from 0 to 1: its percentiles, reflected.

    A figure that chance raises, such as a calibration error, is larger in a resample than in the films by about as much
    as it is larger in the films than in all such patients. The percentile interval adds this bias a second time and
    may lie above the figure itself; the reflection takes it off. NaN and ends as in `percentile_interval`.
    Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 5.2.
    """
    value = float(values[0])
    low, high = _central_range(values)
    return _include_figure(value, max(0.0, 2 * value - high), min(1.0, 2 * value - low))


def _central_range(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the resamples in which the figure is defined; NaN when the figure itself is not."""
    defined = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _include_figure(value: float, low: float, high: float) -> tuple[float, float]:
    if np.isnan(low):
        return low, low
    return min(low, value), max(high, value)


def draw_resamples(
    patients: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, at_once: int | None = None
) -> Iterator[Resamples]:
    """Every film once, then resamples of the patients, some at a time. patients: (N,) whom each film shows."""
    _, patient_of = np.unique(patients, return_inverse=True)
    count = int(patient_of.max()) + 1 if len(patient_of) else 0
    yield Resamples(np.ones((count, 1)), patient_of)
    at_once = at_once or max(1, CHUNK // max(1, count))
    draw = _draw_times_cached if count * resamples <= CACHED_COUNTS else _draw_times
    for times in draw(count, resamples if count else 0, seed, at_once):
        yield Resamples(times, patient_of)


@lru_cache(maxsize=1)
def _draw_times_cached(
    count: int, resamples: int, seed: int, at_once: int
) -> tuple[np.ndarray, ...]:
    """As `_draw_times`: figures, reports and subgroups of one split all use the same resamples."""
    return tuple(_draw_times(count, resamples, seed, at_once))


def _draw_times(count: int, resamples: int, seed: int, at_once: int) -> Iterator[np.ndarray]:
    """How often each of `count` patients is drawn, (count, some resamples) at a time, read-only."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        columns = []
        for _ in range(min(at_once, resamples - start)):
            chosen = rng.integers(0, count, count)
            columns.append(np.bincount(chosen, minlength=count))
        times = np.stack(columns, axis=1).astype(np.float64)
        times.flags.writeable = False
        yield times


def _concatenate(parts: Iterable[Mapping[Key, np.ndarray]]) -> dict[Key, np.ndarray]:
    collected: dict[Key, list[np.ndarray]] = {}
    for part in parts:
        for name, values in part.items():
            collected.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in collected.items()}


def _to_optional(number: float) -> float | None:
    return None if np.isnan(number) else number
