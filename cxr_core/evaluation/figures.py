"""Every figure of one finding on one part, each with its patient-bootstrapped interval.

All figures of a part are taken on the same resamples, so that they can be compared.
"""

from typing import Any

import numpy as np

from cxr_core.evaluation import metrics
from cxr_core.evaluation.intervals import bootstrapped, figures_of
from cxr_core.evaluation.metrics import Confusion
from cxr_core.models.card import OperatingPoint

JsonFigure = dict[str, float | int | None]

BALANCED = "youden"  # the operating point of the figures that need one and are given without its name
SCORED = {
    "auroc": metrics.auroc,
    "average_precision": metrics.average_precision,
    "brier": metrics.brier,
    "log_loss": metrics.log_loss,
    "ece": metrics.expected_calibration_error,
}
CALLED = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1")
AT_POINTS = ("sensitivity", "specificity", "accuracy", "precision", "f1")
CLASSES = ("absent", "present")


def finding_figures(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, points: tuple[OperatingPoint, ...]
) -> dict[str, Any]:
    """Figures by name: auroc and its like, accuracy and its like at the balanced point, then a table of each point.

    probabilities, labels (0 or 1), patients: (N,). Each figure is {"value", "low", "high", "n", "positives"}.
    """

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        found = {name: measure(probabilities, labels, weights) for name, measure in SCORED.items()}
        for point in points:
            counts = metrics.confusion(probabilities >= point.threshold, labels, weights)
            if point.name == BALANCED:
                found |= {name: _rate(counts, name) for name in CALLED}
            found |= {f"{point.name}.{name}": _rate(counts, name) for name in AT_POINTS}
        return found

    return _nested(_as_json(bootstrapped(measured, patients), labels))


def classification_report(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, point: OperatingPoint
) -> dict[str, Any]:
    """Precision, recall and F1 of each class with its support, and their averages, as scikit-learn's report has them.

    Averages: macro weighs both classes alike, weighted by their films. The accuracy stands beside them.
    """

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        counts = metrics.confusion(probabilities >= point.threshold, labels, weights)
        share = weights @ (labels == 1) / weights.sum(axis=1)
        found = {"accuracy": counts.accuracy}
        for name in ("precision", "recall", "f1"):
            absent, present = _rate(counts.of_negatives, name), _rate(counts, name)
            found |= {f"absent.{name}": absent, f"present.{name}": present}
            found[f"macro_average.{name}"] = (absent + present) / 2
            found[f"weighted_average.{name}"] = absent * (1 - share) + present * share
        return found

    report = _nested(_as_json(bootstrapped(measured, patients), labels))
    for name, label in zip(CLASSES, (0, 1), strict=True):
        report[name]["support"] = int(np.sum(labels == label))
    return {"operating_point": point.name, "threshold": point.threshold, **report}


def _rate(counts: Confusion, name: str) -> np.ndarray:
    rate: np.ndarray = getattr(counts, "sensitivity" if name == "recall" else name)
    return rate


def _as_json(values: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, JsonFigure]:
    return {name: figure.as_json() for name, figure in figures_of(values, labels).items()}


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
