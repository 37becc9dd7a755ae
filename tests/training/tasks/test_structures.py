"""Outlines are learnt: from a folder of films and masks to a model that measures, killed or not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cxr_core.errors import DataError, RecipeError, RunError
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.findings import STRUCTURES
from cxr_core.models.store import load_segmenter_card
from cxr_core.promotion.publish import publish
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.engine.augment import (
    apply_augmentation,
    sample_augmentation,
    transform_masks,
)
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.runs.events import EpochDone, Event
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.tasks.structures import StructuresTask
from cxr_core.workspace.paths import RECIPES

pytestmark = pytest.mark.training

QUIET = FitOptions(report=lambda _: None, device="cpu")
TINY = Recipe(
    name="tiny-anatomy",
    summary="A test.",
    model="tiny-anatomy",
    structures=STRUCTURES,
    split="60:40:0",
    backbone="mobilenetv3_small_050",
    init="scratch",
    input_side=64,
    channels=1,
    epochs=2,
    batch_size=4,
    learning_rate=3e-3,
    monitor="dice",
    ema_decay=0.9,
    checkpoint_every_steps=1,
    augmentation=Augmentation(
        rotation_deg=5, shift=0.05, zoom=0.1, stretch=0.1, border=0.1, corner=0.5
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten drawn chests with the masks of what was drawn."""
    place = tmp_path_factory.mktemp("drawn")
    for name in ("images", *(f"masks/{structure}" for structure in STRUCTURES)):
        (place / name).mkdir(parents=True)
    for index in range(10):
        spec = PhantomSpec(height=96, width=96, heart_width=0.22 + 0.02 * index, seed=index)
        cv2.imwrite(
            str(place / "images" / f"{index}.png"),
            np.rint(draw_phantom(spec).pixels * 255).astype(np.uint8),
        )
        for structure in STRUCTURES:
            mask = getattr(compute_truth(spec), structure).astype(np.uint8) * 255
            cv2.imwrite(str(place / "masks" / structure / f"{index}.png"), mask)
    lines = ["image", *(f"{index}.png" for index in range(10))]
    (place / "films.csv").write_text("\n".join(lines) + "\n")
    return place


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fit(TINY, [folder], QUIET, run=run)
    return RunFolder(run)


def test_a_run_ends_in_a_model_that_outlines(whole, workspace):
    card = load_segmenter_card(whole.model)
    assert card.metrics["validation"]["dice_heart"]["n"] == 4
    assert (
        card.ratio_interval.source == "4 validation films carved by patient"
        or "0 validation" in str(card)
    )
    with pytest.raises(
        RunError,
        match=r"gate is closed for tiny-anatomy 1\.0\.0, compared with anatomy .* no films to compare on",
    ):
        publish(whole.path, "A test.")
    maps = Segmenter.load(whole.model).predict_augmented(np.zeros((5, 64, 64), np.uint8))
    assert maps.shape == (5, 2, 3, 32, 32)


def test_a_run_that_was_stopped_ends_the_same(folder, whole, tmp_path):
    run = tmp_path / "cut"
    impatient = replace(QUIET, stop=lambda: (run / "recipe.toml").exists())  # after the first step
    with pytest.raises(RunError, match="stopped at step"):
        fit(TINY, [folder], impatient, run=run)
    again, card = resume(run, QUIET), load_segmenter_card(whole.model)
    assert load_segmenter_card(again).weights_sha256 == card.weights_sha256


def test_drawn_chests_are_learnt_by_heart(folder, tmp_path):
    events: list[Event] = []
    recipe = replace(
        TINY, epochs=40, batch_size=2, augmentation=Augmentation(), checkpoint_every_steps=1000
    )
    fit(recipe, [folder], replace(QUIET, report=events.append), run=tmp_path / "run")
    dice = [event.figures["validation_dice"] for event in events if isinstance(event, EpochDone)]
    assert dice[0] < 0.7
    assert max(dice) > 0.85


def test_a_mask_that_is_missing_or_of_another_size_is_named(folder, tmp_path, workspace):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    mask = broken / "masks" / "heart" / "3.png"
    cv2.imwrite(str(mask), np.zeros((50, 96), np.uint8))
    with pytest.raises(DataError, match=r"heart of 3\.png has 96 x 50 px, its film 96 x 96"):
        fit(TINY, [broken], QUIET, run=tmp_path / "one")
    mask.unlink()
    with pytest.raises(DataError, match=r"3\.png has no mask of the heart"):
        fit(TINY, [broken], QUIET, run=tmp_path / "two")
    cv2.imwrite(str(mask), np.zeros((96, 96), np.uint8))
    with pytest.raises(DataError, match=r"the mask of the heart of 3\.png is empty"):
        fit(TINY, [broken], QUIET, run=tmp_path / "three")


def test_masks_move_as_their_films_do():
    augmentation = Augmentation(rotation_deg=20, shift=0.1, zoom=0.3, stretch=0.3, flip=0.5)
    films = torch.rand(6, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    sample = sample_augmentation(augmentation, 6, torch.Generator().manual_seed(1))
    assert torch.allclose(
        apply_augmentation(augmentation, films, sample),
        transform_masks(augmentation, films, sample),
        atol=1e-6,
    )
    exposed = replace(augmentation, gamma=0.5, border=0.2, corner=1.0, low_resolution=1.0)
    masks = transform_masks(exposed, films, sample)
    assert torch.equal(masks, transform_masks(augmentation, films, sample))


def test_a_perfect_map_loses_nothing_and_a_wrong_one_much():
    task = StructuresTask(TINY)
    masks = torch.zeros(2, 3, 32, 32)
    masks[:, :, 8:24, 8:24] = 1
    right, wrong = (masks * 2 - 1) * 20, (1 - masks * 2) * 20
    assert float(task.summed_loss(right, masks)) == pytest.approx(0, abs=0.02)
    assert float(task.summed_loss(wrong, masks)) > 2 * 10
    parts = task.summed_loss(wrong[:1], masks[:1]) + task.summed_loss(wrong[1:], masks[1:])
    assert float(parts) == pytest.approx(float(task.summed_loss(wrong, masks)))


def test_folds_share_no_film_and_make_the_whole(folder):
    from cxr_core.data.prepare import open_data
    from cxr_core.training.run_data import split_manifest

    manifest = open_data([folder])
    tests, every = [], set(manifest.table["image"])
    for which in range(1, 6):
        apart = split_manifest(
            replace(TINY, split=f"fold:{which}/5", validation_share=0.25), manifest
        )
        parts = {
            name: set(apart.select_split(name).table["image"]) for name in ("train", "val", "test")
        }
        assert set.union(*parts.values()) == every
        assert sum(map(len, parts.values())) == len(every)
        tests += sorted(parts["test"])
    assert sorted(tests) == sorted(every)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"structures": ("heart",)}, "a segmentation recipe has structures"),
        ({"findings": ("pneumonia",)}, "no findings"),
        ({"monitor": "auroc"}, "does not fit"),
        ({"split": "fold:6/5"}, "is not a fold"),
        ({"split": "fold:1"}, "is not a fold"),
    ],
)
def test_a_recipe_that_cannot_outline_is_refused(changes, says):
    with pytest.raises(RecipeError, match=says):
        replace(TINY, **changes)


def test_the_houses_recipe_outlines_without_flips():
    recipe = load_recipe(RECIPES / "anatomy.toml")
    assert recipe.structures == STRUCTURES
    assert recipe.augmentation.flip == 0
