"""Lets the measured cardiothoracic ratio contribute to a classifier's probability of cardiomegaly.

The ratio defines the finding, and a reader can check it with a ruler, while labels are text-mined and few. So it
contributes wherever it discriminates by itself and does not worsen the probability; it need not prove a gain. Where
the noise of the labels is known, it also says which of them the thresholds are better chosen without.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.evaluation.segmentation.ratio import RATIO, score_films
from cxr_core.inference import FilmRatios, classify_films, flag_films, segment_films
from cxr_core.models.card import Fusion, ModelCard
from cxr_core.models.label_noise import LabelNoise, LabelRepair
from cxr_core.models.store import load_card, update_card
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.cardiothoracic.fusion_fit import (
    FusionFilms,
    cross_validate_losses,
    fit_fusion,
)
from cxr_core.reading.cardiothoracic.ratio import estimate_ratio
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.export.reader_calibration import ReaderCalibration, calibrate_to_readers

FINDING = "cardiomegaly"


@dataclass(frozen=True, kw_only=True)
class FusionResult:
    """The outcome of a fit.

    fusion: what was written into the card; None where the ratio does not contribute.  rejection: why it does not, or
    "".  loss_alone, loss_fused: log loss on held-out validation patients.  films, positives: fitted on.  repair: of the
    labels that thresholds are chosen by, where the noise of the labels is known.  noise: as it was used.
    """

    fusion: Fusion | None
    rejection: str
    loss_alone: float
    loss_fused: float
    films: int
    positives: int
    repair: LabelRepair | None = None
    noise: LabelNoise | None = None


def fuse_with_ratio(
    folder: Path,
    segmenter: Segmenter,
    films: Manifest,
    progress: Progress = ignore_progress,
    noise: LabelNoise | None = None,
) -> FusionResult:
    """Fit the fusion on validation films and write it into the card of a classifier's folder.

    Nothing is written, and a former fusion is removed, where the ratio alone is not known to discriminate (the 95 %
    interval of its AUROC reaches 0.5), or the log loss on held-out patients is known to be higher with it (the interval
    of the paired difference lies above 0).

    films: usable and decoded, the validation films of the classifier. Films without a label are left out; every other
    counts by the reliability of its ratio, as in reading. noise: of their labels, where it is known; None for that in
    the card. Calibration and thresholds of the classifier are then fitted anew, to readers, and written whatever
    becomes of the fusion. Raises DataError for films of one class.
    """
    classifier = Classifier.load(folder)
    if FINDING not in films.findings:
        raise DataError(
            f"the films have no labels for {FINDING}, the only finding that the ratio informs"
        )
    films = films.with_table(films.table[films.table[FINDING].notna()])
    logits, measured = _measure_films(classifier, segmenter, films, progress)
    noise = noise or classifier.card.label_noise.get(FINDING)
    calibration = None
    if noise is not None:
        calibration = calibrate_to_readers(logits, measured, noise)
        measured = calibration.films
    losses_alone, losses_fused = cross_validate_losses(measured)
    rejection = _find_rejection(measured, losses_fused - losses_alone)
    fusion = None if rejection else _fit_to_films(measured, segmenter, losses_alone, losses_fused)
    repair = None
    if calibration is not None and fusion is not None:
        with_all_labels = _fit_to_films(
            replace(measured, in_doubt=None), segmenter, losses_alone, losses_fused
        )
        calibration = calibration.add_fused_thresholds(with_all_labels)
    if calibration is not None:
        repair = calibration.repair
    _write_fusion(folder, fusion, calibration)
    return FusionResult(
        fusion=fusion,
        rejection=rejection,
        loss_alone=float(losses_alone.mean()),
        loss_fused=float(losses_fused.mean()),
        films=len(measured.labels),
        positives=int((measured.labels == 1).sum()),
        repair=repair,
        noise=measured.noise,
    )


def _measure_films(
    classifier: Classifier, segmenter: Segmenter, films: Manifest, progress: Progress
) -> tuple[np.ndarray, FusionFilms]:
    """(N,) logits of the network, and the films with the log-odds by the calibration in the card."""
    logits, probabilities = _predict_finding(classifier, films)
    ratios = _measure_ratios(segmenter, films, progress)
    return logits, FusionFilms(
        log_odds=np.array([log_odds(value) for value in probabilities]),
        ratios=ratios.values,
        standard_errors=ratios.standard_errors,
        tapers=ratios.tapers,
        labels=films.table[FINDING].to_numpy(np.float64),
        views=films.table["view"].fillna("").to_numpy(str),
        patients=films.table["patient"].fillna("").to_numpy(str),
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
        f"{len(films.labels)} validation films, {films.measured.sum()} with a ratio, carved from train by patient; "
        f"held-out log loss {losses_fused.mean():.4f} against {losses_alone.mean():.4f} without it"
    )
    model = f"{segmenter.card.model} {segmenter.card.version}"
    return fit_fusion(films, model=model, source=source)


def _write_fusion(
    folder: Path, fusion: Fusion | None, calibration: ReaderCalibration | None
) -> None:
    def change(card: ModelCard) -> ModelCard:
        fusions = {key: value for key, value in card.fusion.items() if key != FINDING}
        if fusion is not None:
            fusions[FINDING] = fusion
        card = replace(card, fusion=fusions)
        return card if calibration is None else calibration.write_into(card, FINDING)

    update_card(folder, change, load_card)


def _measure_ratios(segmenter: Segmenter, films: Manifest, progress: Progress) -> FilmRatios:
    """The ratio of each film as a reading estimates it."""
    segmentations = segment_films(segmenter, films, progress)
    return FilmRatios.of_estimates(
        [estimate_ratio(*film) for film in zip(segmentations, flag_films(films), strict=True)]
    )


def _predict_finding(classifier: Classifier, films: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """(N,) logits and (N,) calibrated probabilities of the finding."""
    index = classifier.card.findings.index(FINDING)
    outputs = classify_films(classifier, films)
    return (
        np.array([output.logits[index] for output in outputs], np.float64),
        np.array([output.probabilities[index] for output in outputs], np.float64),
    )
