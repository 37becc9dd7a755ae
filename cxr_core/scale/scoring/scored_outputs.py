"""Takes what a model computed from the films of a dataset out of a scoring, instead of running the network again."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import ScaleError
from cxr_core.inference import predict_films, tabulate_predictions
from cxr_core.models.card import ModelCard
from cxr_core.models.exported.backend import TORCH
from cxr_core.presentation.wording import format_count
from cxr_core.reading.calibration import calibrate_logits
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import ModelOutput
from cxr_core.scale.scoring.scoring_folder import ScoringFolder, ScoringModel
from cxr_core.workspace.paths import printable

NO_FEATURES = np.empty((0, 0, 0), np.float32)
WITHOUT = "read the films anew, without a scoring"


def choose_predictions(
    model: Path, card: ModelCard, scoring: Path | None, progress: Progress = ignore_progress
) -> Callable[[Manifest], pd.DataFrame]:
    """What gives the predictions of a model for some films: a scoring, or without one its network.

    model: its folder.  progress: told (films read, films). Raises ModelError for a damaged model, and ScaleError for a
    scoring that cannot be used.
    """
    if scoring is not None:
        _open_scoring(scoring, card)
        return lambda films: predict_from_scoring(scoring, card, films)[1]
    classifier = Classifier.load(model)
    return lambda films: predict_films(classifier, films, progress)


def predict_from_scoring(
    folder: Path, card: ModelCard, films: Manifest
) -> tuple[Manifest, pd.DataFrame]:
    """The films that the scoring read, and their table of predictions as `predict_films` makes it.

    Films are found by their decoded pixels, whatever the files are called now. Those that the scoring refused, such as
    lateral views, are left out. Decision, prevalence and profile of the scoring do not matter. Raises ScaleError for a
    scoring that is not finished, that an export of the network has computed, without these weights, or without a film.
    """
    scoring, scored_by = _open_scoring(folder, card)
    hashes = films.table["sha256"]
    outputs = _read_outputs(scoring, scored_by, card, frozenset(hashes))
    unknown = [sha256 for sha256 in hashes if sha256 not in outputs]
    if unknown:
        raise ScaleError(
            f"{len(unknown):,} of {format_count(len(hashes), 'films')} are not in the scoring {printable(folder)}; "
            f"score this data too (--resume), or {WITHOUT}"
        )
    is_read = [outputs[sha256] is not None for sha256 in hashes]
    kept = films.with_table(films.table[is_read].reset_index(drop=True))
    of_films = [output for output in map(outputs.__getitem__, hashes) if output is not None]
    return kept, tabulate_predictions(card, kept, of_films)


def _read_outputs(
    folder: ScoringFolder, scored_by: ScoringModel, card: ModelCard, wanted: Collection[str]
) -> dict[str, ModelOutput | None]:
    """What the model computed, by the wanted hashes of decoded pixels; None for a film that was refused."""
    outputs: dict[str, ModelOutput | None] = {}
    for table in folder.read_columns(("pixels_sha256", "outputs")):
        for sha256, entries in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if sha256 not in wanted:
                continue
            own = {
                entry["finding"]: entry
                for entry in entries
                if (entry["model"], entry["version"]) == (scored_by.model, scored_by.version)
            }
            outputs[sha256] = _build_output(card, own) if own else None
    return outputs


def _build_output(card: ModelCard, entries: dict[str, dict[str, float]]) -> ModelOutput:
    """The output as the card calibrates it now; it may have been recalibrated since the scoring."""
    in_order = [entries[finding] for finding in card.findings]
    logits = np.array([entry["logit"] for entry in in_order])
    return ModelOutput(
        card=card,
        logits=logits,
        probabilities=calibrate_logits(card, logits),
        attributions={},
        features=NO_FEATURES,
        ood_score=in_order[0]["ood_score"],
    )


def _open_scoring(path: Path, card: ModelCard) -> tuple[ScoringFolder, ScoringModel]:
    """A finished scoring, and what it says of the model with the weights of this card."""
    folder = ScoringFolder.load(path)
    models = folder.record.models
    own = next((model for model in models if model.weights_sha256 == card.weights_sha256), None)
    if own is None:
        known = ", ".join(f"{model.model} {model.version}" for model in models)
        raise ScaleError(
            f"{printable(path)} was not scored by {card.model} {card.version}, but by {known}; score the films with "
            f"this version, or {WITHOUT}"
        )
    if own.backend != TORCH:
        raise ScaleError(
            f"the numbers in {printable(path)} come from an export of {card.model} {card.version} ({own.backend}) and "
            f"differ a little from the network's own; score the films with the backend torch, or {WITHOUT}"
        )
    folder.require_finished()
    return folder, own
