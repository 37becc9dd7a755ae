"""What an evaluation found, and the folder it is written to.

predictions.csv  a row per film and finding          curves.json  what the report's charts are drawn from
predictions.parquet  the same rows, typed             report.html  figures and curves for people, as one page
metrics.json     every figure with its interval
recalibration.json  what recalibrating for these films would change, where it was asked for
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.curves import FindingCurves, TrainingCurves
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.report.report import ReportFacts, report_html
from cxr_core.models.card import ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.version import VERSION
from cxr_core.workspace.atomic import atomic_file

SCHEMA = 1
PREDICTIONS, METRICS, CURVES, REPORT = (
    "predictions.csv",
    "metrics.json",
    "curves.json",
    "report.html",
)
RECALIBRATION, TYPED = "recalibration.json", "predictions.parquet"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """One model on one part of a dataset.

    table: as `evaluate.predictions` gives it.  figures, reports, curves: by finding, those that have labels.
    data: films, patients and hashes of what was measured on.  training: of the run, if the model is one's.
    made: ISO 8601, UTC.  macro: means over the findings, where there are several.
    recalibrated: as `adapt.adapted` gives it, where it was asked for.
    """

    card: ModelCard
    part: str
    data: Mapping[str, Any]
    table: pd.DataFrame
    figures: Mapping[str, Any]
    reports: Mapping[str, Any]
    curves: Mapping[str, FindingCurves]
    made: str
    training: TrainingCurves | None = field(default=None)
    macro: Mapping[str, Any] | None = field(default=None)
    recalibrated: Mapping[str, Any] | None = field(default=None)

    def metrics_json(self) -> dict[str, Any]:
        """metrics.json as a value."""
        return {
            **head(self.card, self.part, self.data, self.made),
            "operating_point": BALANCED,
            "findings": dict(self.figures),
            **({"macro": dict(self.macro)} if self.macro else {}),
            "classification_report": dict(self.reports),
        }

    def curves_json(self) -> dict[str, Any]:
        """curves.json as a value. training is null for a model that is not of a run."""
        return {
            **head(self.card, self.part, self.data, self.made),
            "findings": {key: curves.to_json() for key, curves in self.curves.items()},
            "training": self.training.to_json() if self.training else None,
        }

    def report_html(self) -> str:
        """report.html as text."""
        facts = ReportFacts(
            card=self.card,
            part=self.part,
            data=self.data,
            figures=self.figures,
            reports=self.reports,
            curves=self.curves,
            training=self.training,
            made=self.made,
            macro=self.macro,
            recalibrated=self.recalibrated,
        )
        return report_html(facts)

    def write(self, out: Path) -> Path:
        """Write the files, metrics.json last, as `write_texts`. Returns metrics.json's path."""
        texts: dict[str, str | bytes] = {
            PREDICTIONS: self.table.to_csv(index=False),
            TYPED: _parquet(self.table),
            CURVES: json.dumps(self.curves_json(), allow_nan=False) + "\n",
            REPORT: self.report_html(),
        }
        if self.recalibrated:
            told = {**head(self.card, self.part, self.data, self.made), **self.recalibrated}
            texts[RECALIBRATION] = json.dumps(told, indent=2, allow_nan=False) + "\n"
        return write_texts(out, texts, self.metrics_json())


def head(
    card: ModelCard | SegmenterCard, part: str, data: Mapping[str, Any], made: str
) -> dict[str, Any]:
    """What every metrics.json says first: which model was measured on which films, and when."""
    return {
        "schema": SCHEMA,
        "model": card.model,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "part": part,
        "data": dict(data),
        "made": made,
        "software": VERSION,
    }


def write_texts(out: Path, texts: Mapping[str, str | bytes], metrics: Mapping[str, Any]) -> Path:
    """Write the files of an evaluation by name, metrics.json last, each visible only once it is whole.

    Returns metrics.json's path. Raises DataError when the folder cannot be written.
    """
    found = {**texts, METRICS: json.dumps(metrics, indent=2, allow_nan=False) + "\n"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (
            METRICS,
            RECALIBRATION,
            TYPED,
        ):  # of an earlier evaluation: never beside files not of theirs
            (out / name).unlink(missing_ok=True)
        for name, text in found.items():
            with atomic_file(out / name) as draft:
                draft.write_bytes(text.encode() if isinstance(text, str) else text)
    except OSError as error:
        raise DataError(
            f"the evaluation cannot be written to {out}: {error.strerror}; give --out another"
        ) from error
    return out / METRICS


def _parquet(table: pd.DataFrame) -> bytes:
    """The table with its types; patients, who may be named by numbers or words, as words."""
    buffer = io.BytesIO()
    table.assign(patient=table["patient"].astype(str)).to_parquet(buffer, index=False)
    return buffer.getvalue()


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """The metrics.json of an evaluation folder; None when there is none, or none that can be read."""
    try:
        found = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None
