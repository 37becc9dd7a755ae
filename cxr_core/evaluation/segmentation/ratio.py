"""Scores the measured cardiothoracic ratio against labels: alone, beside a classifier, and fused with it.

A film that could not be measured has no ratio (NaN). The ratio alone is scored on the measured films; the fusion weighs
each ratio as a reading does, and keeps the classifier's answer for films without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.curves import Roc, compute_roc
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.evaluation.segmentation.results import (
    ComparatorModel,
    GroupScores,
    RatioScores,
    ScoreAurocs,
    ScoredFusion,
    UnmeasuredFilms,
)
from cxr_core.inference import FilmRatios, predict_films
from cxr_core.models.card import Calibration, Fusion, ModelCard
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card
from cxr_core.reading.cardiothoracic.fusion import fuse_logits, weigh_ratio
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from cxr_core.reading.classifier import Classifier

RATIO, CLASSIFIER, FUSION = "ratio", "classifier", "combined"  # the scores, by their keys on disk
VIEWS = ("PA", "AP")
ALL_VIEWS, WITHIN_VIEWS = "all", "within"


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioEvaluation:
    """The ratio as a score for cardiomegaly. roc: by score, on the measured films.

    table: label, and where there is a classifier its logit and probability and the fused log-odds; one row per film of
    the split, NaN without a label.
    """

    scores: RatioScores
    roc: Mapping[str, Roc]
    table: pd.DataFrame


def has_labels_to_score(films: Manifest) -> bool:
    """Whether any film has a known label of cardiomegaly."""
    return MEASURED_FINDING in films.findings and bool(films.table[MEASURED_FINDING].notna().any())


def check_comparator(card: ModelCard) -> None:
    """Raise ModelError for a classifier that does not answer cardiomegaly."""
    if MEASURED_FINDING not in card.findings:
        raise ModelError(
            f"{card.model} {card.version} answers {', '.join(card.findings)}, not {MEASURED_FINDING}; "
            "give another model with --beside"
        )


def load_installed_comparator() -> Classifier | None:
    """The installed classifier that answers cardiomegaly; None without one.

    Raises ModelError for several, and where there is none but one whose card cannot be read.
    """
    folders, problem = [], None
    for folder in list_classifiers():
        try:
            if MEASURED_FINDING in load_card(folder).findings:
                folders.append(folder)
        except ModelError as error:
            problem = error
    if problem is not None and not folders:
        raise problem
    if len(folders) > 1:
        names = ", ".join(folder.parent.name for folder in folders)
        raise ModelError(
            f"several installed models answer {MEASURED_FINDING}: {names}; choose one with --beside"
        )
    return Classifier.load(folders[0]) if folders else None


def score_ratio(
    segmenter: SegmenterCard,
    films: Manifest,
    ratios: FilmRatios,
    comparator: Classifier | None,
) -> RatioEvaluation:
    """Score the ratio of labelled films against their labels, beside a classifier where one is given.

    segmenter: the card of the model that measured the ratios. Raises DataError when no film has a label, ModelError for
    a classifier that does not answer cardiomegaly.
    """
    if not has_labels_to_score(films):
        raise DataError(
            f"the films have no labels for {MEASURED_FINDING}, so the ratio cannot be scored against them"
        )
    labelled_rows = films.table[MEASURED_FINDING].notna().to_numpy()
    labelled = films.with_table(films.table[labelled_rows])
    labels = labelled.table[MEASURED_FINDING].to_numpy(np.float64)
    views = labelled.table["view"].fillna("").to_numpy(str)
    scores = {RATIO: ratios.values[labelled_rows]}
    columns = {MEASURED_FINDING: labels}
    fusion = None
    if comparator:
        check_comparator(comparator.card)
        answers = _predict_finding(comparator, labelled)
        scores[CLASSIFIER] = answers["logit"].to_numpy()
        columns |= {"logit": scores[CLASSIFIER], "probability": answers["probability"]}
        fusion = find_fusion(comparator.card, segmenter)
    if comparator and fusion:
        calibration = comparator.card.calibration[MEASURED_FINDING]
        weights = weigh_ratios(fusion, ratios)[labelled_rows]
        scores[FUSION] = fuse_scores(
            fusion, calibration, scores[CLASSIFIER], scores[RATIO], weights, views
        )
        columns["combined"] = scores[FUSION]
    measured = ~np.isnan(scores[RATIO])
    curves = {
        name: compute_roc(score[measured], labels[measured]) for name, score in scores.items()
    }
    figures = RatioScores(
        finding=MEASURED_FINDING,
        unlabelled=int((~labelled_rows).sum()),
        comparator=_describe_comparator(comparator.card) if comparator else None,
        fusion=_describe_fusion(fusion) if fusion else None,
        views=score_by_view(scores, labels, labelled.table["patient"].to_numpy(str), views),
        sources=_score_by_source(scores, labels, labelled.table),
    )
    return RatioEvaluation(
        scores=figures,
        roc={name: roc for name, roc in curves.items() if roc is not None},
        table=_spread_rows(pd.DataFrame(columns), labelled_rows),
    )


def find_fusion(card: ModelCard, segmenter: SegmenterCard) -> Fusion | None:
    """The fusion with cardiomegaly in a classifier's card, if it was fitted with this segmenter."""
    fusion = card.fusion.get(MEASURED_FINDING)
    if fusion is None or fusion.model != f"{segmenter.model} {segmenter.version}":
        return None
    return fusion


