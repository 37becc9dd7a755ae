"""Measures steps of a recipe for the estimate, in a child process that may die of them.

The parent sends the recipe, the data's folders, device and processes; this process answers with what it has measured
so far, until it has measured enough or is killed: first the numbers of films, then seconds and memory. The keys of all
messages are those of `Measurements`. It computes at the priority of a run, so that a busy machine slows both alike.
"""

import copy
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import torch
from torch import Tensor

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Batch
from cxr_core.data.references import apply_references, is_reference
from cxr_core.data.registry import RECORD, Dataset, choose_folder
from cxr_core.errors import DataError, SilhouetteError
from cxr_core.jobs.launch import lower_priority
from cxr_core.jobs.records import read_int, read_text, read_texts
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine.device import select_device
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.feature_cache import cache_features
from cxr_core.training.engine.learner import Learner, create_task, prepare_inputs
from cxr_core.training.export.export_classifier import compute_film_outputs
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.run_data import select_learning_films, split_manifest
from cxr_core.training.run_split import find_recipe_split
from cxr_core.training.tasks.region_target import REGION_SIDE, append_regions
from cxr_core.training.tasks.task import compute_outputs
from cxr_core.workspace.child_process import ParentConnection, connect_to_parent
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.malloc import keep_freed_memory

WARM_UP_STEPS, STEPS = 2, 24
VALIDATION_FILMS, OUTPUT_FILMS = 32, 8
LONGEST_S = 120.0  # then this process ends itself, should its parent be gone


def measure(task: JsonObject, parent: ParentConnection) -> None:
    """Send the numbers of films, then seconds of a step and of a validation film, again after every step."""
    recipe = load_recipe(Path(read_text(task, "recipe")))
    parent.send({**count_films(recipe, read_texts(task, "folders"))})
    device = select_device(read_text(task, "device"))
    size = recipe.batch_size
    if device.type == "cpu":
        keep_freed_memory()
    else:
        size //= read_int(task, "processes", 1)
    learner = create_learner(recipe, device)
    films = random_films(recipe, max(size, VALIDATION_FILMS))
    if recipe.can_cache_features:
        began = time.perf_counter()
        films = cache_features(
            cast(FilmClassifier, learner.network),
            films,
            lambda grids: prepare_inputs(recipe, grids.to(device)),
        )
        parent.send({"feature_film_s": (time.perf_counter() - began) / len(films)})
    parent.send({"validation_film_s": time_validation(learner, films, device)})
    if not recipe.structures:
        parent.send({"output_film_s": time_outputs(learner, recipe)})
    times: list[float] = []
    for step in range(WARM_UP_STEPS + STEPS):
        times.append(time_step(learner, films, step, size, device))
        if step >= WARM_UP_STEPS:
            parent.send(
                {
                    "step_s": statistics.median(times[WARM_UP_STEPS:]),
                    "steps": step + 1 - WARM_UP_STEPS,
                    "memory_mb": peak_memory_mb(device),
                }
            )


def count_films(recipe: Recipe, data: Sequence[str]) -> dict[str, int]:
    """Films of each split, and how many of them are still to be decoded and to be segmented.

    data: folders, subsets as `subset:NAME` and label layers as `labels:NAME`. Raises DataError for data that is not
    prepared yet.
    """
    folder = choose_folder([Path(name) for name in data if not is_reference(name)], None)
    if not (folder / RECORD).exists():
        raise DataError(
            "The data has not been prepared yet. Prepare it on the Data page, then estimate again."
        )
    usable = apply_references(Dataset.load(folder).load_manifest().select_usable(), data)
    films = select_learning_films(split_manifest(recipe, usable, find_recipe_split(recipe, data)))
    rows = PixelCache(recipe.input_spec()).load_entries(films.paths)["row"]
    train, val = (len(films.select_split(name).table) for name in ("train", "val"))
    return {
        "train": train,
        "val": val,
        "undecoded": int((rows < 0).sum()),
        "outlined": train if recipe.region_weight else 0,
    }


def create_learner(recipe: Recipe, device: torch.device) -> Learner:
    """A network in training, from random weights: a step takes as long with others."""
    arguments = recipe.architecture_arguments(len(recipe.labelled_findings))
    network = initialise_network(arguments, "scratch", 0, architecture=recipe.architecture).network
    context = DistributedContext(device)
    learner = Learner(recipe, network, create_task(recipe), context, steps=10**6)
    learner.begin_epoch(recipe.epochs)
    return learner


def random_films(recipe: Recipe, count: int) -> FilmSet:
    """Random pixels with random labels, regions or masks, as large as the recipe's."""
    rng = np.random.default_rng(0)
    side = recipe.input_side
    grids = rng.integers(0, 256, (count, side, side), np.uint8)
    if recipe.structures:
        masks = rng.integers(0, 2, (count, len(recipe.structures), side, side), np.uint8)
        return FilmSet.from_grids(grids, masks)
    labels = rng.integers(0, 2, (count, len(recipe.labelled_findings))).astype(np.float32)
    films = FilmSet.from_grids(grids, labels)
    if not recipe.region_weight:
        return films
    regions = np.ones((count, len(recipe.findings), REGION_SIDE, REGION_SIDE), np.float32)
    return append_regions(films, regions)


def time_validation(learner: Learner, films: FilmSet, device: torch.device) -> float:
    """Seconds per validation film. The first pass, which allocates memory, does not count."""
    some = FilmSet(films.grids, films.rows[:VALIDATION_FILMS], films.labels[:VALIDATION_FILMS])
    network = learner.wrap_forward(learner.eval_network)

    def prepare(grids: Tensor) -> Tensor:
        return prepare_inputs(learner.recipe, grids.to(device))

    for _ in range(2):
        began = time.perf_counter()
        compute_outputs(network, some, prepare)
        duration_s = time.perf_counter() - began
    learner.network.train()
    return duration_s / len(some)


def time_outputs(learner: Learner, recipe: Recipe) -> float:
    """Seconds per film of the pass after training that the model is calibrated with: on the CPU, for train and val."""
    network = copy.deepcopy(cast(FilmClassifier, learner.eval_network)).float().cpu().eval()
    films = random_films(recipe, OUTPUT_FILMS)
    began = time.perf_counter()
    compute_film_outputs(network, films, recipe)
    return (time.perf_counter() - began) / len(films)


def time_step(
    learner: Learner, films: FilmSet, step: int, size: int, device: torch.device
) -> float:
    """Seconds of one training step."""
    positions = np.arange(size)
    began = time.perf_counter()
    grids = torch.from_numpy(films.take_grids(positions)).to(device)
    labels = torch.from_numpy(films.labels[positions]).to(device)
    learner.train_step(Batch(grids, labels, positions), step, size)
    return time.perf_counter() - began


def peak_memory_mb(device: torch.device) -> float:
    """The most memory held so far, in MiB: by the device, or by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024  # macOS tells bytes


def take_priority_of_run() -> None:
    """Compute as `launch` lets a run compute: in a session of its own, so that only this process is slowed."""
    if os.name == "posix":
        os.setsid()
        lower_priority()


def main() -> None:
    """Measure what the parent asks for."""
    timer = threading.Timer(LONGEST_S, os._exit, [1])
    timer.daemon = True
    timer.start()
    parent = connect_to_parent()
    take_priority_of_run()
    try:
        measure(parent.receive() or {}, parent)
    except SilhouetteError as error:
        parent.send({"why": str(error)})
    except torch.OutOfMemoryError:
        parent.send({"why": "the device has not enough memory for a step"})
    os._exit(0)  # without the seconds that libraries take to tidy up


if __name__ == "__main__":
    main()
