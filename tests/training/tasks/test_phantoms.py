"""Drawn chests join the films that outlines are learnt from, with masks that are exactly what was drawn."""

import numpy as np
import pytest

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import RecipeError
from cxr_core.film.phantom.phantom import compute_truth
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import STRUCTURES
from cxr_core.reading.cardiothoracic.contours import measure_mask_diameters
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.tasks.phantoms import RATIO_RANGE, add_phantoms, sample_phantom_specs
from cxr_core.workspace.paths import RECIPES

SPEC = InputSpec(side=128, channels=1, mean=0.5, std=0.5, equalisation="clahe")


@pytest.fixture(scope="module")
def joined() -> FilmSet:
    """Two films that are all grey, of five there are, and six drawings."""
    grids = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 128, 128), np.uint8)
    masks = np.full((2, len(STRUCTURES), 128, 128), 7, np.uint8)
    return add_phantoms(FilmSet(grids, np.array([3, 1]), masks), SPEC, 6, seed=5)


def test_films_stay_first_and_as_they_were(joined):
    assert len(joined) == 8
    assert [int(grid.max()) for grid in joined.take_grids(slice(0, 2))] == [3, 1]
    assert (joined.labels[:2] == 7).all()


def test_masks_have_the_ratio_that_was_drawn(joined):
    for spec, masks in zip(sample_phantom_specs(6, seed=5), joined.labels[2:], strict=True):
        heart, thorax = measure_mask_diameters(masks > 127)
        assert heart / thorax == pytest.approx(
            compute_truth(spec).cardiothoracic_ratio, abs=1.5 / thorax
        )


def test_drawings_have_all_builds_and_come_again_from_their_seed():
    specs = sample_phantom_specs(200, seed=0)
    ratios = [spec.heart_width / spec.thorax_width for spec in specs]
    assert min(ratios) < RATIO_RANGE[0] + 0.03
    assert max(ratios) > RATIO_RANGE[1] - 0.03
    assert 0.15 < np.mean([spec.opacity is not None for spec in specs]) < 0.45
    assert specs == sample_phantom_specs(200, seed=0)
    assert specs != sample_phantom_specs(200, seed=1)


def test_without_any_the_films_are_the_same_ones(joined):
    assert add_phantoms(joined, SPEC, 0, seed=0) is joined


def test_a_recipe_of_findings_is_told_that_drawings_are_not_for_it():
    with pytest.raises(RecipeError, match="drawings=3 is for segmentation recipes"):
        load_recipe(RECIPES / "house.toml", {"drawings": "3"})
