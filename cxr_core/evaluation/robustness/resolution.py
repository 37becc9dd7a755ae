"""Reads the same films in several sizes and file formats, and measures how far the probabilities lie apart."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.robustness.film_changes import copy_film
from cxr_core.evaluation.robustness.stability import patient_of_row, read_film
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.quality import find_quality_flags
from cxr_core.models.card import ModelCard
from cxr_core.models.resolution import MAX_MOVEMENT, ResolutionFigures
from cxr_core.models.store import load_card, update_card
from cxr_core.presentation.wording import format_count
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.reader import Reader
from cxr_core.workspace.outside_files import read_outside_file

SIDES_PX = (64, 128, 256, 512, 1024)
FORMATS = ("PNG", "JPEG")
COPIES = tuple(f"{side:,} px, {name}" for side, name in product(SIDES_PX, FORMATS))
SAMPLE = 24  # films of the gate; the largest ones, whose small copies lose most


def choose_sample(films: Manifest, count: int = SAMPLE) -> Manifest:
    """The films with most pixels; of equally large ones those whose hash comes first, which no model knows."""
    pixels = films.table["width"] * films.table["height"]
    order = films.table.assign(pixels=-pixels).sort_values(["pixels", "sha256"], kind="stable")
    return films.with_table(films.table.loc[sorted(order.index[:count])])


def describe_sample(films: Manifest) -> str:
    """Which films a sample holds: `24 films of 64 to 1,024 px (data 1f3a…)`."""
    sides = films.table[["width", "height"]].min(axis=1)
    low, high = int(sides.min()), int(sides.max())
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return (
        f"{format_count(len(films.table), 'films')} of {size} px (data {films.data_sha256()[:12]})"
    )


def measure_resolution(
    reader: Reader, films: Manifest, progress: Progress = ignore_progress
) -> dict[tuple[str, str], ResolutionFigures]:
    """The movement of every model and finding, by "name version" and finding's key; see `read_copies`."""
    sample = describe_sample(films)
    return {
        key: compute_resolution(logits, sample)
        for key, logits in read_copies(reader, films, progress).items()
    }


def read_copies(
    reader: Reader, films: Manifest, progress: Progress = ignore_progress
) -> dict[tuple[str, str], pd.DataFrame]:
    """The log-odds of every copy of the films, by "name version" and finding's key: a row for each film, NaN for none.

    films: usable and decoded. Each is read as it is and as COPIES, with everything that a reading weighs. A model that
    reads none of them is left out.
    """
    answers: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for done, path in enumerate(films.paths, 1):
        film = decode_film(read_outside_file(path, MAX_BYTES))
        patient = patient_of_row(films.table.iloc[done - 1])
        copies = {"the film as it is": film}
        for name, (side, suffix) in zip(COPIES, product(SIDES_PX, FORMATS), strict=True):
            copies[name] = copy_film(film, side, suffix)
        by_model: dict[tuple[str, str], dict[str, float]] = {}
        for name, copy in copies.items():
            for reading in read_film(reader, copy, patient, find_quality_flags(copy)):
                if reading.probability is not None:
                    key = (f"{reading.model} {reading.version}", reading.finding)
                    by_model.setdefault(key, {})[name] = log_odds(reading.probability)
        for key, logits in by_model.items():
            answers.setdefault(key, {})[str(path)] = logits
        progress(done, len(films.table))
    return {key: pd.DataFrame.from_dict(rows, orient="index") for key, rows in answers.items()}


def record_resolution(
    folders: Iterable[Path], name: str, figures: Mapping[tuple[str, str], ResolutionFigures]
) -> list[Path]:
    """Write figures under a name into the cards of the models that they are of. Returns the folders of these."""
    written = []
    for folder in folders:
        card = load_card(folder)
        own = {
            finding: found
            for (model, finding), found in figures.items()
            if model == f"{card.model} {card.version}"
        }
        if own:
            change = partial(_add_resolution, name=name, figures=own)
            update_card(folder, change, load_card)
            written.append(folder)
    return written


def _add_resolution(card: ModelCard, name: str, figures: dict[str, ResolutionFigures]) -> ModelCard:
    return replace(card, resolution={**card.resolution, name: figures})


def compute_resolution(logits: pd.DataFrame, sample: str) -> ResolutionFigures:
    """The figures of one model and finding. logits: as `read_copies` gives them."""
    movements = (logits.max(axis=1) - logits.min(axis=1)).to_numpy(np.float64)
    worst = int(movements.argmax())
    copies = logits.iloc[worst]
    return ResolutionFigures(
        sample=sample,
        films=len(logits),
        outside=round(float((movements > MAX_MOVEMENT).mean()), 6),
        p95=round(float(np.quantile(movements, 0.95)), 6),
        worst=round(float(movements[worst]), 6),
        worst_copies=(str(copies.idxmin()), str(copies.idxmax())),
        refused=int(logits.isna().any(axis=1).sum()),
    )
