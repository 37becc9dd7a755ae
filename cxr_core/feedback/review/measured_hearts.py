"""Measures the hearts of a review's films, so that labels can be held against the cardiothoracic ratio."""

from collections.abc import Callable

import pandas as pd

from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project
from cxr_core.feedback.review.dataset_review import open_review_films, tabulate_ratios
from cxr_core.inference import FilmRatios, flag_films, segment_films
from cxr_core.models.registry.registry import find_segmenter
from cxr_core.reading.cardiothoracic.ratio import estimate_ratio
from cxr_core.reading.segmenter import Segmenter


def measure_hearts(project: Project, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """The ratios of a review's films by the segmentation model in use, as `fill_from_evaluation` takes them.

    progress: told how many films are done, of how many. Raises FeedbackError where no such model is in use.
    """
    folder = find_segmenter()
    if folder is None:
        raise FeedbackError("no segmentation model is in use, so no heart can be measured")
    films = open_review_films(project)
    segmentations = segment_films(Segmenter.load(folder), films, progress)
    estimates = [
        estimate_ratio(*film) for film in zip(segmentations, flag_films(films), strict=True)
    ]
    return tabulate_ratios(films, FilmRatios.of_estimates(estimates))
