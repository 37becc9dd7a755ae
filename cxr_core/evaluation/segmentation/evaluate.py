"""Evaluates a segmenter on one split: against masks, a recorded ratio, and labels of cardiomegaly."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import describe_data
from cxr_core.evaluation.metrics.curves import Roc
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.report.segmenter_report import (
    SegmenterReportContent,
    render_segmenter_report,
)
from cxr_core.evaluation.segmentation.mask_comparison import (
    compare_with_recorded,
    measure_films,
    read_recorded_ratios,
)
from cxr_core.evaluation.segmentation.metrics import compute_segmentation_figures
from cxr_core.evaluation.segmentation.ratio import (
    RatioEvaluation,
    check_comparator,
    has_labels_to_score,
    score_ratio,
)
from cxr_core.evaluation.segmentation.results import (
    RecordedAgreement,
    SegmentationFigures,
    SegmenterMetrics,
)
from cxr_core.evaluation.store.folder import PREDICTIONS, REPORT, make_head, write_files
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.workspace.json_files import JsonObject


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmenterEvaluation:
    """A segmenter on one split. table: one row per film.

    figures: against masks.  recorded: against the ratio that the data records.  score: the ratio against labels of
    cardiomegaly. Each is None when the data has nothing to compare with.
    """

    card: SegmenterCard
    split: str
    data: EvaluatedData
    table: pd.DataFrame
    figures: SegmentationFigures | None
    recorded: RecordedAgreement | None
    score: RatioEvaluation | None
    made: str

    def to_metrics(self) -> SegmenterMetrics:
        """Everything that metrics.json holds."""
        head = make_head(self.card, self.split, self.data, self.made)
        return SegmenterMetrics(
            **head.as_keywords(),
            figures=self.figures,
            recorded=self.recorded,
            score=self.score.scores if self.score else None,
        )

    def figures_for_card(self) -> JsonObject:
        """The figures against masks, as the model's card records them; empty without masks."""
        return self.figures.to_json() if self.figures else {}

    def report_html(self) -> str:
        """report.html as text."""
        roc: Mapping[str, Roc] = self.score.roc if self.score else {}
        return render_segmenter_report(
            SegmenterReportContent(
                card=self.card, metrics=self.to_metrics(), table=self.table, roc=roc
            )
        )

    def write(self, out: Path) -> Path:
        """Write predictions.csv, report.html and metrics.json. Returns the path of metrics.json.

        Raises DataError when the folder cannot be written.
        """
        contents = {PREDICTIONS: self.table.to_csv(index=False), REPORT: self.report_html()}
        return write_files(out, contents, self.to_metrics())


def evaluate_segmenter(
    segmenter: Segmenter,
    films: Manifest,
    split: str,
    *,
    comparator: Classifier | None = None,
    progress: Progress = ignore_progress,
) -> SegmenterEvaluation:
    """Evaluate a segmenter against everything that the data holds. films: of this split alone.

    comparator: the classifier that the ratio is compared with, where the films have labels.  progress: called with
    (films segmented, films). Raises DataError when the films have neither masks nor labels of cardiomegaly, ModelError
    for a comparator that does not answer cardiomegaly.
    """
    if comparator:
        check_comparator(comparator.card)
    table, compared, ratios = measure_films(segmenter, films, progress)
    figures = compute_segmentation_figures(compared) if compared else None
    table["recorded_ratio"] = read_recorded_ratios(films)
    recorded = compare_with_recorded(table)
    if table["recorded_ratio"].isna().all():
        table = table.drop(columns="recorded_ratio")
    score = None
    if has_labels_to_score(films):
        score = score_ratio(segmenter.card, films, ratios, comparator)
        table = pd.concat([table, score.table], axis=1)
    if figures is None and score is None:
        raise DataError(
            f"the films have neither masks (masks/STRUCTURE/ next to images/) nor labels for {MEASURED_FINDING}, so "
            "nothing can be measured"
        )
    return SegmenterEvaluation(
        card=segmenter.card,
        split=split,
        data=describe_data(films),
        table=table,
        figures=figures,
        recorded=recorded,
        score=score,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
