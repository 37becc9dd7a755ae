"""Regions for the evidence as something to learn: where the heart lies on drawn chests, moved as films are, obeyed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_core.data.film_set import FilmSet
from cxr_core.data.prepare import open_data
from cxr_core.errors import Cancelled, RecipeError, RunError
from cxr_core.film.phantom.phantom import compute_truth, draw_phantom
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.training.engine.augment import apply_augmentation, sample_augmentation
from cxr_core.training.fit import FitOptions, fit
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.tasks.findings import FindingsTask
from cxr_core.training.tasks.region_target import (
    REGION_SIDE,
    REGIONS,
    append_regions,
    load_or_make_regions,
    sum_outside_attribution,
    transform_regions,
)
from cxr_core.workspace.paths import RECIPES
from tests.training.wide_hearts import TINY as PLAIN
from tests.training.wide_hearts import WIDTHS, chest, drawn

pytestmark = pytest.mark.training

__all__ = ["drawn"]  # a fixture

SPEC = InputSpec(side=64)
TINY = replace(
    PLAIN,
    region_weight=100.0,
    head="positional",
    input_side=64,
    epochs=40,
    monitor="loss",
    learning_rate=3e-3,
)


def ignore(*_: int) -> None:
    pass


def kept(run, films, findings=("cardiomegaly", "pneumonia"), stop=lambda: False):
    return load_or_make_regions(run, films, findings, SPEC, ignore, stop)


def test_cardiomegaly_has_the_heart_and_pneumonia_the_chest_of_each_film(
    drawn, tmp_path, workspace
):
    films = open_data([str(drawn)])
    regions = kept(tmp_path, films)
    assert regions.shape == (len(WIDTHS), 2, REGION_SIDE, REGION_SIDE)
    known = np.flatnonzero(~np.isnan(regions[:, 0, 0, 0]))
    assert len(known) >= 10
    for row in known:
        drawing = compute_truth(chest(WIDTHS[int(films.paths[row].stem)]))
        chest_drawn = drawing.heart | drawing.left_lung | drawing.right_lung
        for found, true in zip(regions[row], (drawing.heart, chest_drawn), strict=True):
            assert found.mean() == pytest.approx(true.mean(), rel=0.15)
            rows, columns = np.argwhere(found > 0.5).mean(axis=0) / REGION_SIDE
            true_rows, true_columns = np.argwhere(true).mean(axis=0) / true.shape
            assert (rows, columns) == pytest.approx((true_rows, true_columns), abs=0.04)


def test_what_was_outlined_once_is_read_from_the_run_and_that_of_other_films_is_refused(
    drawn, tmp_path, workspace
):
    films = open_data([str(drawn)])
    first = kept(tmp_path, films)
    written = (tmp_path / REGIONS).stat().st_mtime_ns
    assert np.array_equal(kept(tmp_path, films), first, equal_nan=True)
    assert (tmp_path / REGIONS).stat().st_mtime_ns == written
    fewer = films.with_table(films.table.iloc[1:])
    with pytest.raises(RunError, match="belongs to other films than those of this run"):
        kept(tmp_path, fewer)
    with pytest.raises(RunError, match="belongs to other films than those of this run"):
        kept(tmp_path, films, ("cardiomegaly",))


def test_a_stop_while_outlining_leaves_nothing_half_written(drawn, tmp_path, workspace):
    with pytest.raises(Cancelled, match="segmented"):
        kept(tmp_path, open_data([str(drawn)]), stop=lambda: True)
    assert not [path for path in tmp_path.iterdir() if REGIONS in path.name]


def test_evidence_costs_its_square_outside_alone_and_nothing_where_the_outline_is_unknown():
    regions = torch.zeros(3, 1, REGION_SIDE, REGION_SIDE)
    regions[:2, :, : REGION_SIDE // 2] = 1  # the upper half
    regions[2] = torch.nan
    evidence = torch.tensor([[[3.0, 1], [0.5, -2]], [[5, 5], [0, 0]], [[1, 1], [1, 1]]])
    assert float(sum_outside_attribution(evidence.flatten(1), regions.flatten(1))) == pytest.approx(
        0.25 + 4
    )


def test_a_cell_that_the_region_only_touches_is_free():
    regions = torch.zeros(1, 1, REGION_SIDE, REGION_SIDE)
    regions[0, 0, 0, 0] = 1
    assert float(sum_outside_attribution(torch.ones(1, 4), regions.flatten(1))) == 3


def test_regions_move_as_films_do_and_unknown_ones_stay_unknown():
    augmentation = Augmentation(rotation_deg=20, shift=0.2, zoom=0.2)
    regions = torch.rand(2, 1, REGION_SIDE, REGION_SIDE, generator=torch.Generator().manual_seed(0))
    sample = sample_augmentation(augmentation, 2, torch.Generator().manual_seed(1))
    labels = torch.cat([torch.tensor([[1.0], [0.0]]), regions.flatten(1)], dim=1)
    labels[1, 1:] = torch.nan
    targets = FindingsTask(replace(TINY, augmentation=augmentation)).build_targets(labels, sample)
    assert targets[:, 0].tolist() == [1, 0]
    wanted = apply_augmentation(augmentation, regions, sample)[0].flatten()
    assert torch.allclose(targets[0, 1:], wanted, atol=1e-5)
    assert torch.isnan(targets[1, 1:]).all()
    assert transform_regions(regions.flatten(1), lambda masks: masks).equal(regions.flatten(1))


def test_labels_keep_their_loss_and_weight_beside_regions():
    task, plain = FindingsTask(TINY), FindingsTask(replace(TINY, region_weight=0.0))
    films = FilmSet.from_grids(np.zeros((2, 4, 4), np.uint8), np.array([[1], [0]], np.float32))
    targets = torch.from_numpy(
        append_regions(films, np.ones((2, 1, REGION_SIDE, REGION_SIDE), np.float32)).labels
    )
    logits = torch.tensor([[0.3], [-1.0]])
    outputs = torch.cat([logits, torch.ones(2, 16)], dim=1)
    assert float(task.target_weight(targets)) == float(plain.target_weight(targets[:, :1])) == 2
    assert float(task.summed_loss(outputs, targets)) == pytest.approx(
        float(plain.summed_loss(logits, targets[:, :1]))
    )


def test_a_run_learns_to_keep_its_evidence_in_the_heart(drawn, tmp_path, workspace):
    def squares_elsewhere(recipe: Recipe, name: str) -> float:
        folder = fit(recipe, [drawn], FitOptions(report=ignore, device="cpu"), run=tmp_path / name)
        classifier, films = Classifier.load(folder), open_data([str(drawn)])
        regions = torch.from_numpy(kept(tmp_path / name / "all", films, ("cardiomegaly",)))
        cells = [
            classifier.read(draw_phantom(chest(WIDTHS[int(path.stem)])))
            .attributions["cardiomegaly"]
            .cells
            for path in films.paths
        ]
        found = torch.from_numpy(np.stack(cells))
        return float(sum_outside_attribution(found.flatten(1), regions.flatten(1))) / float(
            (found**2).sum()
        )

    for name in ("guided", "free"):
        (tmp_path / name / "all").mkdir(parents=True)
    guided, free = (
        squares_elsewhere(TINY, "guided"),
        squares_elsewhere(replace(TINY, region_weight=0.0), "free"),
    )
    assert guided < 0.5 * free
    assert (
        load_card(tmp_path / "guided" / "model")
        .training["data"]["regions_from"]
        .startswith("anatomy ")
    )
    assert "regions_from" not in load_card(tmp_path / "free" / "model").training["data"]


def test_recipes_that_cannot_have_regions_are_refused():
    with pytest.raises(RecipeError, match="region_weight=2 is for recipes that predict findings"):
        replace(load_recipe(RECIPES / "anatomy.toml"), region_weight=2)
    with pytest.raises(RecipeError, match="needs a backbone that is trained"):
        replace(TINY, freeze="backbone")
