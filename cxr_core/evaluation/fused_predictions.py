"""Adds to a classifier's predictions what a reading gives: the probability to which the measured ratio contributes."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.segmentation.ratio import find_fusion, weigh_ratios
from cxr_core.inference import FilmRatios, flag_films, segment_films
from cxr_core.models.card import ModelCard
from cxr_core.reading.calibration import CLIP_DISTANCE
from cxr_core.reading.cardiothoracic.fusion import fuse_logits
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING, estimate_ratio
from cxr_core.reading.segmenter import Segmenter

COLUMNS = ("ratio", "ratio_weight", "probability_with_ratio")


def add_fused_predictions(
    card: ModelCard,
    table: pd.DataFrame,
    films: Manifest,
    segmenter: Segmenter | None,
    progress: Progress = ignore_progress,
) -> pd.DataFrame:
    """The predictions with COLUMNS, empty for other findings; as they are where the card fuses nothing with this ratio.

    table: of `predict_films` on the same films, in their order.  A ratio that cannot be measured has the weight 0.
    """
    ratios = measure_fused_ratios(card, films, segmenter, progress)
    return table if ratios is None else fuse_predictions(card, table, films, ratios)


def measure_fused_ratios(
    card: ModelCard,
    films: Manifest,
    segmenter: Segmenter | None,
    progress: Progress = ignore_progress,
) -> FilmRatios | None:
    """The ratios of films as a reading measures them; None where the card fuses nothing with those of the segmenter."""
    if segmenter is None or find_fusion(card, segmenter.card) is None:
        return None
    segmentations = segment_films(segmenter, films, progress)
    return FilmRatios.of_estimates(
        [estimate_ratio(*film) for film in zip(segmentations, flag_films(films), strict=True)]
    )


def fuse_predictions(
    card: ModelCard, table: pd.DataFrame, films: Manifest, ratios: FilmRatios
) -> pd.DataFrame:
    """The predictions with COLUMNS, from ratios that `measure_fused_ratios` gave for the same card and films."""
    fusion = card.fusion[MEASURED_FINDING]
    rows = (table["finding"] == MEASURED_FINDING).to_numpy()
    network = table.loc[rows, "probability"].to_numpy(np.float64)
    log_odds = logit(network.clip(CLIP_DISTANCE, 1 - CLIP_DISTANCE))
    weights = weigh_ratios(fusion, ratios)
    views = films.table["view"].fillna("").to_numpy(str)
    fused = expit(fuse_logits(fusion, log_odds, ratios.values, views, weights))
    complete = table.copy()
    values = (ratios.values, weights, np.where(weights > 0, fused, network))
    for name, column in zip(COLUMNS, values, strict=True):
        complete.loc[rows, name] = column
    return complete
