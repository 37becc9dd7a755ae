"""Recalibrates a model's probabilities on some patients of another site, and measures the effect on the others.

The results are never the model's own figures, and are always named as recalibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import (
    RAISED_BY_CHANCE,
    RESAMPLES,
    bootstrap_patients,
    to_figures,
)
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.calibration_slope import fit_calibration_line
from cxr_core.evaluation.metrics.corrections import (
    Correction,
    Fit,
    fit_slope_and_intercept,
    fit_temperature,
    fit_towards_no_change,
    shift_prior,
)
from cxr_core.evaluation.metrics.reported import REPORTED, name_calibrated, take_calibrated
from cxr_core.evaluation.metrics.results import EvaluationHead
from cxr_core.models.card import ModelCard, OperatingPoint
from cxr_core.models.figures import Figure
from cxr_core.models.label_noise import LabelNoise
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

FITTING_SHARE = 0.3  # of the patients


@dataclass(frozen=True, kw_only=True)
class FilmCounts(JsonRecord):
    """How many films of how many patients, and how many of the films are positive."""

    films: Count
    patients: Count
    positives: Count


@dataclass(frozen=True, kw_only=True)
class CalibrationFigures(JsonRecord):
    """calibration: the mean prediction less the share that is positive."""

    brier: Figure
    log_loss: Figure
    ece: Figure
    calibration: Figure
    calibration_slope: Figure
    calibration_intercept: Figure
    sensitivity: Figure
    specificity: Figure

    def by_name(self) -> dict[str, Figure]:
        """The figures under the names of their fields."""
        return {name: getattr(self, name) for name in CALIBRATION_FIGURES}


CALIBRATION_FIGURES = tuple(CalibrationFigures.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class MappedThreshold(JsonRecord):
    """An operating point's own threshold, and the one on recalibrated probabilities that calls the same films."""

    own: Fraction
    recalibrated: Fraction


@dataclass(frozen=True, kw_only=True)
class RecalibratedFinding(JsonRecord):
    """One finding, recalibrated. before, after, difference (after less before): on patients not fitted on.

    operating_point, threshold: what calls, before and after; it was chosen for the model's own probabilities.
    thresholds: of each operating point.
    """

    method: str
    correction: Correction
    operating_point: str
    threshold: Fraction
    fitted_on: FilmCounts
    reported_on: FilmCounts
    before: CalibrationFigures
    after: CalibrationFigures
    difference: CalibrationFigures
    thresholds: Mapping[str, MappedThreshold] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NotRecalibrated(JsonRecord):
    """One finding that could not be recalibrated, and why."""

    KEYS: ClassVar[Mapping[str, str]] = {"reason": "not_recalibrated"}

    method: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Recalibration(JsonRecord):
    """All findings with labels, recalibrated on a share of the patients. seed: of the draw of these patients."""

    method: str
    fitting_share: float
    seed: int
    operating_point: str
    findings: Mapping[str, RecalibratedFinding | NotRecalibrated]


@dataclass(frozen=True, kw_only=True)
class EvaluationRecalibration(Recalibration, EvaluationHead):
    """recalibration.json."""


def choose_fit(method: str, card: ModelCard, finding: str, noise: LabelNoise | None = None) -> Fit:
    """What fits a method's correction: "temperature", "line", "site", "prior", or "prior=SHARE" with a prevalence.

    "site" is what a site's recalibration is fitted by (`cxr_core/site/recalibration.py`). "prior" takes the share of
    positives among the films fitted on. noise: of the labels, where they are those of reports and not the reader's,
    whose prevalence the card has. Raises DataError for other methods, and when a prior shift is wanted of a model whose
    card does not record how many of the films it was calibrated on were positive.
    """
    if method == "temperature":
        return fit_temperature
    if method == "line":
        return fit_slope_and_intercept
    if method == "site":
        return fit_towards_no_change
    name, stated, share = method.partition("=")
    if name != "prior":
        raise DataError(
            f"unknown recalibration {method!r}; choose from prior, prior=SHARE, temperature, line, site"
        )
    before = _prevalence_at_calibration(card, finding)
    before = noise.to_reported(before) if noise else before
    try:
        after = float(share) if stated else None
    except ValueError:
        raise DataError(
            f"found prior={share}; expected a share of positives, such as prior=0.05"
        ) from None
    return lambda _, labels: shift_prior(before, float(np.mean(labels)) if after is None else after)


def require_recalibratable(method: str, card: ModelCard) -> None:
    """Raises DataError, before any film is read, when a method can recalibrate none of a card's findings."""
    reasons = []
    for key in card.findings:
        try:
            choose_fit(method, card, key)
            return
        except DataError as error:
            reasons.append(str(error))
    raise DataError(reasons[0])


