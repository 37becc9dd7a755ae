"""A segmenter on one part of a dataset: against masks, against a recorded ratio, and as a score for cardiomegaly."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import data_facts
from cxr_core.evaluation.metrics.curves import Roc
from cxr_core.evaluation.report.segmenter import OutlinesFacts, outlines_html
from cxr_core.evaluation.segmentation.evaluate_outlines import (
    against_masks,
    against_recorded,
    measured,
    recorded_ratios,
)
from cxr_core.evaluation.segmentation.evaluate_ratio import (
    Beside,
    RatioScore,
    has_labels,
    score_ratio,
)
from cxr_core.evaluation.store.folder import PREDICTIONS, REPORT, head, write_texts
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.reading.agreement import MEASURED_FINDING
from cxr_core.reading.segmenter import Outliner


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmenterEvaluation:
    """What one evaluation found. table: one row per film.

    figures: against the masks, recorded: against the ratio in ctr.csv, score: the ratio against labels of cardiomegaly;
    each None when the data has nothing to compare with.
    """

    card: SegmenterCard
    part: str
    data: Mapping[str, Any]
    table: pd.DataFrame
    figures: Mapping[str, Any] | None
    recorded: Mapping[str, Any] | None
    score: RatioScore | None
    made: str

    def metrics_json(self) -> dict[str, Any]:
        """metrics.json as a value."""
        return {
            **head(self.card, self.part, self.data, self.made),
            "figures": self.figures,
            "recorded": self.recorded,
            "score": self.score.figures if self.score else None,
        }

    def report_html(self) -> str:
        """report.html as text."""
        roc: Mapping[str, Roc] = self.score.roc if self.score else {}
        facts = OutlinesFacts(
            card=self.card,
            part=self.part,
            data=self.data,
            table=self.table,
            figures=self.figures,
            recorded=self.recorded,
            score=self.score.figures if self.score else None,
            roc=roc,
            made=self.made,
        )
        return outlines_html(facts)

    def write(self, out: Path) -> Path:
        """Write predictions.csv, report.html and metrics.json, as `folder.write_texts`. Returns metrics.json's path."""
        texts = {PREDICTIONS: self.table.to_csv(index=False), REPORT: self.report_html()}
        return write_texts(out, texts, self.metrics_json())


def evaluate_segmenter(
    outliner: Outliner,
    films: Manifest,
    part: str,
    *,
    beside: Beside | None = None,
    progress: Progress = quiet,
) -> SegmenterEvaluation:
    """All that one evaluation finds, of what the data can be compared with. films: of that part alone.

    beside: the classifier that the ratio is compared with, where the films have labels. progress: told (films outlined,
    films). Raises DataError when the films have neither masks nor labels of cardiomegaly.
    """
    table, compared = measured(outliner, films, progress)
    table["recorded_ratio"] = recorded_ratios(films)
    figures, recorded = against_masks(compared), against_recorded(table)
    if table["recorded_ratio"].isna().all():
        table = table.drop(columns="recorded_ratio")
    score = None
    if has_labels(films):
        ratios = table["ratio"].to_numpy(np.float64)
        score = score_ratio(
            outliner, films, ratios, table["trusted"].to_numpy(bool), beside, progress
        )
        table = pd.concat([table, score.table], axis=1)
    if figures is None and score is None:
        raise DataError(
            f"the films have neither masks (masks/STRUCTURE/ beside images/) nor labels for {MEASURED_FINDING}, so "
            "nothing can be measured"
        )
    return SegmenterEvaluation(
        card=outliner.card,
        part=part,
        data=data_facts(films),
        table=table,
        figures=figures,
        recorded=recorded,
        score=score,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
