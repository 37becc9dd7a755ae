"""Runs classifiers and segmenters on the films of a dataset, from its pixel cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.quality import find_quality_flags, measure_coarseness
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.models.card import ModelCard
from cxr_core.models.label_noise import LabelNoise
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.cardiothoracic.ratio import FLAG_ERRORS, RatioEstimate
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.cores import PROCESS_CORES
from cxr_core.reading.results import ModelOutput
from cxr_core.reading.segmenter import Segmenter
from cxr_core.workspace.outside_files import read_outside_file

BATCH = 8  # films of one forward pass, of which each core has one
COARSE = "low_resolution"  # the flag whose severity the size of a film tells
FILM_COLUMNS = (
    "view",
    "age",
    "sex",
    "source",
    "sha256",
    "concerns",
)  # of the manifest, kept with predictions


def classify_films(
    classifier: Classifier, films: Manifest, progress: Progress = ignore_progress
) -> list[ModelOutput]:
    """A classifier's outputs for films that are usable and decoded, in the manifest's order."""
    spec = classifier.card.input_spec
    outputs: list[ModelOutput] = []

    def read_batch(grids: np.ndarray) -> list[ModelOutput]:
        return classifier.read_grids(grids, [(spec.side, spec.side)] * len(grids))

    for batch in PROCESS_CORES.map(read_batch, load_film_set(films, spec).batches(BATCH)):
        outputs += batch
        progress(len(outputs), len(films.table))
    return outputs


def predict_films(
    classifier: Classifier, films: Manifest, progress: Progress = ignore_progress
) -> pd.DataFrame:
    """A classifier's outputs for films, as `tabulate_predictions` has them."""
    outputs = classify_films(classifier, films, progress)
    return tabulate_predictions(classifier.card, films, outputs)


def tabulate_predictions(
    card: ModelCard, films: Manifest, outputs: Sequence[ModelOutput]
) -> pd.DataFrame:
    """One row per film and finding: image, patient, finding, label (NaN = unknown), logit, probability, film facts.

    Where the labels are as noisy as those that the model was calibrated on, `probability_reported` is there as well.
    """
    tables = []
    noises = _find_label_noise(card, films)
    for index, key in enumerate(card.findings):
        columns = {
            "image": films.names,
            "patient": films.table["patient"],
            "finding": key,
            "label": films.table[key] if key in films.table.columns else np.nan,
            "logit": [float(output.logits[index]) for output in outputs],
            "probability": [float(output.probabilities[index]) for output in outputs],
            "unfamiliarity": [output.ood_score for output in outputs],
        }
        if key in noises:
            reported = [noises[key].to_reported(value) for value in columns["probability"]]
            columns["probability_reported"] = reported
        columns |= {name: films.table[name] for name in FILM_COLUMNS}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _find_label_noise(card: ModelCard, films: Manifest) -> Mapping[str, LabelNoise]:
    """The noise of the labels of these films, by finding; none of labels that may be a reader's.

    Labels of the same kind of dataset as the model was trained on are taken to be like those.
    """
    trained_on = str(card.training.get("data", {}).get("kind", "")).split("+")
    return card.label_noise if set(films.kind.split("+")) <= set(trained_on) else {}


def segment_films(
    segmenter: Segmenter, films: Manifest, progress: Progress = ignore_progress
) -> Iterator[SegmentationResult]:
    """The segmented anatomy of films that are usable and decoded, in the manifest's order.

    progress: told (films segmented, films). Raises ReadingError for maps that are no numbers.
    """
    cached = load_film_set(films, segmenter.card.input_spec)
    shapes = film_shapes(films)

    def segment_row(row: int) -> SegmentationResult:
        return segmenter.segment_grid(cached.take_grids(slice(row, row + 1))[0], shapes[row])

    for row, segmentation in enumerate(PROCESS_CORES.map(segment_row, range(len(shapes)))):
        yield segmentation
        progress(row + 1, len(films.table))


@dataclass(frozen=True, eq=False)
class FilmRatios:
    """The ratios of N films, (N,) each: values, NaN where there is none, their standard errors and tapers."""

    values: np.ndarray
    standard_errors: np.ndarray
    tapers: np.ndarray

    @classmethod
    def of_estimates(cls, estimates: Sequence[RatioEstimate | None]) -> "FilmRatios":
        """The ratios of films in their order; None for one without."""
        rows = [
            (np.nan, np.nan, 0.0) if one is None else (one.value, one.standard_error, one.taper)
            for one in estimates
        ]
        return cls(*np.array(rows, np.float64).reshape(-1, 3).T)


def flag_films(films: Manifest) -> Iterator[tuple[QualityFlag, ...]]:
    """Of each film, in the manifest's order, the quality flags that add to the error of its ratio.

    A film that its codes call mirrored, inverted or turned is decoded again, since the codes do not say how clearly.
    """
    codes = films.table["concerns"].fillna("").str.split("|")
    for of_film, path, shape in zip(codes, films.paths, film_shapes(films), strict=True):
        if set(of_film) & (set(FLAG_ERRORS) - {COARSE}):
            yield find_quality_flags(decode_film(read_outside_file(path, MAX_BYTES)))
        else:
            yield (QualityFlag(COARSE, "", severity=measure_coarseness(shape)),)


def film_shapes(films: Manifest) -> list[tuple[int, int]]:
    """Height and width of each film, as displayed."""
    sizes = zip(films.table["height"], films.table["width"], strict=True)
    return [(int(height), int(width)) for height, width in sizes]
