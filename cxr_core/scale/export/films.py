"""Chooses the films that an export is checked on, and those that int8 takes its ranges from, of other patients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.splits import carve_validation, drop_identical_films
from cxr_core.errors import DataError
from cxr_core.film.preprocess import normalise_grids
from cxr_core.models.card_file import AnyCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import format_count
from cxr_core.scale.export.check import MIN_FILMS
from cxr_core.training.export.site_scores import find_learning_films

SEGMENTER_SHARE = 0.2  # of the patients of data that a segmenter was not trained on
MOST_SEGMENTED = 1000  # films that a segmenter is checked on
CALIBRATION_FILMS = 300  # as NNCF takes by default


@dataclass(frozen=True)
class ExportFilms:
    """check: validation films.  training: films for calibration.  source: what the first are, in words."""

    check: Manifest
    training: Manifest
    source: str


def choose_export_films(folder: Path, card: AnyCard, usable: Manifest) -> ExportFilms:
    """Validation and training films of a model. usable: all films of the data, decoded.

    For a classifier they are those that it was validated and trained on; the data must be those of its card. A
    segmenter is trained on few films with masks, and none are needed here: its films may be of any data, of which a
    share of the patients is taken for the check. Raises ModelError for other data, and DataError for too few films.
    """
    if isinstance(card, SegmenterCard):
        films = carve_validation(drop_identical_films(usable), (), SEGMENTER_SHARE, seed=0)
        check = _thin_out(films.select_split("val"), MOST_SEGMENTED)
        words = f"a fifth of the patients of {usable.kind} outside its test split"
    else:
        films = find_learning_films(folder, card, usable)
        check = films.select_split("val")
        words = "the validation films of the model's card"
    if len(check.table) < MIN_FILMS:
        raise DataError(
            f"these data have {format_count(len(check.table), 'validation films')} for {card.model} {card.version}; "
            f"an export is checked on at least {MIN_FILMS}. Give more data"
        )
    return ExportFilms(check, films.select_split("train"), words)


def load_calibration_inputs(films: Manifest, card: AnyCard) -> np.ndarray:
    """Model inputs (N, C, S, S) float32 of up to CALIBRATION_FILMS films, taken evenly from the manifest."""
    chosen = load_film_set(_thin_out(films, CALIBRATION_FILMS), card.input_spec)
    return normalise_grids(chosen.take_grids(slice(None)), card.input_spec)


def _thin_out(films: Manifest, count: int) -> Manifest:
    """At most so many films of a manifest, evenly spaced in its order."""
    rows = np.unique(np.linspace(0, len(films.table) - 1, count).round().astype(int))
    return films.with_table(films.table.iloc[rows])
