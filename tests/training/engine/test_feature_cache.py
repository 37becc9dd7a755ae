"""The head learns from kept features what it would learn from the films."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import RunError
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine import feature_cache
from cxr_core.training.engine.checkpoint import Checkpoints
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.trainer import Stopped, Trainer
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from tests.tiny import TINY_RECIPE

pytestmark = pytest.mark.training

FROZEN = replace(TINY_RECIPE, freeze="backbone", epochs=4)


def films(seed: int, count: int = 24) -> FilmSet:
    """Films whose lower half is bright when they are positive."""
    grids = np.random.default_rng(seed).integers(60, 120, (count, 64, 64)).astype(np.uint8)
    grids[::2, 32:] += 100
    return FilmSet.from_grids(grids, (np.arange(count) % 2 == 0).astype(np.float32)[:, None])


def trainer(
    recipe: Recipe, folder: Path | None = None, seen: list | None = None, **more
) -> Trainer:
    start = initialise_network(
        recipe.architecture_arguments(1),
        "scratch",
        0,
        input_spec=recipe.input_spec(),
        findings=recipe.findings,
    )
    made = Trainer(
        recipe,
        start.network,
        {"train": films(0), "val": films(1)},
        DistributedContext(torch.device("cpu")),
        Checkpoints(folder) if folder else None,
        lambda _: None,
        **more,
    )
    if seen is not None:
        made.learner.network.backbone.register_forward_hook(
            lambda _, inputs, __: seen.append(len(inputs[0]))
        )
    return made


def test_the_backbone_sees_each_film_once():
    seen: list[int] = []
    trainer(FROZEN, seen=seen).run()
    assert sum(seen) == 24 + 24


def test_augmented_films_are_seen_anew_each_time():
    seen: list[int] = []
    trainer(replace(FROZEN, augmentation=Augmentation(shift=0.05)), seen=seen).run()
    assert sum(seen) == FROZEN.epochs * (24 + 24)


def test_kept_features_teach_what_the_films_do(monkeypatch):
    kept = trainer(FROZEN).run()
    monkeypatch.setattr(Recipe, "can_cache_features", property(lambda _: False))
    anew = trainer(FROZEN).run()
    assert kept.epoch == anew.epoch
    for name, value in kept.network.state_dict().items():
        torch.testing.assert_close(value, anew.network.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole = trainer(FROZEN, tmp_path / "whole").run().network.state_dict()
    steps = iter(range(100))
    with pytest.raises(Stopped):
        trainer(FROZEN, tmp_path / "cut", stop=lambda: next(steps) == 4).run()
    last = Checkpoints(tmp_path / "cut").load_latest().checkpoint
    again = trainer(FROZEN, tmp_path / "cut")
    with (
        torch.no_grad()
    ):  # as when a run goes on from random weights: those of the checkpoint must count
        for parameter in again.learner.network.parameters():
            parameter.add_(1.0)
    again.resume(last)
    for name, value in again.run().network.state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_a_disk_without_room_for_the_features_is_said(monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feature_cache.tempfile, "TemporaryFile", Full)
    with pytest.raises(
        RunError, match=r"features of 24 films do not fit .* No space left on device\. Set TMPDIR"
    ):
        trainer(FROZEN).run()
