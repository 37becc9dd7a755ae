"""Takes what a model computed from the films of a dataset out of a scoring, instead of running the network again."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.errors import ScaleError
from cxr_core.inference import tabulate_predictions
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import format_count
from cxr_core.reading.results import ModelOutput
from cxr_core.scale.scoring.scoring_folder import ScoringFolder
from cxr_core.workspace.paths import printable

NO_FEATURES = np.empty((0, 0, 0), np.float32)


def predict_from_scoring(
    folder: Path, card: ModelCard, films: Manifest
) -> tuple[Manifest, pd.DataFrame]:
    """The films that the scoring read, and their table of predictions as `predict_films` makes it.

    Films are found by their decoded pixels, whatever the files are called now. Those that the scoring refused, such as
    lateral views, are left out. Raises ScaleError for a scoring without this version of the model, or without a film.
    """
    outputs = _read_outputs(ScoringFolder.load(folder), card)
    hashes = films.table["sha256"]
    unknown = [sha256 for sha256 in hashes if sha256 not in outputs]
    if unknown:
        raise ScaleError(
            f"{len(unknown):,} of {format_count(len(hashes), 'films')} are not in the scoring {printable(folder)}; "
            "score this data too (--resume), or evaluate without a scoring"
        )
    is_read = [outputs[sha256] is not None for sha256 in hashes]
    kept = films.with_table(films.table[is_read].reset_index(drop=True))
    of_films = [output for output in map(outputs.__getitem__, hashes) if output is not None]
    return kept, tabulate_predictions(card, kept, of_films)


def _read_outputs(folder: ScoringFolder, card: ModelCard) -> dict[str, ModelOutput | None]:
    """What the model computed, by the hash of the decoded pixels; None for a film that was refused."""
    _require_model(folder, card)
    outputs: dict[str, ModelOutput | None] = {}
    for table in folder.read_columns(("pixels_sha256", "outputs")):
        for sha256, entries in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if sha256 is None:
                continue
            own = {
                entry["finding"]: entry
                for entry in entries
                if (entry["model"], entry["version"]) == (card.model, card.version)
            }
            outputs[sha256] = _build_output(card, own) if own else None
    return outputs


def _build_output(card: ModelCard, entries: dict[str, dict[str, float]]) -> ModelOutput:
    in_order = [entries[finding] for finding in card.findings]
    return ModelOutput(
        card=card,
        logits=np.array([entry["logit"] for entry in in_order]),
        probabilities=np.array([entry["probability"] for entry in in_order]),
        attributions={},
        features=NO_FEATURES,
        ood_score=in_order[0]["ood_score"],
    )


def _require_model(folder: ScoringFolder, card: ModelCard) -> None:
    models = folder.record.models
    if not any(model.weights_sha256 == card.weights_sha256 for model in models):
        known = ", ".join(f"{model.model} {model.version}" for model in models)
        raise ScaleError(
            f"{printable(folder.path)} was not scored by {card.model} {card.version}, but by {known}; score the films "
            "with this version, or evaluate without a scoring"
        )
