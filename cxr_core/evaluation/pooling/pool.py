"""Pools the held-out predictions of a cross-validation into one evaluation.

Each film was predicted once, by the model that saw no film of its patient. Probabilities are compared as they are, as
each model is calibrated within its fold. A film is called by the thresholds of its own model, which were chosen within
the fold as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from cxr_core.data.manifest import hash_lines
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import VIEWS
from cxr_core.evaluation.metrics.curves import (
    FindingCurves,
    PointConfusion,
    compute_finding_curves,
)
from cxr_core.evaluation.metrics.degenerate import describe_degenerate_output
from cxr_core.evaluation.metrics.figures import (
    BALANCED,
    compute_classification_report,
    compute_finding_figures,
    compute_macro_figures,
)
from cxr_core.evaluation.metrics.reported import name_calibrated, take_calibrated
from cxr_core.evaluation.metrics.results import (
    RATES,
    ClassificationReport,
    DecisionFigures,
    EvaluatedData,
    FindingFigures,
    PointFigures,
    Subgroups,
)
from cxr_core.evaluation.metrics.subgroups import compute_subgroups
from cxr_core.evaluation.pooling.card import average_cards
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.models.card import ModelCard, OperatingPoint
from cxr_core.presentation.wording import OUT_OF_FOLD

CALLS = OperatingPoint(name=BALANCED, threshold=0.5, source="")  # of calls as 0 and 1
SUSPECTED_FROM, UNDECIDED_FROM = 0.75, 0.25  # of calls as 0, 0.5 (undecided) and 1


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldPredictions:
    """One fold: the card of its model, and the predictions for its held-out films.

    table: as predictions.csv has it, with sha256.  data: of its evaluation.
    """

    card: ModelCard
    table: pd.DataFrame
    data: EvaluatedData


def pool_predictions(folds: Sequence[FoldPredictions]) -> Evaluation:
    """One evaluation of all folds' held-out films; the table's `fold` says by which model, from 1.

    Intervals are by patient over all folds. Raises DataError when a film or a patient lies in two folds.
    """
    table = pd.concat(
        [fold.table.assign(fold=number) for number, fold in enumerate(folds, 1)], ignore_index=True
    )
    _require_disjoint(table)
    card = average_cards([fold.card for fold in folds])
    known = table[table["label"].notna()]
    rows_of = {key: known[known["finding"] == key] for key in card.findings}
    rows_of = {key: rows for key, rows in rows_of.items() if len(rows)}
    if not rows_of:
        raise DataError(f"the data has no labels for {', '.join(card.findings)}")
    findings = {key: _PooledFinding(rows, key, card, folds) for key, rows in rows_of.items()}
    macro = None
    if len(findings) > 1:
        macro = compute_macro_figures({key: each.arrays for key, each in findings.items()})
    return Evaluation(
        card=card,
        split=OUT_OF_FOLD,
        data=_describe_data(table, folds),
        table=table,
        figures={key: each.compute_figures() for key, each in findings.items()},
        reports={key: each.compute_report() for key, each in findings.items()},
        curves={key: each.compute_curves() for key, each in findings.items()},
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        macro=macro,
    )


class _PooledFinding:
    """The films of one finding, and how each is called by the model of its fold."""

    def __init__(
        self, rows: pd.DataFrame, key: str, card: ModelCard, folds: Sequence[FoldPredictions]
    ):
        self._rows, self._key, self._card, self._folds = rows, key, card, folds
        self._points = card.operating_points[key]

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities, labels and patients, (N,) each."""
        return (
            self._rows["probability"].to_numpy(np.float64),
            self._rows["label"].to_numpy(np.float64),
            self._rows["patient"].to_numpy(),
        )

    def compute_figures(self) -> FindingFigures:
        """All figures of the finding, of PA and AP where both occur, and by subgroup."""
        views = {}
        by_view = {view: self._rows[self._rows["view"] == view] for view in VIEWS}
        if all(map(len, by_view.values())):
            for view, rows in by_view.items():
                views[view] = self._with_rows(rows)._compute_own_figures()
        probabilities, labels, _ = self.arrays
        return replace(
            self._compute_own_figures(),
            views=views,
            subgroups=self._compute_subgroups(),
            degenerate=describe_degenerate_output(probabilities, labels),
        )

    def compute_report(self) -> ClassificationReport:
        """Precision, recall and F1 of each class by the balanced thresholds of the folds."""
        _, labels, patients = self.arrays
        report = compute_classification_report(self._call(BALANCED), labels, patients, CALLS)
        return replace(report, threshold=self._card.operating_point(self._key, BALANCED).threshold)

    def compute_curves(self) -> FindingCurves:
        """The curves of the pooled probabilities, and the confusion of the folds' own calls."""
        probabilities, labels, patients = self.arrays
        calibrated = take_calibrated(self._rows)
        curves = compute_finding_curves(probabilities, labels, patients, self._points, calibrated)
        confusion = {
            point.name: _count_confusion(point.threshold, self._call(point.name), labels)
            for point in self._points
        }
        return replace(curves, confusion=confusion)

    def _compute_own_figures(self) -> FindingFigures:
        probabilities, labels, patients = self.arrays
        figures = compute_finding_figures(
            probabilities, labels, patients, self._points, calibrated=take_calibrated(self._rows)
        )
        figures = replace(figures, calibration_of=name_calibrated(self._rows))
        points: dict[str, PointFigures] = {}
        for point in self._points:
            calls = self._call(point.name)
            of_calls = compute_finding_figures(calls, labels, patients, (CALLS,))
            points[point.name] = of_calls.points[BALANCED]
            if point.name == BALANCED:
                rates = {name: getattr(of_calls, name) for name in RATES}
                figures = replace(figures, **rates)
        decisions: dict[str, DecisionFigures] = {}
        for decision in self._card.decisions.get(self._key, ()):
            levels = replace(decision, present_from=SUSPECTED_FROM, absent_below=UNDECIDED_FROM)
            graded = compute_finding_figures(
                self._grade(decision.name), labels, patients, (CALLS,), (levels,)
            )
            decisions |= graded.decisions
        return replace(figures, points=points, decisions=decisions)

    def _compute_subgroups(self) -> Subgroups:
        """AUROC and calibration of the probabilities, sensitivity and specificity of the folds' own calls."""
        point = self._card.operating_point(self._key, BALANCED)
        scored = compute_subgroups(self._rows, point).as_recorded()
        rows = self._rows.assign(probability=self._call(BALANCED))
        called = compute_subgroups(rows, replace(CALLS, name=point.name)).as_recorded()
        groups = []
        for group, of_calls in zip(scored.groups, called.groups, strict=True):
            rates = ("sensitivity", "specificity")
            figures = {name: of_calls.figures[name] for name in rates if of_calls.figures}
            differences = {
                name: of_calls.differences[name] for name in rates if of_calls.differences
            }
            groups.append(
                replace(
                    group,
                    figures={**group.figures, **figures},
                    differences={**group.differences, **differences},
                )
            )
        return replace(scored, groups=tuple(groups))

    def _call(self, point: str) -> np.ndarray:
        """(N,) 1 where a film's own model calls it present at an operating point, else 0."""
        thresholds = [fold.card.operating_point(self._key, point).threshold for fold in self._folds]
        return (self.arrays[0] >= self._of_fold(thresholds)).astype(np.float64)

    def _grade(self, decision: str) -> np.ndarray:
        """(N,) 1 where a film's own model suspects the finding by a decision, 0.5 where undecided, else 0."""
        own = [
            next(each for each in fold.card.decisions[self._key] if each.name == decision)
            for fold in self._folds
        ]
        present = self.arrays[0] >= self._of_fold([each.present_from for each in own])
        absent = self.arrays[0] < self._of_fold([each.absent_below for each in own])
        return np.where(present, 1.0, np.where(absent, 0.0, 0.5))

    def _of_fold(self, values: Sequence[float]) -> np.ndarray:
        """(N,) the value of each film's fold."""
        return np.asarray(values, np.float64)[self._rows["fold"].to_numpy() - 1]

    def _with_rows(self, rows: pd.DataFrame) -> "_PooledFinding":
        return _PooledFinding(rows, self._key, self._card, self._folds)


