"""Evaluates a classifier on one split of a dataset: predictions, figures with their intervals, curves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.errors import DataError
from cxr_core.evaluation.explanations.attribution_inside import evaluate_attribution
from cxr_core.evaluation.explanations.evaluate_localisation import evaluate_localisation
from cxr_core.evaluation.fused_predictions import add_fused_predictions
from cxr_core.evaluation.metrics.curves import (
    FindingCurves,
    collect_training_curves,
    compute_finding_curves,
)
from cxr_core.evaluation.metrics.degenerate import describe_degenerate_output
from cxr_core.evaluation.metrics.figures import (
    BALANCED,
    compute_auroc,
    compute_classification_report,
    compute_finding_figures,
    compute_macro_figures,
)
from cxr_core.evaluation.metrics.reported import name_calibrated, take_calibrated
from cxr_core.evaluation.metrics.results import (
    ClassificationReport,
    EvaluatedData,
    FindingFigures,
)
from cxr_core.evaluation.metrics.subgroups import compute_subgroups
from cxr_core.evaluation.store.folder import Evaluation, OutsidePopulation
from cxr_core.findings import ABNORMALITY
from cxr_core.inference import classify_films, predict_films, tabulate_predictions
from cxr_core.models.card import DecisionThresholds, ModelCard, OperatingPoint
from cxr_core.models.figures import Figure
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card, load_segmenter_card, update_card
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.decision import find_thresholds
from cxr_core.reading.results import ModelOutput
from cxr_core.reading.segmenter import Segmenter
from cxr_core.workspace.json_files import Json, JsonObject

VIEWS = ("PA", "AP")


def evaluate_classifier(
    classifier: Classifier,
    films: Manifest,
    split: str,
    *,
    events: Iterable[Mapping[str, Json]] = (),
    segmenter: Segmenter | None = None,
    dataset: Manifest | None = None,
    progress: Progress = ignore_progress,
) -> Evaluation:
    """One complete evaluation. films: of that split alone.  events: the progress of the model's run, if any.

    segmenter: segments heart and lungs, to measure how much of the evidence lies inside them, and for a model whose
    probability the ratio contributes to, to store that probability too; None leaves both out.
    dataset: all films, whose training boxes give the average box that heatmaps are compared with.
    progress: told (films read, films). Raises DataError without labels, ReadingError for a logit that is no number.
    """
    card, outputs = classifier.card, classify_films(classifier, films, progress)
    table = tabulate_predictions(card, films, outputs)
    evaluation = evaluate_predictions(card, table, films, split, events=events)
    figures = _add_heatmap_figures(
        evaluation.figures, classifier, films, outputs, segmenter, dataset, progress
    )
    fused = add_fused_predictions(card, table, films, segmenter, progress)
    return replace(evaluation, table=fused, figures=figures)


def evaluate_predictions(
    card: ModelCard,
    table: pd.DataFrame,
    films: Manifest,
    split: str,
    *,
    events: Iterable[Mapping[str, Json]] = (),
) -> Evaluation:
    """The evaluation of predictions that were made before, without figures of heatmaps. table: of `predict_films`.

    films: those of the table.  events: the progress of the model's run, if any. Raises DataError without labels.
    """
    labelled = _select_labelled(card, table)
    macro = None
    if len(labelled) > 1:
        macro = compute_macro_figures({key: _arrays(rows) for key, rows in labelled.items()})
    return Evaluation(
        card=card,
        split=split,
        data=describe_data(films),
        table=table,
        figures=compute_figures(card, table),
        reports={key: _compute_report(card, key, rows) for key, rows in labelled.items()},
        curves={key: _compute_curves(card, key, rows) for key, rows in labelled.items()},
        training=collect_training_curves(events),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        macro=macro,
    )


def measure_outside_population(
    classifier: Classifier, films: Manifest, progress: Progress = ignore_progress
) -> OutsidePopulation:
    """Figures of films whose patients the model is not for; none without labels."""
    table = predict_films(classifier, films, progress)
    has_labels = bool(table["label"].notna().any())
    figures = compute_figures(classifier.card, table) if has_labels else {}
    return OutsidePopulation(table=table, figures=figures)


def is_calibrated_on(card: ModelCard, dataset: Manifest, split: str, *, of_run: bool) -> bool:
    """Whether a model's calibration was fitted on this very split: the validation split that it was tuned on.

    dataset: all usable films.  of_run: whether the split is the one that the model's own run made; otherwise the data
    must be those whose hash the card has, as far as they show the patients whom the model is for.
    """
    if split != "val":
        return False
    if of_run:
        return True
    of_ages = dataset.match_ages(card.population.age_min, card.population.age_max)
    learnt = dataset.table[of_ages & dataset.table["split"].isin(("train", "val"))]
    recorded = card.training.get("data", {}).get("data_sha256")
    return bool(recorded) and dataset.with_table(learnt).data_sha256() == recorded


def describe_data(films: Manifest) -> EvaluatedData:
    """The films of an evaluation: how many, of how many patients, their hashes, and the terms of the data."""
    return EvaluatedData(
        films=len(films.table),
        patients=int(films.table["patient"].nunique()),
        data_sha256=films.data_sha256(),
        split_sha256=films.split_sha256(),
        terms=films.terms,
        label_layers=films.label_layers,
    )


def compute_figures(card: ModelCard, table: pd.DataFrame) -> dict[str, FindingFigures]:
    """The figures of every finding that has labels: of all films, of PA and AP where both occur, and by subgroup.

    table: of `predict_films`, in which every finding has the same films in the same order.
    Raises DataError when the films have no label for any of the model's findings.
    """
    # A name alone does not identify a film, and not every table has hashes. The films of every finding have one order.
    labelled = _select_labelled(card, table.assign(film=table.groupby("finding").cumcount()))
    figures = {key: _compute_figures_of_finding(card, key, rows) for key, rows in labelled.items()}
    if ABNORMALITY in labelled:
        rows = labelled[ABNORMALITY]
        normal = rows.loc[rows["label"] == 0, "film"]
        for key in figures.keys() - {ABNORMALITY}:
            against_normal = _compute_auroc_against_normal(labelled[key], normal)
            figures[key] = replace(figures[key], auroc_against_normal=against_normal)
    return figures


def record_in_card(
    folder: Path, card: ModelCard | SegmenterCard, split: str, figures: JsonObject
) -> None:
    """Write figures under a name into the card of a model folder, beside what others have written there meanwhile."""
    load = load_segmenter_card if isinstance(card, SegmenterCard) else load_card
    update_card(
        folder,
        lambda current: replace(current, metrics={**current.metrics, split: figures}),
        load,
    )


def _compute_figures_of_finding(card: ModelCard, key: str, rows: pd.DataFrame) -> FindingFigures:
    points, decisions = card.operating_points[key], card.decisions.get(key, ())
    by_view = {view: rows[rows["view"] == view] for view in VIEWS}
    by_view = {view: films for view, films in by_view.items() if len(films)}
    views = {}
    if len(by_view) > 1:
        views = {
            view: _compute_own_figures(films, points, decisions) for view, films in by_view.items()
        }
    return replace(
        _compute_own_figures(rows, points, decisions),
        views=views,
        subgroups=compute_subgroups(rows, card.operating_point(key, BALANCED)).as_recorded(),
        degenerate=describe_degenerate_output(
            rows["probability"].to_numpy(np.float64),
            rows["label"].to_numpy(np.float64),
            find_thresholds(card, key, DEFAULT_DECISION, fused=False),
        ),
    )


def _compute_auroc_against_normal(rows: pd.DataFrame, normal: pd.Series) -> Figure:
    """Of the films with the finding against the normal ones; films with another finding are left out.

    normal: the normal films, as the column `film` has them.
    """
    return compute_auroc(*_arrays(rows[(rows["label"] == 1) | rows["film"].isin(normal)]))


def _compute_own_figures(
    rows: pd.DataFrame,
    points: tuple[OperatingPoint, ...],
    decisions: tuple[DecisionThresholds, ...],
) -> FindingFigures:
    figures = compute_finding_figures(
        *_arrays(rows), points, decisions, calibrated=take_calibrated(rows)
    )
    return replace(figures, calibration_of=name_calibrated(rows))


def _add_heatmap_figures(
    figures: Mapping[str, FindingFigures],
    classifier: Classifier,
    films: Manifest,
    outputs: list[ModelOutput],
    segmenter: Segmenter | None,
    dataset: Manifest | None,
    progress: Progress,
) -> dict[str, FindingFigures]:
    """The figures with those of the heatmaps: against the segmented chest, and against boxes where films have any."""
    complete = dict(figures)
    if segmenter:
        maps = {key: [output.attributions[key].cells for output in outputs] for key in figures}
        spec = classifier.card.input_spec
        for key, inside in evaluate_attribution(segmenter, films, maps, spec, progress).items():
            complete[key] = replace(complete[key], attribution_inside=inside)
    for key, localisation in evaluate_localisation(classifier, films, outputs, dataset).items():
        complete[key] = replace(complete[key], localisation=localisation)
    return complete


def _select_labelled(card: ModelCard, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows with a known label, of each of the model's findings that has any."""
    known = table[table["label"].notna()]
    by_finding = {key: known[known["finding"] == key] for key in card.findings}
    labelled = {key: rows for key, rows in by_finding.items() if len(rows)}
    if not labelled:
        findings = ", ".join(card.findings)
        raise DataError(f"the data has no labels for {findings}, so nothing can be evaluated")
    return labelled


def _compute_report(card: ModelCard, key: str, rows: pd.DataFrame) -> ClassificationReport:
    return compute_classification_report(*_arrays(rows), card.operating_point(key, BALANCED))


def _compute_curves(card: ModelCard, key: str, rows: pd.DataFrame) -> FindingCurves:
    points = card.operating_points[key]
    return compute_finding_curves(*_arrays(rows), points, take_calibrated(rows))


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, (N,) each."""
    return (
        rows["probability"].to_numpy(np.float64),
        rows["label"].to_numpy(np.float64),
        rows["patient"].to_numpy(),
    )
