"""Computes 95 % confidence bands of ROC, precision-recall and of figures against the threshold, by patient.

A band is pointwise: at each place of the horizontal axis, the middle 95 % of the resamples' heights. The resamples are
those of every other figure. Sources: vertical averaging, Fawcett 2006, Pattern Recognit. Lett. 27:861-874; bands by
resampling, Macskassy & Provost 2004, ROCAI; precision between two thresholds, Davis & Goadrich 2006, ICML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, bootstrap_patients
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.metrics import Confusion
from cxr_core.evaluation.metrics.sweep import THRESHOLDS

GRID = np.arange(101) / 100  # false positive rates, and recalls, at which a band is given
# Thresholds at which a resample's curve is exact; between them it is interpolated.
MAX_CUTS = 1000
RATES = (
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "accuracy",
    "f1",
    "lr_positive",
    "lr_negative",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfidenceBand:
    """A curve's height at each place, and the 95 % interval of it. (G,) each; NaN where undefined."""

    at: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def interval_at(self, place: float) -> tuple[float, float]:
        """The interval at the place nearest to this one; NaN where undefined."""
        nearest = int(np.argmin(np.abs(self.at - place)))
        return float(self.low[nearest]), float(self.high[nearest])


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfidenceBands:
    """roc: sensitivity by false positive rate.  precision_recall: precision by recall.  None with one class only.

    at_thresholds: each of RATES against the threshold.
    """

    roc: ConfidenceBand | None
    precision_recall: ConfidenceBand | None
    at_thresholds: Mapping[str, ConfidenceBand]


def compute_confidence_bands(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
    resamples: int = RESAMPLES,
) -> ConfidenceBands:
    """All bands of one finding. probabilities in [0, 1], labels 0 or 1, patients: (N,).  thresholds: ascending."""
    films = (probabilities, labels, patients)
    curves: dict[str, ConfidenceBand] = {}
    if len(np.unique(labels)) == 2:
        cuts = _choose_cuts(probabilities, labels)
        curves = _compute_bands(GRID, _curve_heights, cuts, *films, resamples)
    return ConfidenceBands(
        roc=curves.get("sensitivity"),
        precision_recall=curves.get("precision"),
        at_thresholds=_compute_bands(thresholds, _rates, thresholds[::-1], *films, resamples),
    )


