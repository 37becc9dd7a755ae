"""The ratio that a segmenter measures as a score for cardiomegaly, beside a classifier on the same films."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.evaluate import predictions
from cxr_core.evaluation.metrics.curves import Roc, roc_of
from cxr_core.evaluation.segmentation.evaluate_outlines import anatomies
from cxr_core.evaluation.segmentation.ratio import (
    CLASSIFIER,
    COMBINED,
    RATIO,
    Combination,
    by_view,
    fit_combination,
)
from cxr_core.models import card
from cxr_core.models.registry.registry import installed
from cxr_core.models.store import load_card
from cxr_core.reading.agreement import MEASURED_FINDING
from cxr_core.reading.cardiothoracic.fusion import combined_logits
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Outliner

FindFilms = Callable[[], tuple[Manifest, str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """The classifier that the ratio is compared with, and the films that their combination is fitted on.

    fit_films: finds them and says which they are, in words; asked only when the part measured has labels.
    """

    classifier: Classifier
    fit_films: FindFilms

    def __post_init__(self) -> None:
        known = self.classifier.card
        if MEASURED_FINDING not in known.findings:
            raise ModelError(
                f"{known.model} {known.version} answers {', '.join(known.findings)}, not {MEASURED_FINDING}; "
                "give another model with --beside"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioScore:
    """What the ratio tells of cardiomegaly. figures: as metrics.json carries them.  roc: by score, on measured films.

    table: classifier's logit and probability, and the combined log-odds, in the rows of the films; NaN without labels.
    """

    figures: dict[str, Any]
    roc: dict[str, Roc]
    table: pd.DataFrame


def has_labels(films: Manifest) -> bool:
    """Whether any film has a known label of cardiomegaly."""
    return MEASURED_FINDING in films.findings and bool(films.table[MEASURED_FINDING].notna().any())


def score_ratio(
    outliner: Outliner,
    films: Manifest,
    ratios: np.ndarray,
    trusted: np.ndarray,
    beside: Beside | None,
    progress: Progress = quiet,
) -> RatioScore:
    """The ratio of films with labels, against them and beside a classifier.

    ratios: (N,) of all films of the part, NaN where none could be measured; films without a label are left out.
    trusted: (N,) whether nothing on the film speaks against its ratio; a reading combines no other.
    Without `beside` the ratio stands alone. Raises DataError when no film has a label, or those that the combination
    is to be fitted on are among the films measured, or show one class only.
    """
    if not has_labels(films):
        raise DataError(
            f"the films have no labels for {MEASURED_FINDING}, so the ratio cannot be scored against them"
        )
    known = films.table[MEASURED_FINDING].notna().to_numpy()
    labelled = films.with_table(films.table[known])
    labels = labelled.table[MEASURED_FINDING].to_numpy(np.float64)
    scores = {RATIO: ratios[known]}
    columns = {MEASURED_FINDING: labels}
    combination = None
    if beside:
        answers = _answers(beside.classifier, labelled)
        scores[CLASSIFIER] = answers["logit"].to_numpy()
        combination = _combination_of(outliner, labelled, beside, progress)
        heard = scores[RATIO]
        if isinstance(combination, Shipped):
            heard = np.where(trusted[known], heard, np.nan)
        scores[COMBINED] = combination.log_odds(scores[CLASSIFIER], heard, _views(labelled))
        columns |= {
            "logit": scores[CLASSIFIER],
            "probability": answers["probability"],
            "combined": scores[COMBINED],
        }
    patients = labelled.table["patient"].to_numpy(str)
    views, sources = (labelled.table[name].fillna("").to_numpy(str) for name in ("view", "source"))
    seen = ~np.isnan(scores[RATIO])
    rocs = {name: roc_of(score[seen], labels[seen]) for name, score in scores.items()}
    figures: dict[str, Any] = {
        "finding": MEASURED_FINDING,
        "unlabelled": int((~known).sum()),
        "beside": _told(beside),
        "combination": combination.to_json() if combination else None,
        "views": by_view(scores, labels, patients, views),
    }
    if len(set(sources)) > 1:
        figures["sources"] = {
            source: by_view(
                {name: score[sources == source] for name, score in scores.items()},
                *(each[sources == source] for each in (labels, patients, views)),
            )
            for source in sorted(set(sources))
        }
    return RatioScore(
        figures=figures,
        roc={name: roc for name, roc in rocs.items() if roc is not None},
        table=_spread(pd.DataFrame(columns), known),
    )


def the_installed_one() -> Classifier | None:
    """The installed classifier that answers cardiomegaly; None without one. Raises ModelError for several."""
    found = [folder for folder in installed() if MEASURED_FINDING in load_card(folder).findings]
    if len(found) > 1:
        names = ", ".join(folder.parent.name for folder in found)
        raise ModelError(
            f"several installed models answer {MEASURED_FINDING}: {names}; choose one with --beside"
        )
    return Classifier.load(found[0]) if found else None


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """The combination that a classifier's card carries for this segmenter, as a reading applies it."""

    fitted: card.Combination
    calibration: card.Calibration

    def log_odds(self, logits: np.ndarray, ratios: np.ndarray, views: np.ndarray) -> np.ndarray:
        """(N,) the combined answer; the classifier's calibrated one for films without a ratio (NaN)."""
        answers = self.calibration.slope * logits + self.calibration.intercept
        seen = ~np.isnan(ratios)
        answers[seen] = combined_logits(self.fitted, answers[seen], ratios[seen], views[seen])
        return answers

    def to_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        names = ("intercept", "classifier", "measured", "centre", "ap")
        return {"shipped": True, "source": self.fitted.source} | {
            name: getattr(self.fitted, name) for name in names
        }


