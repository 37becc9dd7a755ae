"""The segmenter in the tree, on real films and on drawn chests whose ratio is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.segmentation.mask_comparison import compare_with_masks
from cxr_core.evaluation.segmentation.metrics import compute_segmentation_figures
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.models.registry.registry import find_segmenter
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.run_data import split_manifest
from cxr_core.workspace.paths import RECIPES, SHIPPED_MODELS

pytestmark = pytest.mark.training

FOLDER = find_segmenter((SHIPPED_MODELS,))


@pytest.fixture(scope="module")
def outliner() -> Segmenter:
    assert FOLDER is not None
    return Segmenter.load(FOLDER)


def test_its_folder_is_small_and_its_card_says_where_it_is_from(outliner):
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 10e6
    assert outliner.card.training["recipe"] == "anatomy"
    assert len(outliner.card.training["data"]["split_sha256"]) == 64
    assert "MIT" in outliner.card.training["terms"]


def test_it_gives_the_figures_of_its_card_on_the_validation_films(outliner, real_data):
    recipe = load_recipe(RECIPES / "anatomy.toml")
    assert outliner.card.input_spec == recipe.input_spec()
    films = split_manifest(recipe, open_data([real_data / "heart_ctr"])).select_split("val")
    figures = compute_segmentation_figures(compare_with_masks(outliner, films))
    found = figures.to_json()
    for name in ("dice_heart", "dice_left_lung", "dice_right_lung", "ratio_mae", "ratio_bias"):
        assert found[name]["value"] == pytest.approx(
            outliner.card.metrics["validation"][name]["value"], abs=0.003
        )
    assert figures.dice["heart"].value > 0.92
    assert figures.agreement.mae.value < 0.02


def test_adult_films_of_another_hospital_are_measured(outliner, real_data):
    paths = sorted((real_data / "nih_originals_1024" / "images").iterdir())
    anatomies = [outliner.segment(decode_film(path.read_bytes())) for path in paths]
    assert [anatomy.errors for anatomy in anatomies if anatomy.ratio is None] == []
    likely = [0.35 < anatomy.ratio < 0.7 for anatomy in anatomies]
    assert sum(likely) >= len(paths) - 1


@pytest.mark.parametrize(("thorax", "within"), [(0.7, 0.012), (0.62, 0.02), (0.8, 0.02)])
def test_drawn_hearts_are_measured_as_they_were_drawn(outliner, thorax, within):
    specs = [
        PhantomSpec(thorax_width=thorax, heart_width=thorax * ratio)
        for ratio in (0.38, 0.44, 0.5, 0.56, 0.62)
    ]
    found = np.array([outliner.segment(draw_phantom(spec)).ratio for spec in specs], float)
    assert found == pytest.approx(
        [compute_truth(spec).cardiothoracic_ratio for spec in specs], abs=within
    )


def test_the_ratio_hardly_depends_on_how_large_the_film_is(outliner, real_data):
    path = sorted((real_data / "nih_originals_1024" / "images").iterdir())[2]
    film = decode_film(path.read_bytes())
    whole = outliner.segment(film).ratio
    for side in (256, 512):
        small = replace(
            film, pixels=cv2.resize(film.pixels, (side, side), interpolation=cv2.INTER_AREA)
        )
        assert outliner.segment(small).ratio == pytest.approx(whole, abs=0.02)


def test_a_picture_that_is_no_chest_gives_no_ratio(outliner):
    for pixels in (
        np.zeros((300, 300)),
        np.ones((300, 300)),
        np.random.default_rng(0).random((300, 300)),
    ):
        film = replace(draw_phantom(PhantomSpec()), pixels=pixels.astype(np.float32))
        assert outliner.segment(film).ratio is None