def percentile_intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`bootstrap.percentile_interval` of each column of (1 + resamples, G)."""
    ascending = np.sort(values[1:], axis=0)  # what is undefined comes last
    defined = np.sum(~np.isnan(ascending), axis=0)
    ends = []
    for share in (0.025, 0.975):
        place = share * np.maximum(defined - 1, 0)
        below = np.floor(place).astype(int)
        above = np.minimum(below + 1, np.maximum(defined - 1, 0))
        lower = np.take_along_axis(ascending, below[None], axis=0)[0]
        upper = np.take_along_axis(ascending, above[None], axis=0)[0]
        end = lower + (upper - lower) * (place - below)
        ends.append(np.where(np.isnan(values[0]), np.nan, end))
    # As there, an end that would exclude the value is moved to it; NaN stays.
    return np.minimum(ends[0], values[0]), np.maximum(ends[1], values[0])


def _compute_bands(
    at: np.ndarray,
    heights: Callable[[Confusion], dict[str, np.ndarray]],
    cuts: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    resamples: int,
) -> dict[str, ConfidenceBand]:
    """Bands of what `heights` makes of the confusion (R, K) at the cuts, which fall, of each resample."""
    names, patient_of = np.unique(patients, return_inverse=True)
    # The first knot at which each film is called.
    bin_of = len(cuts) - np.searchsorted(cuts[::-1], probabilities, side="right")
    shape = (len(names), len(cuts) + 1)

    def count(films: np.ndarray) -> csr_array:
        cells = (patient_of[films], bin_of[films])
        return csr_array((np.ones(int(films.sum())), cells), shape=shape).T

    positives, negatives = count(labels == 1), count(labels != 1)

    def measure(sample: Resamples) -> dict[str, np.ndarray]:
        weights = sample.to_weights().T
        true = np.cumsum((positives @ weights).T, axis=1)
        false = np.cumsum((negatives @ weights).T, axis=1)
        cells = (true, false, true[:, -1:] - true, false[:, -1:] - false)
        return heights(Confusion(*(counts[:, :-1] for counts in cells)))

    # Each patient once: the resamples are the same as those of the patients' films.
    values = bootstrap_patients(measure, names, resamples=resamples, by_film=True)
    return {name: _to_band(at, of_resamples) for name, of_resamples in values.items()}


def _to_band(at: np.ndarray, values: np.ndarray) -> ConfidenceBand:
    low, high = percentile_intervals(values)
    return ConfidenceBand(at=at, value=values[0], low=low, high=high)


def _rates(confusion: Confusion) -> dict[str, np.ndarray]:
    return {name: getattr(confusion, name)[:, ::-1] for name in RATES}


def _curve_heights(confusion: Confusion) -> dict[str, np.ndarray]:
    rows = zip(confusion.true_positive, confusion.false_positive, strict=True)
    pairs = [_heights_of_one(true, false) for true, false in rows]
    return {
        "sensitivity": np.stack([sensitivity for sensitivity, _ in pairs]),
        "precision": np.stack([precision for _, precision in pairs]),
    }


def _heights_of_one(true: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity at each false positive rate of the grid, precision at each recall: of one resample, (K,) calls."""
    undefined = np.full(len(GRID), np.nan)
    if not true[-1] or not false[-1]:
        return undefined, undefined
    true, false = np.append(0, true), np.append(0, false)
    sensitivity = _most_true(true, false, np.round(GRID * false[-1], 9)) / true[-1]
    called = np.round(GRID * true[-1], 9)
    wrongly = _fewest_false(true, false, called)
    with np.errstate(invalid="ignore"):
        precision = called / (called + wrongly)
    precision[0] = _precision_at_start(true, false)
    return sensitivity, precision


def _choose_cuts(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Thresholds, highest first: every distinct probability, or quantiles of both classes where there are many."""
    cuts = np.unique(probabilities)
    if len(cuts) > MAX_CUTS:
        shares = np.linspace(0, 1, MAX_CUTS // 2)
        of_class = [
            np.quantile(probabilities[labels == label], shares, method="lower") for label in (0, 1)
        ]
        cuts = np.unique(np.concatenate([*of_class, cuts[:1]]))
    return cuts[::-1]


def _most_true(true: np.ndarray, false: np.ndarray, wrongly: np.ndarray) -> np.ndarray:
    """The most true calls that come with so many false ones; between two thresholds they grow in step."""
    before = np.searchsorted(false, wrongly, side="right") - 1
    after = np.minimum(before + 1, len(false) - 1)
    step = np.where(after > before, false[after] - false[before], 1)
    rise = true[after] - true[before]
    calls: np.ndarray = true[before] + (wrongly - false[before]) / step * rise
    return calls


def _fewest_false(true: np.ndarray, false: np.ndarray, called: np.ndarray) -> np.ndarray:
    """The fewest false calls that come with so many true ones; between two thresholds they grow in step."""
    after = np.searchsorted(true, called, side="left")
    before = np.maximum(after - 1, 0)
    step = np.where(after > 0, true[after] - true[before], 1)
    part = np.where(after > 0, (called - true[before]) / step, 0)
    calls: np.ndarray = false[before] + part * (false[after] - false[before])
    return calls


def _precision_at_start(true: np.ndarray, false: np.ndarray) -> float:
    """Towards recall 0: the precision of the first calls that find anything."""
    first = int(np.argmax(true > 0))
    return float(true[first] / (true[first] + false[first]))
