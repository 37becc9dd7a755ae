from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_core.data.loader import Batch
from cxr_core.errors import RecipeError
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine.augment import sample_augmentation
from cxr_core.training.engine.consistency import Twins, join_films, sum_differences
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.learner import Learner, create_task, prepare_inputs
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.contradictions import find_idle_fields
from tests.tiny import TINY_RECIPE

RECIPE = replace(
    TINY_RECIPE,
    findings=("cardiomegaly",),
    backbone="plain_cnn",
    neck=None,
    input_side=32,
    dropout=0.0,
    augmentation=Augmentation(low_resolution=0.4, jpeg=0.4),
)


def test_differences_are_shares_of_the_variance():
    outputs = torch.tensor([[0.0], [2.0], [4.0]])  # variance 4
    before = torch.tensor([[1.0], [4.0]])  # of the first and the last
    chosen = torch.tensor([True, False, True])
    assert float(sum_differences(outputs, before, chosen)) == 1 / 4
    assert float(sum_differences(10 * outputs, 10 * before, chosen)) == 1 / 4


def test_without_a_chosen_film_and_with_one_film_alone_nothing_is_lost():
    none = torch.tensor([False, False])
    assert float(sum_differences(torch.ones(2, 1), torch.ones(0, 1), none)) == 0
    alone = sum_differences(torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([True]))
    assert float(alone) == 0


def test_only_chosen_twins_pass_the_network_and_chunks_keep_them_beside_their_films():
    films = torch.arange(5.0).view(5, 1, 1, 1)
    twins = Twins(films + 10, torch.tensor([True, False, True, False, True]))
    assert join_films(films, twins).flatten().tolist() == [0, 1, 2, 3, 4, 10, 12, 14]
    first, second = twins.chunk(2)
    assert join_films(films[:3], first).flatten().tolist() == [0, 1, 2, 10, 12]
    assert join_films(films[3:], second).flatten().tolist() == [3, 4, 14]
    assert torch.equal(join_films(films, None), films)


def draw_films() -> tuple[torch.Tensor, torch.Tensor]:
    """Half of the films have a bright middle, which storing keeps, and a fine grid, which it destroys."""
    rng = np.random.default_rng(3)
    labels = np.arange(16) % 2
    rows, columns = np.indices((32, 32))
    middle = 40 * np.exp(-((rows - 16) ** 2 + (columns - 16) ** 2) / 60)
    grid = 30.0 * ((rows + columns) % 2)
    films = 90 + labels[:, None, None] * (middle + grid) + rng.normal(0, 5, (16, 32, 32))
    grids = torch.from_numpy(films.clip(0, 255).astype(np.uint8))
    return grids, torch.from_numpy(labels.astype(np.float32))[:, None]


def loss_of_a_step(weight: float) -> float:
    recipe = replace(RECIPE, consistency_weight=weight)
    grids, labels = draw_films()
    network = initialise_network(recipe.architecture_arguments(1), "scratch", 0).network
    context = DistributedContext(torch.device("cpu"))
    learner = Learner(recipe, network, create_task(recipe), context, steps=1)
    learner.begin_epoch(1)
    return learner.train_step(Batch(grids, labels, np.arange(16)), 0, 16)


def test_a_step_adds_the_weighted_difference_between_stored_films_and_the_films_before(monkeypatch):
    sample = sample_augmentation(RECIPE.augmentation, 16, torch.Generator().manual_seed(5))
    monkeypatch.setattr("cxr_core.training.engine.learner.sample_augmentation", lambda *_: sample)
    chosen = sample.is_stored_worse.numpy()
    grids, _ = draw_films()
    network = initialise_network(RECIPE.architecture_arguments(1), "scratch", 0).network.train()
    stored = prepare_inputs(RECIPE, grids, sample)
    before = prepare_inputs(RECIPE, grids, sample.stored_as_it_is())[torch.from_numpy(chosen)]
    with torch.no_grad():
        logits = network(torch.cat([stored, before]))[:, 0].numpy()
    squares = (logits[:16][chosen] - logits[16:]) ** 2 / np.var(logits[:16], ddof=1)
    expected = squares.sum() / 16
    assert 0 < chosen.sum() < 16
    assert expected > 0.01
    assert loss_of_a_step(3.0) - loss_of_a_step(1.0) == pytest.approx(2 * expected, rel=1e-3)


def test_the_weight_is_for_findings_and_for_films_that_are_stored_otherwise():
    assert "consistency_weight" not in find_idle_fields(RECIPE)
    assert "consistency_weight" in find_idle_fields(replace(RECIPE, augmentation=Augmentation()))
    segments = replace(
        RECIPE, findings=(), structures=("heart", "left_lung", "right_lung"), monitor="dice"
    )
    with pytest.raises(RecipeError, match="consistency_weight"):
        replace(segments, consistency_weight=1.0)
