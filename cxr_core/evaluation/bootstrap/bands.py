"""How sure a curve is: 95 % bands of ROC, precision-recall and of every figure against the threshold, by patient.

A band is pointwise: at each place of the horizontal axis, the middle 95 % of the resamples' heights. The resamples are
those of every other figure. Sources: vertical averaging, Fawcett 2006, Pattern Recognit. Lett. 27:861-874; bands by
resampling, Macskassy & Provost 2004, ROCAI; precision between two thresholds, Davis & Goadrich 2006, ICML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, bootstrapped
from cxr_core.evaluation.metrics.metrics import Confusion
from cxr_core.evaluation.metrics.sweep import THRESHOLDS

GRID = np.arange(101) / 100  # false positive rates, and recalls, at which a band is told
MOST_KNOTS = (
    1000  # thresholds at which a resample's curve is exact; between them it is drawn straight
)
AT_THRESHOLDS = (
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
class Band:
    """A curve's height at each place, and the 95 % interval of it. (G,) each; NaN where undefined."""

    at: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def bounds(self, at: float) -> tuple[float, float]:
        """The interval at the place nearest to this one; NaN where undefined."""
        place = int(np.argmin(np.abs(self.at - at)))
        return float(self.low[place]), float(self.high[place])


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands:
    """roc: sensitivity by false positive rate.  precision_recall: precision by recall.  None with one class only.

    at_thresholds: each of AT_THRESHOLDS against the threshold.
    """

    roc: Band | None
    precision_recall: Band | None
    at_thresholds: Mapping[str, Band]


def bands(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
    resamples: int = RESAMPLES,
) -> Bands:
    """All bands of one finding. probabilities in [0, 1], labels 0 or 1, patients: (N,).  thresholds: ascending."""
    films = (probabilities, labels, patients)
    knots = _knots(probabilities, labels)
    curves = _banded(GRID, _curves, knots, *films, resamples) if len(np.unique(labels)) == 2 else {}
    return Bands(
        roc=curves.get("sensitivity"),
        precision_recall=curves.get("precision"),
        at_thresholds=_banded(thresholds, _rates, thresholds[::-1], *films, resamples),
    )


def _curves(calls: Confusion) -> dict[str, np.ndarray]:
    found = [
        _heights(true, false)
        for true, false in zip(calls.true_positive, calls.false_positive, strict=True)
    ]
    return {name: np.stack([each[name] for each in found]) for name in ("sensitivity", "precision")}


def _rates(calls: Confusion) -> dict[str, np.ndarray]:
    return {name: getattr(calls, name)[:, ::-1] for name in AT_THRESHOLDS}


def _banded(
    at: np.ndarray,
    heights: Callable[[Confusion], dict[str, np.ndarray]],
    knots: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    resamples: int,
) -> dict[str, Band]:
    """Bands of what `heights` makes of the calls (R, K) at the knots, which fall, of each resample."""
    names, patient_of = np.unique(patients, return_inverse=True)
    bin_of = len(knots) - np.searchsorted(
        knots[::-1], probabilities, side="right"
    )  # the first knot that calls it
    shape = (len(names), len(knots) + 1)
    positives, negatives = (
        csr_array((np.ones(int(of.sum())), (patient_of[of], bin_of[of])), shape=shape).T
        for of in (labels == 1, labels != 1)
    )

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        true, false = (np.cumsum((each @ weights.T).T, axis=1) for each in (positives, negatives))
        missed, passed = true[:, -1:] - true, false[:, -1:] - false
        return heights(Confusion(*(each[:, :-1] for each in (true, false, missed, passed))))

    found = bootstrapped(
        measured, names, resamples=resamples
    )  # patients once each: the same draws as of their films
    return {name: _band(at, values) for name, values in found.items()}


def _band(at: np.ndarray, values: np.ndarray) -> Band:
    low, high = intervals(values)
    return Band(at=at, value=values[0], low=low, high=high)


def intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`intervals.interval` of each column of (1 + resamples, G)."""
    ascending = np.sort(values[1:], axis=0)  # what is undefined comes last
    defined = np.sum(~np.isnan(ascending), axis=0)
    ends = []
    for share in (0.025, 0.975):
        place = share * np.maximum(defined - 1, 0)
        below = np.floor(place).astype(int)
        above = np.minimum(below + 1, np.maximum(defined - 1, 0))
        lower, upper = (
            np.take_along_axis(ascending, each[None], axis=0)[0] for each in (below, above)
        )
        ends.append(
            np.where(np.isnan(values[0]), np.nan, lower + (upper - lower) * (place - below))
        )
    return ends[0], ends[1]


def _knots(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Thresholds, highest first: every distinct probability, or quantiles of both classes where there are many."""
    knots = np.unique(probabilities)
    if len(knots) > MOST_KNOTS:
        shares = np.linspace(0, 1, MOST_KNOTS // 2)
        of_class = [
            np.quantile(probabilities[labels == label], shares, method="lower") for label in (0, 1)
        ]
        knots = np.unique(np.concatenate([*of_class, knots[:1]]))
    return knots[::-1]


def _heights(true: np.ndarray, false: np.ndarray) -> dict[str, np.ndarray]:
    """Sensitivity at each false positive rate of the grid, precision at each recall: of one resample, (K,) calls."""
    nothing = np.full(len(GRID), np.nan)
    if not true[-1] or not false[-1]:
        return {"sensitivity": nothing, "precision": nothing}
    true, false = np.append(0, true), np.append(0, false)
    sensitivity = _true_calls(true, false, np.round(GRID * false[-1], 9)) / true[-1]
    called = np.round(GRID * true[-1], 9)
    wrongly = _false_calls(true, false, called)
    with np.errstate(invalid="ignore"):
        precision = called / (called + wrongly)
    precision[0] = _precision_at_start(true, false)
    return {"sensitivity": sensitivity, "precision": precision}


def _true_calls(true: np.ndarray, false: np.ndarray, wrongly: np.ndarray) -> np.ndarray:
    """The most true calls that come with so many false ones; between two thresholds they grow in step."""
    before = np.searchsorted(false, wrongly, side="right") - 1
    after = np.minimum(before + 1, len(false) - 1)
    step = np.where(after > before, false[after] - false[before], 1)
    found: np.ndarray = true[before] + (wrongly - false[before]) / step * (
        true[after] - true[before]
    )
    return found


def _false_calls(true: np.ndarray, false: np.ndarray, called: np.ndarray) -> np.ndarray:
    """The fewest false calls that come with so many true ones; between two thresholds they grow in step."""
    after = np.searchsorted(true, called, side="left")
    before = np.maximum(after - 1, 0)
    step = np.where(after > 0, true[after] - true[before], 1)
    part = np.where(after > 0, (called - true[before]) / step, 0)
    found: np.ndarray = false[before] + part * (false[after] - false[before])
    return found


def _precision_at_start(true: np.ndarray, false: np.ndarray) -> float:
    """Towards recall 0: the precision of the first calls that find anything."""
    first = int(np.argmax(true > 0))
    return float(true[first] / (true[first] + false[first]))