def _require_disjoint(table: pd.DataFrame) -> None:
    for column, what in (("patient", "patients"), ("sha256", "images")):
        folds = table.groupby(column)["fold"].nunique()
        count = int((folds > 1).sum())
        if count:
            raise DataError(
                f"{count:,} {what} lie in more than one fold, so their predictions are not all held out; cross-"
                "validate with folds that are divided by patient"
            )


def _count_confusion(threshold: float, calls: np.ndarray, labels: np.ndarray) -> PointConfusion:
    return PointConfusion(
        threshold=threshold,
        true_positive=int(np.sum((calls == 1) & (labels == 1))),
        false_positive=int(np.sum((calls == 1) & (labels == 0))),
        false_negative=int(np.sum((calls == 0) & (labels == 1))),
        true_negative=int(np.sum((calls == 0) & (labels == 0))),
    )


def _describe_data(table: pd.DataFrame, folds: Sequence[FoldPredictions]) -> EvaluatedData:
    films = table[table["finding"] == table["finding"].iloc[0]]
    return EvaluatedData(
        films=len(films),
        patients=int(films["patient"].nunique()),
        data_sha256=hash_lines(films["sha256"]),
        split_sha256=hash_lines(fold.data.split_sha256 for fold in folds),
        terms=folds[0].data.terms,
        folders=folds[0].data.folders,
        label_layers=folds[0].data.label_layers,
    )
