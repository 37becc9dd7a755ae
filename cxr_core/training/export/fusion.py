"""Lets the measured cardiothoracic ratio contribute to a classifier's probability of cardiomegaly.

The ratio defines the finding, and a reader can check it with a ruler, while labels are text-mined and few. So it
contributes wherever it discriminates by itself and does not worsen the probability; it need not prove a gain.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.evaluation.segmentation.ratio import RATIO, score_films
from cxr_core.inference import classify_films, segment_films
from cxr_core.models.card import Fusion, ModelCard
from cxr_core.models.store import load_card, update_card
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.cardiothoracic.fusion_fit import cross_validate_losses, fit_fusion
from cxr_core.reading.cardiothoracic.ratio import WIDENING_REASONS
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter

FINDING = "cardiomegaly"


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """The outcome of a fit.

    fusion: what was written into the card; None where the ratio does not contribute.  rejection: why it does not, or
    "".  loss_alone, loss_fused: log loss on held-out validation patients.  films, positives: fitted on.
    """

    fusion: Fusion | None
    rejection: str
    loss_alone: float
    loss_fused: float
    films: int
    positives: int


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionFilms:
    """N labelled films with a ratio.

    log_odds: (N,) of the classifier's calibrated probability.  ratios, labels: (N,).  views, patients: (N,) text.
    """

    log_odds: np.ndarray
    ratios: np.ndarray
    labels: np.ndarray
    views: np.ndarray
    patients: np.ndarray


def fuse_with_ratio(
    folder: Path, segmenter: Segmenter, films: Manifest, progress: Progress = ignore_progress
) -> FusionResult:
    """Fit the fusion on validation films and write it into the card of a classifier's folder.

    Nothing is written, and a former fusion is removed, where the ratio alone is not known to discriminate (the 95 %
    interval of its AUROC reaches 0.5), or the log loss on held-out patients is known to be higher with it (the interval
    of the paired difference lies above 0).

    films: usable and decoded, the validation films of the classifier. Films without a label, and films that cannot be
    measured or carry warnings beyond the view, are left out, as in reading. Raises DataError for films of one class.
    """
    classifier = Classifier.load(folder)
    if FINDING not in films.findings:
        raise DataError(
            f"the films have no labels for {FINDING}, the only finding that the ratio informs"
        )
    films = films.with_table(films.table[films.table[FINDING].notna()])
    measured = _measure_films(classifier, segmenter, films, progress)
    losses_alone, losses_fused = cross_validate_losses(
        measured.log_odds, measured.ratios, measured.views, measured.labels, measured.patients
    )
    rejection = _find_rejection(measured, losses_fused - losses_alone)
    fusion = None if rejection else _fit_to_films(measured, segmenter, losses_alone, losses_fused)
    _write_fusion(folder, fusion)
    return FusionResult(
        fusion=fusion,
        rejection=rejection,
        loss_alone=float(losses_alone.mean()),
        loss_fused=float(losses_fused.mean()),
        films=len(measured.labels),
        positives=int((measured.labels == 1).sum()),
    )


def _measure_films(
    classifier: Classifier, segmenter: Segmenter, films: Manifest, progress: Progress
) -> FusionFilms:
    ratios = _measure_ratios(segmenter, films, progress)
    probabilities = _predict_probabilities(classifier, films)
    measured = ~np.isnan(ratios)
    views = films.table["view"].fillna("").to_numpy(str)
    patients = films.table["patient"].fillna("").to_numpy(str)
    return FusionFilms(
        log_odds=np.array([log_odds(value) for value in probabilities])[measured],
        ratios=ratios[measured],
        labels=films.table[FINDING].to_numpy(np.float64)[measured],
        views=views[measured],
        patients=patients[measured],
    )


def _find_rejection(films: FusionFilms, added_loss: np.ndarray) -> str:
    """Why the ratio does not contribute; "" where it does. added_loss: (N,) of each film, by the fusion."""
    scores = score_films({RATIO: films.ratios}, films.labels, films.patients)
    low = scores.on_measured.auroc[RATIO].low
    if low is None or low <= 0.5:
        return "the ratio alone is not known to discriminate"
    mean = bootstrap_means({"added": added_loss}, films.patients)["added"]
    if mean.low is not None and mean.low > 0:
        return "it worsens the probability"
    return ""


def _fit_to_films(
    films: FusionFilms, segmenter: Segmenter, losses_alone: np.ndarray, losses_fused: np.ndarray
) -> Fusion:
    source = (
        f"{len(films.labels)} validation films with a ratio, carved from train by patient; held-out log loss "
        f"{losses_fused.mean():.4f} against {losses_alone.mean():.4f} without it"
    )
    return fit_fusion(
        films.log_odds,
        films.ratios,
        films.views,
        films.labels,
        model=f"{segmenter.card.model} {segmenter.card.version}",
        source=source,
    )


def _write_fusion(folder: Path, fusion: Fusion | None) -> None:
    def change(card: ModelCard) -> ModelCard:
        fusions = {key: value for key, value in card.fusion.items() if key != FINDING}
        if fusion is not None:
            fusions[FINDING] = fusion
        return replace(card, fusion=fusions)

    update_card(folder, change, load_card)


def _measure_ratios(segmenter: Segmenter, films: Manifest, progress: Progress) -> np.ndarray:
    """(N,) the ratio of each film, NaN where reading would not use it for the fusion."""
    ratios = []
    for result in segment_films(segmenter, films, progress):
        is_usable = result.ratio is not None and set(result.warnings) <= set(WIDENING_REASONS)
        ratios.append(result.ratio if is_usable else np.nan)
    return np.array(ratios, np.float64)


def _predict_probabilities(classifier: Classifier, films: Manifest) -> np.ndarray:
    """(N,) calibrated, of the finding."""
    index = classifier.card.findings.index(FINDING)
    return np.array([output.probabilities[index] for output in classify_films(classifier, films)])