def weigh_ratios(fusion: Fusion, ratios: FilmRatios) -> np.ndarray:
    """(N,) weights of the ratios in [0, 1], 0 for films without one."""
    films = zip(ratios.standard_errors.tolist(), ratios.tapers.tolist(), strict=True)
    return np.array([weigh_ratio(fusion, *film) if film[1] > 0 else 0.0 for film in films])


def fuse_scores(
    fusion: Fusion,
    calibration: Calibration,
    logits: np.ndarray,
    ratios: np.ndarray,
    weights: np.ndarray,
    views: np.ndarray,
) -> np.ndarray:
    """(N,) fused log-odds; the classifier's calibrated ones for films without a ratio (NaN).

    logits, ratios, weights: (N,).  views: (N,) "PA", "AP", or anything else for unknown.
    """
    log_odds = calibration.slope * logits + calibration.intercept
    return fuse_logits(fusion, log_odds, ratios, views, weights)


def score_by_view(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, patients: np.ndarray, views: np.ndarray
) -> dict[str, GroupScores]:
    """`score_films` of all films, of PA and AP films alone, and of both with each film among those of its view.

    views: (N,) PA, AP or something else; "within" leaves out the latter.
    """
    groups = {ALL_VIEWS: np.ones(len(labels), bool)}
    groups |= {view: views == view for view in VIEWS}
    found = {
        name: score_films(_select_rows(scores, rows), labels[rows], patients[rows])
        for name, rows in groups.items()
    }
    known = np.isin(views, VIEWS)
    found[WITHIN_VIEWS] = score_films(
        _select_rows(scores, known), labels[known], patients[known], views[known]
    )
    return found


def score_films(
    scores: Mapping[str, np.ndarray],
    labels: np.ndarray,
    patients: np.ndarray,
    views: np.ndarray | None = None,
) -> GroupScores:
    """AUROC of each score and their paired differences, with patient-bootstrapped 95 % intervals.

    scores: (N,) by name; the ratio is NaN where none was measured.  labels: (N,) 0 or 1.  views: (N,) where a positive
    film is compared only with negative ones of its own view. Undefined without both classes.
    """
    measured = ~np.isnan(scores[RATIO])
    strata = np.full(len(labels), "") if views is None else views
    on_all = {name: score for name, score in scores.items() if name != RATIO}
    return GroupScores(
        films=len(labels),
        positives=int((labels == 1).sum()),
        unmeasured=UnmeasuredFilms(
            films=int((~measured).sum()),
            share=round(float((~measured).mean()), 6) if len(measured) else None,
            positives=int((labels[~measured] == 1).sum()),
        ),
        on_measured=_compare_aurocs(
            _select_rows(scores, measured), labels[measured], patients[measured], strata[measured]
        ),
        on_all=_compare_aurocs(on_all, labels, patients, strata) if on_all else None,
    )


