"""Every figure of one finding on one part, each with its patient-bootstrapped interval."""

from collections.abc import Callable

import numpy as np

from cxr_core.evaluation import metrics
from cxr_core.evaluation.intervals import patient_bootstrap
from cxr_core.models.card import OperatingPoint

JsonFigure = dict[str, float | int | None]


def finding_figures(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, points: tuple[OperatingPoint, ...]
) -> dict[str, JsonFigure | dict[str, JsonFigure]]:
    """auroc, average_precision, brier, ece, and under each operating point's name its sensitivity and so on.

    probabilities, labels (0 or 1), patients: (N,).
    """

    def figure(measure: Callable[[np.ndarray, np.ndarray], float]) -> JsonFigure:
        return patient_bootstrap(measure, probabilities, labels, patients).as_json()

    found: dict[str, JsonFigure | dict[str, JsonFigure]] = {
        "auroc": figure(metrics.auroc),
        "average_precision": figure(metrics.average_precision),
        "brier": figure(metrics.brier),
        "ece": figure(metrics.expected_calibration_error),
    }
    for point in points:
        found[point.name] = {
            name: figure(_called_at(point.threshold, measure))
            for name, measure in (
                ("sensitivity", metrics.sensitivity),
                ("specificity", metrics.specificity),
                ("accuracy", metrics.accuracy),
            )
        }
    return found


def _called_at(
    threshold: float, measure: Callable[[np.ndarray, np.ndarray], float]
) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda probabilities, labels: measure(probabilities >= threshold, labels)
