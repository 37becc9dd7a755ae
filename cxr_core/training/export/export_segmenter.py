"""Writes a trained segmenter as a model folder, with the interval of its cardiothoracic ratio and its figures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cxr_core.data.film_set import FilmSet
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.segmentation.mask_comparison import compare_with_masks
from cxr_core.evaluation.segmentation.metrics import ComparedFilm, compute_segmentation_figures
from cxr_core.models.networks.segmenter import FilmSegmenter
from cxr_core.models.segmenter_card import RatioInterval, SegmenterCard
from cxr_core.models.store import save_model
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.engine.trainer import TrainedNetwork
from cxr_core.training.export.export_classifier import intended_population
from cxr_core.training.export.training_record import TrainingRecord, list_software
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.events import (
    CALIBRATING,
    WRITING_MODEL,
    Report,
    StageBegun,
    ignore_event,
)
from cxr_core.training.runs.run_folder import RunFolder

COVERAGE = 0.95
MIN_OFFSET, MIN_FACTOR = 1e-3, 1e-3
# A placeholder until the interval is fitted; never written.
UNFITTED = RatioInterval(offset=1.0, factor=1.0, source="none")


def export_segmenter(
    recipe: Recipe,
    trained: TrainedNetwork,
    films: Manifest,
    splits: Mapping[str, FilmSet],
    run: RunFolder,
    duration_s: float,
    report: Report = ignore_event,
) -> SegmenterCard:
    """Write run.model from the trained weights. Returns its card. Fitted on validation films only.

    splits: unused; the arguments are those of `export_classifier`.
    """
    network = trained.network.cpu().half().float().eval()
    assert isinstance(network, FilmSegmenter)
    manifest = run.load_manifest()
    record = TrainingRecord.of_run(recipe, manifest, trained, films, duration_s)
    card = SegmenterCard(
        model=recipe.model,
        version=manifest.version,
        arguments=recipe.architecture_arguments(0),
        input_spec=recipe.input_spec(),
        population=intended_population(recipe),
        ratio_interval=UNFITTED,
        training=record.to_json(),
        software=list_software(),
    )
    report(StageBegun(stage=CALIBRATING))
    validation = films.select_split("val")
    interval = fit_interval(compare_with_masks(Segmenter(card=card, network=network), validation))
    card = replace(card, ratio_interval=interval)
    compared = compare_with_masks(Segmenter(card=card, network=network), validation)
    figures = compute_segmentation_figures(compared)
    report(StageBegun(stage=WRITING_MODEL))
    return save_model(
        run.model, replace(card, metrics={"validation": figures.to_json()}), network, half=True
    )


def fit_interval(films: Sequence[ComparedFilm]) -> RatioInterval:
    """The interval of the ratio that holds the truth on 95 % of validation films (split conformal prediction).

    The offset is the median error: a film whose test-time augmentations agree still has an interval, and one on which
    they differ a wider one, but not out of all proportion. With fewer than 19 films the largest error decides.
    """
    measured = [film for film in films if film.ratio is not None]
    errors = [abs(film.ratio - film.true_ratio) for film in measured if film.ratio is not None]
    spreads = [film.spread for film in measured]
    offset = float(max(np.median(errors), MIN_OFFSET)) if errors else MIN_OFFSET
    scores = np.sort(
        [error / (offset + spread) for error, spread in zip(errors, spreads, strict=True)]
    )
    rank = min(len(scores), int(np.ceil(COVERAGE * (len(scores) + 1))))
    factor = float(scores[rank - 1]) if rank else 1.0
    return RatioInterval(
        offset=offset,
        factor=max(factor, MIN_FACTOR),
        source=f"{len(measured)} validation films carved by patient",
    )
