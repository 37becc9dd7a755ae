"""Computes the curves of one finding on one split, and collects those of a training run: everything of curves.json.

A curve that the labels do not define, such as ROC with one class only, is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, percentile_interval
from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.metrics import BINS, assign_bins, count_confusion
from cxr_core.evaluation.metrics.results import EvaluationHead
from cxr_core.evaluation.metrics.sweep import compute_decision_curve, sweep_thresholds
from cxr_core.models.card import OperatingPoint
from cxr_core.workspace.json_files import Json
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

# What an epoch's event holds beside figures of learning.
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
class Roc(JsonRecord):
    """Corners of the ROC curve, from nothing called (threshold None) to everything called."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    threshold: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall(JsonRecord):
    """Corners of the precision-recall curve, from everything called to nothing called (threshold None, precision 1)."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class CalibrationBin(JsonRecord):
    """The films whose probability lies in [low, high): their mean prediction, and the share that is positive.

    observed_low, observed_high: 95 % interval by patient.
    """

    low: float
    high: float
    films: Count
    predicted: float
    observed: float
    observed_low: float | None
    observed_high: float | None


@dataclass(frozen=True, kw_only=True)
class PointConfusion(JsonRecord):
    """The films by call and label at one operating point."""

    threshold: Fraction
    true_positive: Count
    false_positive: Count
    false_negative: Count
    true_negative: Count


@dataclass(frozen=True, kw_only=True)
class NetBenefit(JsonRecord):
    """Net benefit per film of acting on the model's calls at each threshold, and on every film; as `DecisionCurve`."""

    threshold: tuple[float, ...]
    model: tuple[float, ...]
    everybody: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CoverageCurve(JsonRecord):
    """The error among the films decided, at each share decided, with its 95 % interval by patient."""

    decided: tuple[float, ...]
    error: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class FoldThresholds(JsonRecord):
    """The thresholds of the default decision by the model of one fold of a cross-validation."""

    present_from: Fraction
    absent_below: Fraction


