"""The workspace that victims start from: films, a prepared dataset, a finished run that is evaluated and published."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from cxr_core.data import prepare as prepare_module
from cxr_core.data.cache import pixel_cache
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from tests.conftest import decode_films_here
from tests.lit_films import lit_films
from tests.training.test_resume import RESTLESS
from train.evaluate import main as evaluate
from train.fit import main as fit
from train.prepare import main as prepare
from train.publish import main as publish

# Everything random is in it: augmentation, dropout, oversampling, averaged weights, checkpoints between epochs. The
# last epoch is the best, so that the model depends on all of them.
RECIPE = replace(
    RESTLESS,
    name="victim",
    model="victim",
    backbone="plain_cnn",
    backbone_arguments={"widths": [2, 4]},
    neck=None,
    batch_size=8,
    checkpoint_every_steps=2,
)
OTHER_RECIPE = replace(RECIPE, name="other", seed=5)
COMMIT_FILMS = 8  # instead of 256, so that a few films are committed in many steps
REASON = "a test of what a kill leaves"

# Decoding and preparing in processes of their own costs seconds a time; one victim does so.
pixel_cache.COMMIT_FILMS = COMMIT_FILMS
prepare_module.prepare_apart = prepare_module.prepare_here
WorkerPool.decode_films = decode_films_here  # type: ignore[method-assign]


def build_base(base: Path) -> None:
    """Make films and the workspace that every victim gets a copy of."""
    os.environ["CXR_WORKSPACE"] = str(base / "workspace")
    lit_films(base / "films", side=48, train=14, test=8)
    lit_films(base / "more-films", side=40, train=16, test=4)
    for recipe in (RECIPE, OTHER_RECIPE):
        (base / f"{recipe.name}.toml").write_text(format_recipe(recipe))
    _require(prepare(["--data", str(base / "films")]))
    for recipe, name in ((RECIPE, "finished"), (OTHER_RECIPE, "other")):
        run = base / "workspace" / "runs" / name
        _require(fit(fit_arguments(base, run, recipe)))
        shutil.rmtree(run / "checkpoints")
        shutil.rmtree(run / "tensorboard", ignore_errors=True)
        _require(evaluate([str(run), "--data", str(base / "films")]))
    _require(
        publish(
            [str(base / "workspace" / "runs" / "finished"), "--override", REASON, "--note", REASON]
        )
    )


def fit_arguments(base: Path, run: Path, recipe: Recipe = RECIPE) -> list[str]:
    """The arguments that train a run of a recipe, from its beginning."""
    toml, films = base / f"{recipe.name}.toml", base / "films"
    return [str(toml), "--data", str(films), "--run", str(run), "--device", "cpu"]


def _require(status: int) -> None:
    if status:
        raise RuntimeError(f"a command that prepares the victims ended with status {status}")
