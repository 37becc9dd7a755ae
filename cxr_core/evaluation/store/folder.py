"""Writes an evaluation to its folder, and reads its metrics.json.

predictions.csv      a row per film and finding
predictions.parquet  the same rows, typed
metrics.json         every figure with its interval
curves.json          the curves of the report's charts
report.html          figures and curves for people, as one page
recalibration.json   what recalibrating for these films would change, where it was wanted
predictions_outside_population.csv   films of patients whom the model is not for, where they were wanted
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxr_core.errors import DataError, RecordError
from cxr_core.evaluation.metrics.curves import EvaluationCurves, FindingCurves, TrainingCurves
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.metrics.recalibrate import EvaluationRecalibration, Recalibration
from cxr_core.evaluation.metrics.results import (
    ClassificationReport,
    EvaluatedData,
    EvaluationHead,
    EvaluationMetrics,
    FindingFigures,
    MacroFigures,
)
from cxr_core.evaluation.report.evaluation_report import ReportContent, render_evaluation_report
from cxr_core.evaluation.store.predictions import PREDICTIONS
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import require_figures
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.version import VERSION
from cxr_core.workspace.atomic import atomic_files, finish_replacement
from cxr_core.workspace.json_files import JsonObject, read_object
from cxr_core.workspace.json_record import JsonRecord

SCHEMA = 1
PREDICTIONS_PARQUET = "predictions.parquet"
PREDICTIONS_OUTSIDE = "predictions_outside_population.csv"
METRICS = "metrics.json"
CURVES = "curves.json"
REPORT = "report.html"
RECALIBRATION = "recalibration.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class OutsidePopulation:
    """The films of a split whose patients the model is not for. table, figures: as in `Evaluation`."""

    table: pd.DataFrame
    figures: Mapping[str, FindingFigures]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """A classifier evaluated on one split of a dataset.

    table: as `inference.predict_films` gives it.  figures, reports, curves: by finding, those that have labels.
    training: of the run, if the model is of one.  made: ISO 8601, UTC.
    macro: means over the findings, where there are several.  recalibration: where it was wanted.
    calibrated_here: whether the calibration was fitted on these films.  outside: the films outside the model's
    intended population, where they were wanted.
    """

    card: ModelCard
    split: str
    data: EvaluatedData
    table: pd.DataFrame
    figures: Mapping[str, FindingFigures]
    reports: Mapping[str, ClassificationReport]
    curves: Mapping[str, FindingCurves]
    made: str
    training: TrainingCurves | None = None
    macro: MacroFigures | None = None
    recalibration: Recalibration | None = None
    calibrated_here: bool = False
    outside: OutsidePopulation | None = None

    @property
    def head(self) -> EvaluationHead:
        """What every file begins with."""
        return make_head(self.card, self.split, self.data, self.made)

    def to_metrics(self) -> EvaluationMetrics:
        """The content of metrics.json."""
        return EvaluationMetrics(
            **self.head.as_keywords(),
            operating_point=BALANCED,
            findings=self.figures,
            macro=self.macro,
            classification_report=self.reports,
            calibrated_here=self.calibrated_here,
            outside_population=self.outside.figures if self.outside else {},
        )

    def to_curves(self) -> EvaluationCurves:
        """The content of curves.json."""
        return EvaluationCurves(
            **self.head.as_keywords(), findings=self.curves, training=self.training
        )

    def figures_for_card(self) -> JsonObject:
        """The figures by finding, as a model card records them."""
        return {key: figures.to_json() for key, figures in self.figures.items()}

    def report_html(self) -> str:
        """report.html as text."""
        content = ReportContent(
            card=self.card,
            split=self.split,
            data=self.data,
            figures=self.figures,
            reports=self.reports,
            curves=self.curves,
            training=self.training,
            made=self.made,
            macro=self.macro,
            recalibration=self.recalibration,
            calibrated_here=self.calibrated_here,
            outside=self.outside.figures if self.outside else {},
        )
        return render_evaluation_report(content)

    def write(self, out: Path) -> Path:
        """Write the files, as `write_files`. Returns the path of metrics.json."""
        contents: dict[str, str | bytes] = {
            PREDICTIONS: self.table.to_csv(index=False),
            PREDICTIONS_PARQUET: _to_parquet(self.table),
            CURVES: json.dumps(self.to_curves().to_json(), allow_nan=False) + "\n",
            REPORT: self.report_html(),
        }
        if self.outside:
            contents[PREDICTIONS_OUTSIDE] = self.outside.table.to_csv(index=False)
        if self.recalibration:
            record = EvaluationRecalibration(
                **self.head.as_keywords(), **self.recalibration.as_keywords()
            )
            contents[RECALIBRATION] = _to_text(record)
        return write_files(out, contents, self.to_metrics())


def make_head(
    card: ModelCard | SegmenterCard, split: str, data: EvaluatedData, made: str
) -> EvaluationHead:
    """What every file of an evaluation begins with. made: ISO 8601, UTC."""
    return EvaluationHead(
        schema=SCHEMA,
        model=card.model,
        version=card.version,
        weights_sha256=card.weights_sha256,
        split=split,
        data=data,
        made=made,
        software=VERSION,
    )


def write_files(out: Path, contents: Mapping[str, str | bytes], metrics: JsonRecord) -> Path:
    """Write the files of an evaluation by name; they replace an earlier evaluation all together or not at all.

    Returns the path of metrics.json. Raises DataError when the folder cannot be written.
    """
    # Optional files of an earlier evaluation must not stay beside the new ones: an empty file removes them.
    optional = dict.fromkeys((RECALIBRATION, PREDICTIONS_PARQUET, PREDICTIONS_OUTSIDE), b"")
    files = {**optional, **contents, METRICS: _to_text(metrics)}
    try:
        with atomic_files(out) as draft:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                (draft / name).write_bytes(data)
    except OSError as error:
        raise DataError(
            f"the evaluation cannot be written to {out}: {error.strerror}. Free space or allow writing there, "
            "or give --out another folder"
        ) from error
    return out / METRICS


def read_metrics(folder: Path) -> JsonObject | None:
    """The metrics.json of an evaluation of any kind of model; None when there is none, or none that can be read."""
    finish_replacement(folder)
    try:
        metrics = read_object(folder / METRICS)
        require_figures(metrics)
    except (OSError, RecordError):
        return None
    return metrics if metrics.get("schema") == SCHEMA else None


def _to_text(record: JsonRecord) -> str:
    return json.dumps(record.to_json(), indent=2, allow_nan=False) + "\n"


def _to_parquet(table: pd.DataFrame) -> bytes:
    """The table with its types; patients, who may be named by numbers or words, as text."""
    buffer = io.BytesIO()
    table.assign(patient=table["patient"].astype(str)).to_parquet(buffer, index=False)
    return buffer.getvalue()
