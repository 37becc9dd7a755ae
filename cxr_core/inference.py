"""Runs classifiers and segmenters on the films of a dataset, from its pixel cache."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.models.card import ModelCard
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import ModelOutput
from cxr_core.reading.segmenter import Segmenter

BATCH = 32
FILM_COLUMNS = ("view", "age", "sex", "source", "sha256")  # of the manifest, kept with predictions


def classify_films(
    classifier: Classifier, films: Manifest, progress: Progress = ignore_progress
) -> list[ModelOutput]:
    """A classifier's outputs for films that are usable and decoded, in the manifest's order."""
    spec = classifier.card.input_spec
    outputs: list[ModelOutput] = []
    for grids in load_film_set(films, spec).batches(BATCH):
        outputs += classifier.read_grids(grids, [(spec.side, spec.side)] * len(grids))
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
    """One row per film and finding: image, patient, finding, label (NaN = unknown), logit, probability, film facts."""
    tables = []
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
        columns |= {name: films.table[name] for name in FILM_COLUMNS}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def segment_films(
    segmenter: Segmenter, films: Manifest, progress: Progress = ignore_progress
) -> Iterator[SegmentationResult]:
    """The segmented anatomy of films that are usable and decoded, in the manifest's order.

    progress: told (films segmented, films). Raises ReadingError for maps that are no numbers.
    """
    cached = load_film_set(films, segmenter.card.input_spec)
    for row, (height, width) in enumerate(film_shapes(films)):
        yield segmenter.segment_grid(cached.take_grids(slice(row, row + 1))[0], (height, width))
        progress(row + 1, len(films.table))


def film_shapes(films: Manifest) -> list[tuple[int, int]]:
    """Height and width of each film, as displayed."""
    sizes = zip(films.table["height"], films.table["width"], strict=True)
    return [(int(height), int(width)) for height, width in sizes]
