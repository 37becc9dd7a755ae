"""Every figure of one finding on one part, each with its patient-bootstrapped interval.

All figures of a part are taken on the same resamples, so that they can be compared.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import drawn, figures_of
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.calibration_slope import recalibration
from cxr_core.evaluation.metrics.delong import auroc_delong
from cxr_core.evaluation.metrics.metrics import Confusion, ranking
from cxr_core.models.card import OperatingPoint

JsonFigure = dict[str, float | int | None]

BALANCED = (
    "youden"  # the operating point of the figures that need one and are given without its name
)
CALLED = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1"),
    *("npv", "mcc", "lr_positive", "lr_negative"),
)
AT_POINTS = ("sensitivity", "specificity", "accuracy", "precision", "f1")
AVERAGED = ("auroc", "average_precision")
CLASSES = ("absent", "present")


def finding_figures(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    points: tuple[OperatingPoint, ...],
) -> dict[str, Any]:
    """Figures by name: auroc and its like, accuracy and its like at the balanced point, then a table of each point.

    probabilities, labels (0 or 1), patients: (N,). Each figure is {"value", "low", "high", "n", "positives"}.
    `auroc_delong` is there only when each film is of another patient, as its interval asks for.
    """

    def measured(weights: Draws) -> dict[str, np.ndarray]:
        found = _scored(probabilities, labels, weights)
        for point in points:
            counts = metrics.confusion(probabilities >= point.threshold, labels, weights)
            if point.name == BALANCED:
                found |= {name: _rate(counts, name) for name in CALLED}
            found |= {f"{point.name}.{name}": _rate(counts, name) for name in AT_POINTS}
        return found

    found = _as_json(drawn(measured, patients), labels)
    if len(np.unique(patients)) == len(patients):
        found["auroc_delong"] = auroc_delong(probabilities, labels).to_json()
    return _nested(found)


def macro_figures(films: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """AUROC and average precision, each the mean over the findings, whose names stand beside them.

    films: probabilities, labels (0 or 1) and patients, (N,) each, by finding. A finding that has one class only is left
    out. n and positives count the labels of all findings; a patient is drawn for all findings at once.
    """
    films = {key: each for key, each in films.items() if len(np.unique(each[1])) > 1}
    if not films:
        return {"findings": []}
    counts = [len(labels) for _, labels, _ in films.values()]
    parts = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])

    def measured(weights: Draws) -> dict[str, np.ndarray]:
        ranked = [
            ranking(probabilities, labels, weights.of(part))
            for (probabilities, labels, _), part in zip(films.values(), parts, strict=True)
        ]
        return {
            name: np.mean([getattr(each, name) for each in ranked], axis=0) for name in AVERAGED
        }

    labels, patients = (
        np.concatenate([each[place] for each in films.values()]) for place in (1, 2)
    )
    return {"findings": list(films), **_as_json(drawn(measured, patients), labels)}


def classification_report(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, point: OperatingPoint
) -> dict[str, Any]:
    """Precision, recall and F1 of each class with its support, and their averages, as scikit-learn's report has them.

    Averages: macro weighs both classes alike, weighted by their films. The accuracy stands beside them.
    """

    def measured(weights: Draws) -> dict[str, np.ndarray]:
        counts = metrics.confusion(probabilities >= point.threshold, labels, weights)
        share = weights @ (labels == 1) / weights.sum()
        found = {"accuracy": counts.accuracy}
        for name in ("precision", "recall", "f1"):
            absent, present = _rate(counts.of_negatives, name), _rate(counts, name)
            found |= {f"absent.{name}": absent, f"present.{name}": present}
            found[f"macro_average.{name}"] = (absent + present) / 2
            found[f"weighted_average.{name}"] = absent * (1 - share) + present * share
        return found

    report = _nested(_as_json(drawn(measured, patients), labels))
    for name, label in zip(CLASSES, (0, 1), strict=True):
        report[name]["support"] = int(np.sum(labels == label))
    return {"operating_point": point.name, "threshold": point.threshold, **report}


def _scored(probabilities: np.ndarray, labels: np.ndarray, weights: Draws) -> dict[str, np.ndarray]:
    """The figures that need no operating point, (R,) each."""
    ranked = ranking(probabilities, labels, weights)
    parts = metrics.brier_parts(probabilities, labels, weights)
    line = recalibration(probabilities, labels, weights)
    return {
        "auroc": ranked.auroc,
        "average_precision": ranked.average_precision,
        "brier": metrics.brier(probabilities, labels, weights),
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
        "brier_within": parts.within,
        "log_loss": metrics.log_loss(probabilities, labels, weights),
        "ece": metrics.expected_calibration_error(probabilities, labels, weights),
        "adaptive_ece": ranked.adaptive_calibration_error(metrics.BINS),
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
    }


def _rate(counts: Confusion, name: str) -> np.ndarray:
    rate: np.ndarray = getattr(counts, "sensitivity" if name == "recall" else name)
    return rate


def _as_json(values: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, JsonFigure]:
    return {name: figure.to_json() for name, figure in figures_of(values, labels).items()}


def _nested(figures: dict[str, JsonFigure]) -> dict[str, Any]:
    """`youden.f1` as an entry of a table of its own."""
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        outer, _, inner = name.partition(".")
        if inner:
            found.setdefault(outer, {})[inner] = figure
        else:
            found[outer] = figure
    return found