def stratified_auroc(
    views: np.ndarray, scores: np.ndarray, labels: np.ndarray, weights: Resamples
) -> np.ndarray:
    """(R,) AUROC within views, weighted by their positives; a view without both classes is left out. NaN if none has.

    With one view it is that view's AUROC. Source: the covariate-adjusted ROC curve of Janes & Pepe 2009, Biometrika
    96:371-382, whose area is the mean over cases of how many controls of the same stratum each one exceeds.
    """
    weighted = np.zeros(weights.shape[0])
    total = np.zeros(weights.shape[0])
    for view in np.unique(views):
        rows = views == view
        of_view = weights.select(rows)
        area = auroc(scores[rows], labels[rows], of_view)
        positives = of_view @ (labels[rows] == 1).astype(float)
        weighted = weighted + np.nan_to_num(area) * positives
        total = total + np.where(np.isnan(area), 0.0, positives)
    return np.divide(weighted, total, out=np.full(np.shape(weighted), np.nan), where=total > 0)


def _compare_aurocs(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, patients: np.ndarray, views: np.ndarray
) -> ScoreAurocs:
    pairs = list(combinations(list(scores)[::-1], 2))

    def measure(weights: Resamples) -> dict[str, np.ndarray]:
        areas = {
            name: stratified_auroc(views, score, labels, weights) for name, score in scores.items()
        }
        differences = {f"{one} - {other}": areas[one] - areas[other] for one, other in pairs}
        return areas | differences

    figures = to_figures(bootstrap_patients(measure, patients), labels)
    rounded = {name: figure.rounded() for name, figure in figures.items()}
    return ScoreAurocs(
        auroc={name: rounded[name] for name in scores},
        difference={name: figure for name, figure in rounded.items() if name not in scores},
    )


def _score_by_source(
    scores: Mapping[str, np.ndarray], labels: np.ndarray, films: pd.DataFrame
) -> dict[str, dict[str, GroupScores]]:
    """`score_by_view` of each source of the films; empty when there is only one."""
    patients = films["patient"].to_numpy(str)
    views, sources = (films[name].fillna("").to_numpy(str) for name in ("view", "source"))
    names = sorted(set(sources))
    if len(names) < 2:
        return {}
    by_source = {}
    for name in names:
        rows = sources == name
        selected = _select_rows(scores, rows)
        by_source[name] = score_by_view(selected, labels[rows], patients[rows], views[rows])
    return by_source


def _select_rows(scores: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: score[rows] for name, score in scores.items()}


def _predict_finding(classifier: Classifier, films: Manifest) -> pd.DataFrame:
    """Logit and probability of cardiomegaly, in the order of the films."""
    table = predict_films(classifier, films)
    rows = table.loc[table["finding"] == MEASURED_FINDING, ["logit", "probability"]]
    return rows.reset_index(drop=True)


def _describe_comparator(card: ModelCard) -> ComparatorModel:
    return ComparatorModel(
        model=card.model, version=card.version, weights_sha256=card.weights_sha256
    )


def _describe_fusion(fusion: Fusion) -> ScoredFusion:
    return ScoredFusion(
        from_card=True,
        source=fusion.source,
        intercept=fusion.intercept,
        classifier=fusion.classifier,
        measured=fusion.measured,
        centre=fusion.centre,
        ap=fusion.ap,
    )


def _spread_rows(table: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """The rows of some films at their places among all films, NaN at the others. rows: (N,) bool."""
    return table.set_index(np.flatnonzero(rows)).reindex(range(len(rows)))