@dataclass(frozen=True, kw_only=True)
class CoverageCurves(JsonRecord):
    """The coverage curve of each rule. decision: the default one, from the middle of whose thresholds distances count.

    present_from, absent_below: its thresholds; of a cross-validation the mean of the folds'.
    folds: of a cross-validation, by which each fold's films are ranked and called.
    """

    decision: str
    present_from: Fraction
    absent_below: Fraction
    rules: Mapping[str, CoverageCurve]
    folds: tuple[FoldThresholds, ...] = ()

    def assign_thresholds(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """present_from and absent_below of each film, (N,) each.

        rows: predictions, which name the fold in a cross-validation.
        """
        if not self.folds:
            return np.full(len(rows), self.present_from), np.full(len(rows), self.absent_below)
        place = rows["fold"].to_numpy(np.int64) - 1
        present_from = np.array([fold.present_from for fold in self.folds])
        absent_below = np.array([fold.absent_below for fold in self.folds])
        return present_from[place], absent_below[place]


@dataclass(frozen=True, kw_only=True)
class FindingCurves(JsonRecord):
    """All curves of one finding. calibration: the bins that hold films.  confusion: by operating point.

    coverage: None in evaluations of earlier versions.
    """

    roc: Roc | None
    precision_recall: PrecisionRecall | None
    calibration: tuple[CalibrationBin, ...]
    confusion: Mapping[str, PointConfusion]
    net_benefit: NetBenefit | None
    coverage: CoverageCurves | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingCurves(JsonRecord):
    """How a run learnt: for each of its epochs the figures it recorded, None where one is missing or no number."""

    epochs: tuple[int, ...]
    figures: Mapping[str, tuple[float | None, ...]]
    best_epoch: int | None

    def __post_init__(self) -> None:
        for name, values in self.figures.items():
            if len(values) != len(self.epochs):
                raise ValueError(f"{name} has {len(values)} values for {len(self.epochs)} epochs")


@dataclass(frozen=True, kw_only=True)
class EvaluationCurves(EvaluationHead):
    """curves.json. training: None for a model that is not of a run."""

    findings: Mapping[str, FindingCurves]
    training: TrainingCurves | None


def compute_finding_curves(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    points: Sequence[OperatingPoint],
    calibrated: np.ndarray | None = None,
) -> FindingCurves:
    """All curves of one finding. probabilities in [0, 1], labels 0 or 1, patients: (N,).

    calibrated: (N,) what calibration is measured of, where it is not the probabilities; see `reported`.
    """
    scored = probabilities if calibrated is None else calibrated
    precision_recall = net_benefit = None
    if np.any(labels == 1):
        precision_recall = _compute_precision_recall(probabilities, labels)
    if len(np.unique(labels)) == 2:
        net_benefit = _compute_net_benefit(probabilities, labels)
    return FindingCurves(
        roc=compute_roc(probabilities, labels),
        precision_recall=precision_recall,
        calibration=compute_calibration_bins(scored, labels, patients),
        confusion={
            point.name: _count_at_point(point.threshold, probabilities, labels) for point in points
        },
        net_benefit=net_benefit,
    )


def compute_roc(scores: np.ndarray, labels: np.ndarray) -> Roc | None:
    """The ROC curve of scores against labels 0 or 1, (N,) each; None when a class is missing."""
    if len(np.unique(labels)) != 2:
        return None
    false_positive, true_positive, thresholds = roc_curve(labels, scores)
    return Roc(
        false_positive_rate=_round_all(false_positive),
        true_positive_rate=_round_all(true_positive),
        threshold=(None, *_round_all(thresholds[1:])),  # scikit-learn's first one is infinite
    )


def compute_calibration_bins(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[CalibrationBin, ...]:
    """Predicted and observed frequency in each equal-width bin that holds films. Arguments as above."""
    inside = np.eye(BINS)[assign_bins(probabilities)]

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        films = resamples @ inside
        with np.errstate(invalid="ignore"):
            return {"observed": (resamples @ (inside * labels[:, None])) / films}

    shares = bootstrap_patients(measure, patients)["observed"]
    bins = []
    for place in np.flatnonzero(inside.any(axis=0)):
        members = inside[:, place] == 1
        low, high = percentile_interval(shares[:, place])
        bins.append(
            CalibrationBin(
                low=round(place / BINS, 6),
                high=round((place + 1) / BINS, 6),
                films=int(members.sum()),
                predicted=round(float(probabilities[members].mean()), 6),
                observed=round(float(shares[0, place]), 6),
                observed_low=_to_number(low),
                observed_high=_to_number(high),
            )
        )
    return tuple(bins)


def to_coverage_curve(error: ConfidenceBand) -> CoverageCurve:
    """A band of the error against the share decided, as it is recorded."""
    return CoverageCurve(
        decided=_round_all(error.at),
        error=tuple(map(_to_number, error.value.tolist())),
        low=tuple(map(_to_number, error.low.tolist())),
        high=tuple(map(_to_number, error.high.tolist())),
    )


def collect_training_curves(events: Iterable[Mapping[str, Json]]) -> TrainingCurves | None:
    """The curves of a run from the events of its progress.jsonl; None when no epoch was finished."""
    epochs, numbers = [], []
    for event in events:
        number = _to_integer(event.get("epoch"))
        if event.get("event", "epoch") == "epoch" and number is not None:
            epochs.append(event)
            numbers.append(number)
    if not epochs:
        return None
    names = dict.fromkeys(name for event in epochs for name in event if name not in NOT_A_CURVE)
    figures = {}
    for name in names:
        column = tuple(_to_number(event.get(name)) for event in epochs)
        if any(value is not None for value in column):
            figures[name] = column
    return TrainingCurves(
        epochs=tuple(numbers),
        figures=figures,
        best_epoch=_to_integer(epochs[-1].get("best_epoch")),
    )


def _compute_precision_recall(probabilities: np.ndarray, labels: np.ndarray) -> PrecisionRecall:
    precision, recall, thresholds = precision_recall_curve(
        labels, probabilities, drop_intermediate=True
    )
    return PrecisionRecall(
        recall=_round_all(recall),
        precision=_round_all(precision),
        threshold=(*_round_all(thresholds), None),
    )


def _compute_net_benefit(probabilities: np.ndarray, labels: np.ndarray) -> NetBenefit:
    curve = compute_decision_curve(sweep_thresholds(probabilities, labels))
    return NetBenefit(
        threshold=_round_all(curve.thresholds),
        model=_round_all(curve.model),
        everybody=_round_all(curve.treat_all),
    )


def _count_at_point(
    threshold: float, probabilities: np.ndarray, labels: np.ndarray
) -> PointConfusion:
    counts = count_confusion(probabilities >= threshold, labels)
    return PointConfusion(
        threshold=threshold,
        true_positive=int(counts.true_positive),
        false_positive=int(counts.false_positive),
        false_negative=int(counts.false_negative),
        true_negative=int(counts.true_negative),
    )


def _to_number(value: Json) -> float | None:
    """A finite number, rounded; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return round(float(value), 6)


def _to_integer(value: Json) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None


def _round_all(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
