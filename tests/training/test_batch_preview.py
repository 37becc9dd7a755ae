"""A preview shows what the trainer's network gets: the same films, preprocessing and augmentation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.data.film_set import load_film_set
from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.registry import find_dataset
from cxr_core.data.splits.plan import plan_folds
from cxr_core.data.splits.saved_split import save_split
from cxr_core.errors import DataError
from cxr_core.training import batch_preview
from cxr_core.training.batch_preview import draw_batch
from cxr_core.training.preconditions import load_registered_films
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import split_manifest
from tests.lit_films import lit_films

RECIPE = Recipe(
    name="x",
    summary="A test.",
    model="x",
    findings=("pneumonia",),
    backbone="plain_cnn",
    init="scratch",
    input_side=64,
    mean=0.3,
    std=0.2,
)


@pytest.fixture
def data(tmp_path: Path, workspace: Path) -> tuple[str, ...]:
    """Films in train and test; those of test are darker, so that one would be seen."""
    return (prepare_dataset([lit_films(tmp_path / "films", train=10, test=6)]).name,)


def quiet(done: int, total: int) -> None:
    pass


def test_a_batch_is_training_films_as_the_network_gets_them(data: tuple[str, ...]) -> None:
    drawn = draw_batch(RECIPE, data, 1, quiet)
    train = load_registered_films(data).select_split("train")
    grids = load_film_set(train, RECIPE.input_spec()).take_grids(slice(None))
    assert drawn.before.shape == (8, 64, 64)
    for film in drawn.before:
        assert (np.abs(grids.astype(int) - film).max(axis=(1, 2)) <= 1).any()
    assert np.array_equal(drawn.before, drawn.after), "the recipe augments nothing"
    assert drawn.low == pytest.approx((drawn.after.min() / 255 - 0.3) / 0.2, abs=0.02)
    lit = drawn.before[:, 40:].mean(axis=(1, 2)) > 150
    assert [label == "pneumonia" for label in drawn.labels] == lit.tolist()
    again = draw_batch(RECIPE, data, 1, quiet)
    assert np.array_equal(again.before, drawn.before)
    assert not np.array_equal(draw_batch(RECIPE, data, 2, quiet).before, drawn.before)


def test_augmentation_is_the_trainers(
    data: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    flipping = replace(RECIPE, augmentation=Augmentation(flip=1.0))
    drawn = draw_batch(flipping, data, 1, quiet)
    assert np.array_equal(drawn.after, drawn.before[:, :, ::-1])
    turned = replace(RECIPE, augmentation=Augmentation(rotation_deg=20, shift=0.1))
    assert not np.array_equal(draw_batch(turned, data, 1, quiet).after, drawn.before)


def test_a_balanced_recipe_draws_more_positives(data: tuple[str, ...]) -> None:
    oversampling = replace(RECIPE, balance="oversample", oversample_factor=1000.0)
    drawn = draw_batch(oversampling, data, 1, quiet)
    assert set(drawn.labels) == {"pneumonia"}


def test_a_saved_split_gives_its_own_training_films(data: tuple[str, ...]) -> None:
    films = load_registered_films(data)
    folds = plan_folds(films, 2, ("pneumonia",), seed=0)
    save_split(find_dataset(data[0]), "halves", folds)
    recipe = replace(RECIPE, split="saved:halves/1", validation_share=0.2)
    train = split_manifest(recipe, films, folds).select_split("train")
    grids = load_film_set(train, RECIPE.input_spec()).take_grids(slice(None))
    assert 0 < len(train.table) < len(films.select_split("train").table)
    drawn = draw_batch(recipe, data, 1, quiet, count=len(films.table))
    assert len(drawn.before) == len(train.table)
    for film in drawn.before:
        assert (np.abs(grids.astype(int) - film).max(axis=(1, 2)) <= 1).any()


def test_films_of_one_class_are_drawn_too(data: tuple[str, ...]) -> None:
    films = load_registered_films(data)
    positive = films.with_table(films.table[films.table["pneumonia"] == 1])
    recipe = replace(RECIPE, balance="oversample", oversample_factor=None)
    assert len(batch_preview._choose_films(recipe, positive, 1, 3).table) == 3


def test_data_that_is_not_registered_is_said(workspace: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        draw_batch(RECIPE, ("nowhere",), 1, quiet)
    assert batch_preview.FILMS == 8
