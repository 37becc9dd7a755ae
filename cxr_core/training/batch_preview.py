"""Draws a few training films as the network would receive them, before and after augmentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import FilmSet, load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.presentation.wording import finding_in_sentence
from cxr_core.training.engine.augment import sample_augmentation
from cxr_core.training.engine.learner import create_task, prepare_inputs
from cxr_core.training.preconditions import load_registered_films
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import select_population, split_manifest
from cxr_core.training.run_split import find_recipe_split

FILMS = 8


@dataclass(frozen=True, eq=False)
class BatchPreview:
    """N training films.

    before, after: (N, S, S) uint8, the network's input without and with augmentation, turned back into grey values.
    labels: what is known of each film, in words.  low, high: the range of the network's input after augmentation.
    """

    before: np.ndarray
    after: np.ndarray
    labels: tuple[str, ...]
    low: float
    high: float


def draw_batch(
    recipe: Recipe,
    data: Sequence[str],
    seed: int,
    progress: Callable[[int, int], None],
    count: int = FILMS,
) -> BatchPreview:
    """Draw films as the recipe's training does; another seed gives other films. At most `count` films are decoded.

    data: names of registered datasets.  progress: films decoded and films of all. Raises DataError.
    """
    films = load_registered_films(data)
    saved = find_recipe_split(recipe, data)
    if saved is None:
        films = select_population(recipe, films)
        table = films.table[films.table["split"] != "test"]
        films = films.with_table(table if len(table) else films.table)
    else:
        films = split_manifest(recipe, films, saved).select_split("train")
    chosen = _choose_films(recipe, films, seed, count)
    loaded = load_film_set(chosen, recipe.input_spec(), recipe.labelled_findings, progress)
    grids = torch.from_numpy(loaded.take_grids(slice(None)))
    rng = torch.Generator().manual_seed(seed)
    after = prepare_inputs(recipe, grids, sample_augmentation(recipe.augmentation, len(grids), rng))
    return BatchPreview(
        before=_restore_greys(recipe, prepare_inputs(recipe, grids)),
        after=_restore_greys(recipe, after),
        labels=tuple(_describe_labels(recipe, row) for row in loaded.labels),
        low=float(after.min()),
        high=float(after.max()),
    )


def _choose_films(recipe: Recipe, films: Manifest, seed: int, count: int) -> Manifest:
    """Some of these films, drawn with the probabilities of the recipe."""
    labels = films.label_matrix(recipe.labelled_findings)
    weights = create_task(recipe).sampling_weights(FilmSet.from_grids(np.empty(0), labels))
    if weights is None or not weights.any():  # none is positive, or none negative
        weights = np.ones(len(labels))
    rng = np.random.default_rng(seed)
    size = min(count, len(labels))
    rows = rng.choice(len(labels), size, replace=False, p=weights / weights.sum())
    return films.with_table(films.table.iloc[rows])


def _restore_greys(recipe: Recipe, inputs: Tensor) -> np.ndarray:
    """(N, S, S) uint8 from normalised input (N, C, S, S), whose channels are the same."""
    greys = (inputs[:, 0] * recipe.std + recipe.mean).clamp(0, 1) * 255
    return greys.round().to(torch.uint8).numpy()


def _describe_labels(recipe: Recipe, labels: np.ndarray) -> str:
    """`cardiomegaly, no effusion`; unknown labels are left out. labels: (L,)."""
    words = []
    for key, label in zip(recipe.findings, labels, strict=False):
        if not np.isnan(label):
            name = finding_in_sentence(key)
            words.append(name if label else f"no {name}")
    return ", ".join(words)
