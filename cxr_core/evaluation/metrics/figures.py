"""Computes every figure of one finding on one split, each with its interval by a bootstrap over patients.

All figures of a split are taken on the same resamples, so that they can be compared.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.calibration_slope import fit_calibration_line
from cxr_core.evaluation.metrics.delong import compute_delong_auroc
from cxr_core.evaluation.metrics.metrics import Confusion, rank_films
from cxr_core.evaluation.metrics.results import (
    RATES,
    RATES_AT_POINTS,
    SCORES,
    ClassFigures,
    ClassificationReport,
    DecisionFigures,
    FindingFigures,
    MacroFigures,
    PointFigures,
)
from cxr_core.models.card import DecisionThresholds, OperatingPoint
from cxr_core.models.figures import Figure

BALANCED = "youden"  # the operating point of figures that need one and do not name it
CLASS_RATES = ("precision", "recall", "f1")
CALLS = ("suspected", "undecided", "not_suspected")
DECISION_SHARES = tuple(DecisionFigures.__dataclass_fields__)
ROWS = ("absent", "present", "macro_average", "weighted_average")


def compute_finding_figures(
    probabilities: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    points: tuple[OperatingPoint, ...],
    decisions: tuple[DecisionThresholds, ...] = (),
    *,
    calibrated: np.ndarray | None = None,
) -> FindingFigures:
    """Figures of one finding, rounded as they are recorded. probabilities, labels (0 or 1), patients: (N,).

    points: operating points, the balanced one among them.  decisions: those with two thresholds.
    calibrated: (N,) what calibration is measured of, where it is not the probabilities; see `reported`.
    `auroc_delong` is given only where each film is of another patient, as its interval requires.
    """

    scored = probabilities if calibrated is None else calibrated

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        values = _compute_scores(scored, labels, resamples)
        for point in points:
            calls = probabilities >= point.threshold
            confusion = metrics.count_confusion(calls, labels, resamples)
            if point.name == BALANCED:
                values |= {name: _rate(confusion, name) for name in RATES}
            values |= {f"{point.name}.{name}": _rate(confusion, name) for name in RATES_AT_POINTS}
        for decision in decisions:
            shares = _compute_decision(decision, probabilities, labels, resamples)
            values |= {f"{decision.name}.{name}": share for name, share in shares.items()}
        return values

    figures = _bootstrap_figures(measure, labels, patients)
    delong = None
    if len(np.unique(patients)) == len(patients):
        delong = compute_delong_auroc(probabilities, labels).rounded()
    at_points = {}
    for point in points:
        rates = {name: figures[f"{point.name}.{name}"] for name in RATES_AT_POINTS}
        at_points[point.name] = PointFigures(**rates)
    by_decision = {}
    for decision in decisions:
        shares = {name: figures[f"{decision.name}.{name}"] for name in DECISION_SHARES}
        by_decision[decision.name] = DecisionFigures(**shares)
    single: dict[str, Any] = {name: figures[name] for name in (*SCORES, *RATES)}
    return FindingFigures(
        **single,
        points=at_points,
        decisions=by_decision,
        auroc_delong=delong,
    )


def compute_auroc(probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Figure:
    """The AUROC alone. probabilities, labels (0 or 1), patients: (N,)."""

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        return {"auroc": rank_films(probabilities, labels, resamples).auroc}

    return _bootstrap_figures(measure, labels, patients)["auroc"]


def compute_macro_figures(
    films: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> MacroFigures:
    """AUROC and average precision, each the mean over the findings that have films of both classes.

    films: probabilities, labels (0 or 1) and patients, (N,) each, by finding. n and positives count the labels of all
    findings; a patient is drawn for all findings at once.
    """
    films = {key: arrays for key, arrays in films.items() if len(np.unique(arrays[1])) > 1}
    if not films:
        return MacroFigures(findings=())
    counts = [len(labels) for _, labels, _ in films.values()]
    parts = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        rankings = [
            rank_films(probabilities, labels, resamples.select(part))
            for (probabilities, labels, _), part in zip(films.values(), parts, strict=True)
        ]
        precisions = [ranking.average_precision for ranking in rankings]
        return {
            "auroc": np.mean([ranking.auroc for ranking in rankings], axis=0),
            "average_precision": np.mean(precisions, axis=0),
        }

    labels = np.concatenate([labels for _, labels, _ in films.values()])
    patients = np.concatenate([patients for *_, patients in films.values()])
    figures = _bootstrap_figures(measure, labels, patients)
    return MacroFigures(findings=tuple(films), **figures)


def compute_classification_report(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, point: OperatingPoint
) -> ClassificationReport:
    """Precision, recall and F1 of each class, with support and averages, as in scikit-learn's report."""

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        confusion = metrics.count_confusion(probabilities >= point.threshold, labels, resamples)
        share = resamples @ (labels == 1) / resamples.sum()
        values = {"accuracy": confusion.accuracy}
        for name in CLASS_RATES:
            absent, present = _rate(confusion.of_negatives, name), _rate(confusion, name)
            values |= {f"absent.{name}": absent, f"present.{name}": present}
            values[f"macro_average.{name}"] = (absent + present) / 2
            values[f"weighted_average.{name}"] = absent * (1 - share) + present * share
        return values

    figures = _bootstrap_figures(measure, labels, patients)
    support = {"absent": int(np.sum(labels == 0)), "present": int(np.sum(labels == 1))}
    rows = {}
    for row in ROWS:
        rates = {name: figures[f"{row}.{name}"] for name in CLASS_RATES}
        rows[row] = ClassFigures(**rates, support=support.get(row))
    return ClassificationReport(
        operating_point=point.name,
        threshold=point.threshold,
        accuracy=figures["accuracy"],
        **rows,
    )