def recalibrate_finding(
    rows: pd.DataFrame,
    method: str,
    card: ModelCard,
    point: OperatingPoint,
    *,
    share: float = FITTING_SHARE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RecalibratedFinding:
    """Recalibrate one finding on a share of the patients, drawn by the seed, and measure on the others.

    rows: of one finding, with patient, label (known) and probability. point: whose threshold calls, before and after.
    What is recalibrated is what calibration is measured of, see `reported`. Raises DataError when either part lacks a
    class.
    """
    finding = str(rows["finding"].iloc[0])
    fitting, others = _split_patients(rows, share, seed)
    for films, purpose in ((fitting, "to fit on"), (others, "to measure on")):
        if films["label"].nunique() < 2:
            raise DataError(
                f"{finding}: the patients {purpose} are all of one class; there are too few to recalibrate"
            )
    noise = card.label_noise.get(finding) if name_calibrated(rows) == REPORTED else None
    threshold = noise.to_reported(point.threshold) if noise else point.threshold
    correction = choose_fit(method, card, finding, noise)(*_arrays(fitting))
    own, labels = _arrays(others)
    recalibrated = correction.apply(own)

    def measure(sample: Resamples) -> dict[tuple[str, str], np.ndarray]:
        before = _compute_calibration(own, labels, threshold, sample)
        after = _compute_calibration(recalibrated, labels, threshold, sample)
        values = {}
        for name in CALIBRATION_FIGURES:
            values["before", name] = before[name]
            values["after", name] = after[name]
            values["difference", name] = after[name] - before[name]
        return values

    patients = others["patient"].to_numpy(str)
    values = bootstrap_patients(measure, patients, resamples=resamples, seed=seed)
    thresholds = map_thresholds(card.operating_points[finding], correction, noise)
    return RecalibratedFinding(
        method=method,
        correction=correction,
        operating_point=point.name,
        threshold=point.threshold,
        fitted_on=_count_films(fitting),
        reported_on=_count_films(others),
        before=_select_figures(values, "before", labels),
        after=_select_figures(values, "after", labels),
        difference=_select_figures(values, "difference", labels),
        thresholds=thresholds,
    )


def recalibrate(
    card: ModelCard,
    table: pd.DataFrame,
    method: str,
    point: str,
    *,
    seed: int = 0,
    share: float = FITTING_SHARE,
) -> Recalibration:
    """Recalibrate every finding that has labels. table: of predictions.  point: name of an operating point.

    A finding that cannot be recalibrated carries the reason instead. Figures are rounded as they are recorded. Raises
    DataError when none can.
    """
    findings: dict[str, RecalibratedFinding | NotRecalibrated] = {}
    reasons = []
    for key in card.findings:
        rows = table[(table["finding"] == key) & table["label"].notna()]
        if not len(rows):
            continue
        own = card.operating_point(key, point)
        try:
            findings[key] = recalibrate_finding(rows, method, card, own, seed=seed, share=share)
        except DataError as error:
            findings[key] = NotRecalibrated(method=method, reason=str(error))
            reasons.append(str(error))
    if len(reasons) == len(findings):
        why = "; ".join(reasons) or "the data has no labels"
        raise DataError(f"nothing could be recalibrated: {why}")
    recalibration = Recalibration(
        method=method, fitting_share=share, seed=seed, operating_point=point, findings=findings
    )
    return recalibration.as_recorded()


def map_thresholds(
    points: Sequence[OperatingPoint], correction: Correction, noise: LabelNoise | None = None
) -> dict[str, MappedThreshold]:
    """By name of an operating point, what its threshold becomes. noise: where reported probabilities are corrected."""
    mapped = {}
    for point in points:
        before = noise.to_reported(point.threshold) if noise else point.threshold
        recalibrated = round(float(correction.apply(np.array(before))), 6)
        mapped[point.name] = MappedThreshold(own=point.threshold, recalibrated=recalibrated)
    return mapped


def _split_patients(
    rows: pd.DataFrame, share: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The films of a share of the patients, and those of the others."""
    patients = np.unique(rows["patient"].to_numpy(str))
    chosen = np.random.default_rng(seed).permutation(patients)[: round(share * len(patients))]
    fitting = rows["patient"].astype(str).isin(chosen)
    return rows[fitting], rows[~fitting]


def _compute_calibration(
    probabilities: np.ndarray, labels: np.ndarray, threshold: float, resamples: Resamples
) -> dict[str, np.ndarray]:
    """(R,) under each name of CALIBRATION_FIGURES."""
    line = fit_calibration_line(probabilities, labels, resamples)
    confusion = metrics.count_confusion(probabilities >= threshold, labels, resamples)
    return {
        "brier": metrics.brier_score(probabilities, labels, resamples),
        "log_loss": metrics.log_loss(probabilities, labels, resamples),
        "ece": metrics.expected_calibration_error(probabilities, labels, resamples),
        "calibration": (resamples @ (probabilities - labels)) / resamples.sum(),
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
        "sensitivity": confusion.sensitivity,
        "specificity": confusion.specificity,
    }


def _select_figures(
    values: Mapping[tuple[str, str], np.ndarray], which: str, labels: np.ndarray
) -> CalibrationFigures:
    own = {name: values[which, name] for name in CALIBRATION_FIGURES}
    # A difference of calibration errors may be negative, and is not raised by chance.
    raised = () if which == "difference" else RAISED_BY_CHANCE
    return CalibrationFigures(**to_figures(own, labels, raised))


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return take_calibrated(rows), rows["label"].to_numpy(np.float64)


def _count_films(rows: pd.DataFrame) -> FilmCounts:
    return FilmCounts(
        films=len(rows),
        patients=int(rows["patient"].nunique()),
        positives=int((rows["label"] == 1).sum()),
    )


def _prevalence_at_calibration(card: ModelCard, finding: str) -> float:
    """The share of positives among the validation films that the model was calibrated on."""
    prevalence = card.calibration_prevalence(finding)
    if prevalence is None:
        raise DataError(
            f"the card of {card.model} does not record how many of the films it was calibrated on show {finding}, so a "
            "prior shift is not possible; recalibrate by temperature or line"
        )
    return prevalence