def _combination_of(
    outliner: Outliner, measured: Manifest, beside: Beside, progress: Progress
) -> Shipped | Combination:
    """That of the classifier's card, if it is of this segmenter; else one fitted on other films."""
    known = beside.classifier.card
    fitted = known.combination.get(MEASURED_FINDING)
    if fitted is not None and fitted.model == f"{outliner.card.model} {outliner.card.version}":
        return Shipped(fitted=fitted, calibration=known.calibration[MEASURED_FINDING])
    return _fitted(outliner, measured, beside, progress)


def _views(films: Manifest) -> np.ndarray:
    return films.table["view"].fillna("").to_numpy(str)


def _fitted(
    outliner: Outliner, measured: Manifest, beside: Beside, progress: Progress
) -> Combination:
    """The combination from films apart from those that are measured."""
    films, which = beside.fit_films()
    if not has_labels(films):
        raise DataError(
            f"the films to fit the combination on ({which}) have no labels for {MEASURED_FINDING}"
        )
    films = films.with_table(films.table[films.table[MEASURED_FINDING].notna()])
    for column, what in (("patient", "patients"), ("sha256", "pictures")):
        shared = set(films.table[column].dropna()) & set(measured.table[column].dropna())
        if shared:
            raise DataError(
                f"{len(shared)} {what} of the films to fit the combination on ({which}) are among the films "
                "measured; choose a part that shares none"
            )
    ratios = [anatomy.ratio for anatomy in anatomies(outliner, films, progress)]
    return fit_combination(
        _answers(beside.classifier, films)["logit"].to_numpy(),
        np.array([np.nan if ratio is None else ratio for ratio in ratios]),
        films.table[MEASURED_FINDING].to_numpy(np.float64),
        which,
    )


def _answers(classifier: Classifier, films: Manifest) -> pd.DataFrame:
    """Logit and probability of cardiomegaly, in the order of the films."""
    table = predictions(classifier, films)
    return table.loc[table["finding"] == MEASURED_FINDING, ["logit", "probability"]].reset_index(
        drop=True
    )


def _told(beside: Beside | None) -> dict[str, str] | None:
    if beside is None:
        return None
    told = beside.classifier.card
    return {"model": told.model, "version": told.version, "weights_sha256": told.weights_sha256}


def _spread(table: pd.DataFrame, known: np.ndarray) -> pd.DataFrame:
    """The rows of some films at their places among all of them, NaN at the others."""
    return table.set_index(np.flatnonzero(known)).reindex(range(len(known)))
