"""`python -m cxr_core.jobs.estimate_worker`: steps of a recipe, measured in a process that may die of them.

It is given the recipe, the data's folders, device and processes as one JSON line, and tells what it has found so far as
JSON lines, until it has measured enough or is killed: first how many films there are, then seconds and memory.
"""

import json
import os
import resource
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Batch
from cxr_core.data.registry import RECORD, Dataset, choose_folder
from cxr_core.errors import DataError, SilhouetteError
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine.device import select_device
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.feature_cache import cache_features
from cxr_core.training.engine.learner import Learner, create_task, prepare_inputs
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.run_data import split_manifest
from cxr_core.training.tasks.region_target import REGION_SIDE, append_regions
from cxr_core.training.tasks.task import compute_outputs
from cxr_core.workspace.malloc import keep_freed_memory

WARM_STEPS, STEPS = 2, 24
VALIDATION_FILMS = 32
LONGEST_S = 120  # then this process ends itself, should nobody be there any more to do so


def measure(asked: dict[str, Any]) -> None:
    """Tell how many films there are, then seconds of a step and of a validation film, again after every step."""
    recipe = load_recipe(Path(asked["recipe"]))
    tell(count(recipe, [Path(folder) for folder in asked["folders"]]))
    device = select_device(asked["device"])
    if device.type == "cpu":
        keep_freed_memory()
    size = recipe.batch_size // asked["processes"] if device.type == "cuda" else recipe.batch_size
    learner = learner_of(recipe, device)
    films = drawn_films(recipe, max(size, VALIDATION_FILMS))
    began = time.perf_counter()
    if recipe.can_cache_features:
        films = cache_features(
            cast(FilmClassifier, learner.network),
            films,
            lambda grids: prepare_inputs(recipe, grids.to(device)),
        )
        tell({"feature_film_s": (time.perf_counter() - began) / len(films)})
    tell({"validation_film_s": validation_s(learner, films, device)})
    times: list[float] = []
    for step in range(WARM_STEPS + STEPS):
        times.append(step_s(learner, films, step, size, device))
        if step >= WARM_STEPS:
            found = {
                "step_s": statistics.median(times[WARM_STEPS:]),
                "steps": step + 1 - WARM_STEPS,
            }
            tell({**found, "memory_mb": memory_mb(device)})


def count(recipe: Recipe, folders: list[Path]) -> dict[str, int]:
    """Films of each part, how many have yet to be decoded, and how many to be outlined.

    Raises DataError for data that is not prepared yet.
    """
    home = choose_folder(folders, None)
    if not (home / RECORD).exists():
        raise DataError(
            "The data has not been prepared yet. Prepare it on the Data page, and the estimate can be made."
        )
    films = split_manifest(recipe, Dataset.load(home).load_manifest().select_usable())
    learnt = films.with_table(films.table[films.table["split"].isin(["train", "val"])])
    missing = int((PixelCache(recipe.input_spec()).load_entries(learnt.paths)["row"] < 0).sum())
    train, val = (len(films.select_split(name).table) for name in ("train", "val"))
    outlined = train + val if recipe.ratio_weight else train if recipe.region_weight else 0
    return {"train": train, "val": val, "undecoded": missing, "outlined": outlined}


def learner_of(recipe: Recipe, device: torch.device) -> Learner:
    """What learns, from random weights: a step takes as long with others."""
    arguments = recipe.architecture_arguments(len(recipe.learnt))
    network = initialise_network(arguments, "scratch", 0, architecture=recipe.architecture).network
    learner = Learner(recipe, network, create_task(recipe), DistributedContext(device), steps=10**6)
    learner.begin_epoch(recipe.epochs)
    return learner


def drawn_films(recipe: Recipe, count: int) -> FilmSet:
    """Random pixels with random labels, regions or masks, as large as the recipe's."""
    chance = np.random.default_rng(0)
    side = recipe.input_side
    grids = chance.integers(0, 256, (count, side, side), np.uint8)
    if recipe.structures:
        return FilmSet.from_grids(
            grids, chance.integers(0, 2, (count, len(recipe.structures), side, side), np.uint8)
        )
    films = FilmSet.from_grids(
        grids, chance.integers(0, 2, (count, len(recipe.learnt))).astype(np.float32)
    )
    if not recipe.region_weight:
        return films
    return append_regions(
        films, np.ones((count, len(recipe.findings), REGION_SIDE, REGION_SIDE), np.float32)
    )


def validation_s(learner: Learner, films: FilmSet, device: torch.device) -> float:
    """Seconds a film of validation takes; the first pass, which allocates, does not count."""
    some = FilmSet(films.grids, films.rows[:VALIDATION_FILMS], films.labels[:VALIDATION_FILMS])
    network = learner.answering(learner.candidate)
    for _ in range(2):
        began = time.perf_counter()
        compute_outputs(
            network, some, lambda grids: prepare_inputs(learner.recipe, grids.to(device))
        )
        taken = time.perf_counter() - began
    learner.network.train()
    return taken / len(some)


def step_s(learner: Learner, films: FilmSet, step: int, size: int, device: torch.device) -> float:
    """Seconds of one step."""
    chosen = np.arange(size)
    began = time.perf_counter()
    grids = torch.from_numpy(films.take_grids(chosen)).to(device)
    learner.step(
        Batch(grids, torch.from_numpy(films.labels[chosen]).to(device), chosen), step, size
    )
    return time.perf_counter() - began


def memory_mb(device: torch.device) -> float:
    """The most memory that was held so far: of the device, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(found: dict[str, Any]) -> None:
    """Say what is known by now."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.alarm(LONGEST_S)
    try:
        measure(json.loads(sys.stdin.readline()))
    except (SilhouetteError, torch.OutOfMemoryError) as error:
        tell(
            {
                "why": str(error)
                if isinstance(error, SilhouetteError)
                else "the device has not enough memory for a step"
            }
        )
    os._exit(0)  # without the seconds that libraries take to tidy up
