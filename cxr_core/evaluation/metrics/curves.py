"""The curves of one finding on one part, and of a run's training: numbers alone, for curves.json and for charts.

A curve that the labels do not define, such as ROC with one class only, is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from cxr_core.evaluation.bootstrap.bootstrap import drawn, interval
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics.metrics import BINS, bin_of, confusion
from cxr_core.evaluation.metrics.sweep import decision_curve, sweep
from cxr_core.models.card import OperatingPoint

# What an epoch's event says beside figures of learning.
NOT_A_CURVE = {
    "time",
    "epoch",
    "step",
    "best_epoch",
    "images_per_second",
    "device_memory_mb",
    "eta_s",
    "seconds",
}


@dataclass(frozen=True, kw_only=True)
class Roc:
    """Corners of the ROC curve, from nothing called (threshold None) to everything called."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    threshold: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """Corners of the precision-recall curve, from everything called to nothing called (threshold None, precision 1)."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The films whose probability lies in [low, high): what was predicted, and what share of them is positive.

    observed_low, observed_high: 95 % interval by patient.
    """

    low: float
    high: float
    films: int
    predicted: float
    observed: float
    observed_low: float | None
    observed_high: float | None


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The films by call and label at one operating point."""

    threshold: float
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


@dataclass(frozen=True, kw_only=True)
class NetBenefit:
    """Net benefit per film of acting on the model's calls at each threshold, and on every film; as `DecisionCurve`."""

    threshold: tuple[float, ...]
    model: tuple[float, ...]
    everybody: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class FindingCurves:
    """All that is drawn of one finding. calibration: the bins that hold films.  confusion: by operating point."""

    roc: Roc | None
    precision_recall: PrecisionRecall | None
    calibration: tuple[CalibrationBin, ...]
    confusion: Mapping[str, Calls]
    net_benefit: NetBenefit | None = None

    def to_json(self) -> dict[str, Any]:
        """As curves.json carries it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainingCurves:
    """How a run learnt: for each of its epochs the figures it recorded, None where one is missing or no number."""

    epochs: tuple[int, ...]
    figures: Mapping[str, tuple[float | None, ...]]
    best_epoch: int | None

    def to_json(self) -> dict[str, Any]:
        """As curves.json carries it."""
        return asdict(self)


def finding_curves(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    points: Sequence[OperatingPoint],
) -> FindingCurves:
    """probabilities in [0, 1], labels 0 or 1, patients: (N,)."""
    return FindingCurves(
        roc=roc_of(probabilities, labels),
        precision_recall=_precision_recall(probabilities, labels) if np.any(labels == 1) else None,
        calibration=_calibration(probabilities, labels, patients),
        confusion={point.name: _calls(point.threshold, probabilities, labels) for point in points},
        net_benefit=_net_benefit(probabilities, labels) if len(np.unique(labels)) == 2 else None,
    )


def roc_of(scores: np.ndarray, labels: np.ndarray) -> Roc | None:
    """The ROC curve of scores against labels 0 or 1, (N,) each; None when a class is missing."""
    if len(np.unique(labels)) != 2:
        return None
    false_positive, true_positive, thresholds = roc_curve(labels, scores)
    return Roc(
        false_positive_rate=_rounded(false_positive),
        true_positive_rate=_rounded(true_positive),
        threshold=(None, *_rounded(thresholds[1:])),  # scikit-learn's first one is infinite
    )


def training_curves(events: Iterable[Mapping[str, Any]]) -> TrainingCurves | None:
    """The curves of a run from the events of its progress.jsonl; None when no epoch was finished."""
    lines = [line for line in events if line.get("event", "epoch") == "epoch" and "epoch" in line]
    if not lines:
        return None
    names = [name for name in _names(lines) if name not in NOT_A_CURVE]
    columns = {name: tuple(_number(line.get(name)) for line in lines) for name in names}
    return TrainingCurves(
        epochs=tuple(int(line["epoch"]) for line in lines),
        figures={
            name: column
            for name, column in columns.items()
            if any(value is not None for value in column)
        },
        best_epoch=lines[-1].get("best_epoch"),
    )


def _precision_recall(probabilities: np.ndarray, labels: np.ndarray) -> PrecisionRecall:
    precision, recall, thresholds = precision_recall_curve(
        labels, probabilities, drop_intermediate=True
    )
    return PrecisionRecall(
        recall=_rounded(recall),
        precision=_rounded(precision),
        threshold=(*_rounded(thresholds), None),
    )


def _net_benefit(probabilities: np.ndarray, labels: np.ndarray) -> NetBenefit:
    found = decision_curve(sweep(probabilities, labels))
    return NetBenefit(
        threshold=_rounded(found.thresholds),
        model=_rounded(found.model),
        everybody=_rounded(found.treat_all),
    )


def _calibration(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[CalibrationBin, ...]:
    inside = np.eye(BINS)[bin_of(probabilities)]

    def observed(weights: Draws) -> dict[str, np.ndarray]:
        films = weights @ inside
        with np.errstate(invalid="ignore"):
            return {"observed": (weights @ (inside * labels[:, None])) / films}

    shares = drawn(observed, patients)["observed"]
    found = []
    for place in np.flatnonzero(inside.any(axis=0)):
        members = inside[:, place] == 1
        low, high = interval(shares[:, place])
        found.append(
            CalibrationBin(
                low=round(place / BINS, 6),
                high=round((place + 1) / BINS, 6),
                films=int(members.sum()),
                predicted=round(float(probabilities[members].mean()), 6),
                observed=round(float(shares[0, place]), 6),
                observed_low=_number(low),
                observed_high=_number(high),
            )
        )
    return tuple(found)


def _calls(threshold: float, probabilities: np.ndarray, labels: np.ndarray) -> Calls:
    counts = confusion(probabilities >= threshold, labels)
    return Calls(
        threshold=threshold,
        true_positive=int(counts.true_positive),
        false_positive=int(counts.false_positive),
        false_negative=int(counts.false_negative),
        true_negative=int(counts.true_negative),
    )


def _names(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in line))


def _number(value: Any) -> float | None:
    """A finite number, rounded; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return round(float(value), 6)


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
