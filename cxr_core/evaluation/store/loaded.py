"""Loads an evaluation from its folder, and computes the values of all charts of one finding in one view."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from cxr_core.errors import DataError, RecordError
from cxr_core.evaluation.bootstrap.confidence_bands import (
    ConfidenceBands,
    compute_confidence_bands,
)
from cxr_core.evaluation.charts.base import Chart
from cxr_core.evaluation.charts.threshold import draw_distribution, draw_rates_by_threshold
from cxr_core.evaluation.metrics.curves import (
    CalibrationBin,
    CoverageCurves,
    EvaluationCurves,
    TrainingCurves,
    compute_calibration_bins,
)
from cxr_core.evaluation.metrics.degenerate import describe_degenerate_output
from cxr_core.evaluation.metrics.recalibrate import Recalibration
from cxr_core.evaluation.metrics.reported import take_calibrated
from cxr_core.evaluation.metrics.results import EvaluationMetrics, FindingFigures
from cxr_core.evaluation.metrics.sweep import (
    LOG_ODDS_EDGES,
    THRESHOLD_STEPS,
    Distribution,
    Sweep,
    bin_probabilities,
    sweep_thresholds,
)
from cxr_core.evaluation.store.catalogue import EvaluationRecord
from cxr_core.evaluation.store.folder import CURVES, METRICS, RECALIBRATION, REPORT
from cxr_core.evaluation.store.predictions import PREDICTIONS, read_predictions
from cxr_core.workspace.json_record import read_record_file

COLUMNS = ("image", "patient", "finding", "label", "logit", "probability", "view", "age", "sex")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedEvaluation:
    """One evaluation of a classifier. predictions: as predictions.csv has them, image and patient as text.

    thresholds: by finding, of each operating point.  training: of the run, if the model is of one.
    recalibration: where it was wanted.  coverage: by finding; empty in evaluations of earlier versions.
    """

    record: EvaluationRecord
    metrics: EvaluationMetrics
    predictions: pd.DataFrame
    thresholds: Mapping[str, Mapping[str, float]]
    training: TrainingCurves | None
    recalibration: Recalibration | None = None
    coverage: Mapping[str, CoverageCurves] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[str, ...]:
        """Those that have labels, and so figures."""
        return tuple(self.metrics.findings)

    def views(self, finding: str) -> tuple[str, ...]:
        """The views that have figures of their own."""
        return tuple(self.metrics.findings[finding].views)

    @property
    def calibrated_here(self) -> bool:
        """Whether the model's calibration was fitted on these films; earlier versions did not record it."""
        of_own_validation = self.record.run is not None and self.record.head.split == "val"
        return self.metrics.calibrated_here or of_own_validation

    def figures(self, finding: str, view: str | None) -> FindingFigures:
        """The figures of a finding, over all films or one view's."""
        figures = self.metrics.findings[finding]
        return figures if view is None else figures.views[view]

    def select_films(self, finding: str, view: str | None) -> pd.DataFrame:
        """The predictions of one finding with a known label, of all views or one."""
        table = self.predictions
        kept = (table["finding"] == finding) & table["label"].notna()
        if view is not None:
            kept &= table["view"] == view
        return table[kept].reset_index(drop=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class FindingView:
    """What the charts of one finding show. films: a row per film; points: threshold of each operating point."""

    films: pd.DataFrame
    points: Mapping[str, float]
    sweep: Sweep
    bands: ConfidenceBands
    calibration: tuple[CalibrationBin, ...]
    distribution: Distribution
    distribution_by_log_odds: Distribution

    @cached_property
    def constant_output(self) -> str:
        """Why nearly the same probability for every film is of no use; empty where probabilities differ."""
        columns = (self.films[name].to_numpy(np.float64) for name in ("probability", "label"))
        return describe_degenerate_output(*columns)

    @cached_property
    def distribution_chart(self) -> Chart:
        """Both classes' probabilities, made once: a threshold that moves only adds a line."""
        return draw_distribution(self.distribution_by_log_odds)

    @cached_property
    def threshold_chart(self) -> Chart:
        """Figures against the threshold, made once as well."""
        return draw_rates_by_threshold(self.bands.at_thresholds)


def load_evaluation(record: EvaluationRecord) -> LoadedEvaluation:
    """Read a classifier's evaluation. Raises DataError when its files are missing or damaged."""
    folder = record.folder
    table = read_predictions(folder, COLUMNS)
    try:
        metrics = EvaluationMetrics.from_json(record.content)
        curves = read_record_file(folder / CURVES, EvaluationCurves)
        recalibration = None
        if os.path.lexists(folder / RECALIBRATION):
            recalibration = read_record_file(folder / RECALIBRATION, Recalibration)
        _require_agreement(metrics, curves, table)
    except (OSError, RecordError) as error:
        raise DataError(
            f"the evaluation in {folder} cannot be read ({error}); evaluate again"
        ) from error
    thresholds = {}
    for key, of_finding in curves.findings.items():
        thresholds[key] = {name: point.threshold for name, point in of_finding.confusion.items()}
    return LoadedEvaluation(
        record=record,
        metrics=metrics,
        predictions=table,
        thresholds=thresholds,
        training=curves.training,
        recalibration=recalibration,
        coverage={key: one.coverage for key, one in curves.findings.items() if one.coverage},
    )


def _require_agreement(
    metrics: EvaluationMetrics, curves: EvaluationCurves, table: pd.DataFrame
) -> None:
    """Raises RecordError where files contradict each other.

    That is a finding, or a view of one, that has figures but no curves or no labelled films, or a film of a
    cross-validation in none of its folds.
    """
    labelled = table[table["label"].notna()]
    for key, figures in metrics.findings.items():
        films = labelled[labelled["finding"] == key]
        absent = [view for view in figures.views if not (films["view"] == view).any()]
        if key not in curves.findings or films.empty or absent:
            place = CURVES if key not in curves.findings else PREDICTIONS
            raise RecordError(
                f"{METRICS} has figures of {' '.join([key, *absent])}, {place} has none"
            )
        coverage = curves.findings[key].coverage
        if coverage is not None and coverage.folds:
            _require_folds(films, len(coverage.folds))


def _require_folds(films: pd.DataFrame, folds: int) -> None:
    """Raises RecordError unless each film lies in one of so many folds."""
    if "fold" not in films or not films["fold"].isin(range(1, folds + 1)).all():
        raise RecordError(f"{CURVES} has {folds} folds, in {PREDICTIONS} films lie in none of them")


def compute_finding_view(
    evaluation: LoadedEvaluation, finding: str, view: str | None
) -> FindingView:
    """Compute what the charts show. A second or two for 25,000 films: the bands are of 1,000 resamples."""
    films, points = evaluation.select_films(finding, view), evaluation.thresholds[finding]
    probabilities = films["probability"].to_numpy(np.float64)
    calibrated = take_calibrated(films)
    labels = films["label"].to_numpy(np.float64)
    patients = films["patient"].to_numpy(str)
    thresholds = np.unique([*THRESHOLD_STEPS, *points.values()])
    return FindingView(
        films=films,
        points=points,
        sweep=sweep_thresholds(probabilities, labels),
        bands=compute_confidence_bands(probabilities, labels, patients, thresholds),
        calibration=compute_calibration_bins(calibrated, labels, patients),
        distribution=bin_probabilities(calibrated, labels),
        distribution_by_log_odds=bin_probabilities(probabilities, labels, LOG_ODDS_EDGES),
    )


def read_report(record: EvaluationRecord) -> str | None:
    """The page that was written with an evaluation; None without one that can be read."""
    try:
        return (record.folder / REPORT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