def _compute_scores(
    probabilities: np.ndarray, labels: np.ndarray, resamples: Resamples
) -> dict[str, np.ndarray]:
    """The figures that need no operating point, (R,) each."""
    ranking = rank_films(probabilities, labels, resamples)
    parts = metrics.decompose_brier_score(probabilities, labels, resamples)
    line = fit_calibration_line(probabilities, labels, resamples)
    return {
        "auroc": ranking.auroc,
        "average_precision": ranking.average_precision,
        "brier": metrics.brier_score(probabilities, labels, resamples),
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
        "brier_within": parts.within,
        "log_loss": metrics.log_loss(probabilities, labels, resamples),
        "ece": metrics.expected_calibration_error(probabilities, labels, resamples),
        "adaptive_ece": ranking.adaptive_calibration_error(metrics.BINS),
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
    }


def _compute_decision(
    decision: DecisionThresholds,
    probabilities: np.ndarray,
    labels: np.ndarray,
    resamples: Resamples,
) -> dict[str, np.ndarray]:
    """(R,) under each name of DECISION_SHARES."""
    suspected = probabilities >= decision.present_from
    not_suspected = probabilities < decision.absent_below
    undecided = ~suspected & ~not_suspected
    shares = {}
    for name, films in zip(CALLS, (suspected, undecided, not_suspected), strict=True):
        confusion = metrics.count_confusion(films, labels, resamples)
        shares[f"present_{name}"] = confusion.sensitivity
        shares[f"absent_{name}"] = 1 - confusion.specificity
    return shares


def _rate(confusion: Confusion, name: str) -> np.ndarray:
    rate: np.ndarray = getattr(confusion, "sensitivity" if name == "recall" else name)
    return rate


def _bootstrap_figures(
    measure: Callable[[Resamples], dict[str, np.ndarray]], labels: np.ndarray, patients: np.ndarray
) -> dict[str, Figure]:
    figures = to_figures(bootstrap_patients(measure, patients), labels)
    return {name: figure.rounded() for name, figure in figures.items()}
