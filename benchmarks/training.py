"""Training steps: fed by the loader against one tensor, beside timm's loop, and what checkpoints cost.

The films are random pixels in a memory-mapped file, as the pixel cache is; a step takes as long as on real ones.
Runs on a CUDA device where there is one, in bfloat16, else on the CPU in float32.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from benchmarks.table import Row, milliseconds
from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Loader, Position
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine.checkpoint import Checkpoint, Checkpoints
from cxr_core.training.engine.device import select_device
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.learner import Learner, create_task
from cxr_core.training.engine.trainer import Trainer
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.events import EpochDone, Event

STEPS, ROUNDS = 8, 7
HEAD_FILMS = 512
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"STEPS": 2, "ROUNDS": 1, "HEAD_FILMS": 32}
RECIPE = Recipe(
    name="bench",
    summary="The house's network and optimizer, without augmentation.",
    model="bench",
    findings=("pneumonia",),
    init="scratch",
    input_side=128,
    neck=96,
    batch_size=16,
    schedule="constant",
)


def rows() -> list[Row]:
    device = select_device("auto")
    with tempfile.TemporaryDirectory() as name:
        films = map_random_films(
            Path(name) / "grids.npy", STEPS * RECIPE.batch_size, RECIPE.input_side
        )
        where = (
            f"{RECIPE.backbone}, {RECIPE.input_side} px, batch {RECIPE.batch_size}, {device.type}"
        )
        fed, fixed, timms, speed = steps(films, device)
        return [
            Row(
                f"steps from the loader / on one tensor, images per second ({where})",
                fed,
                "x",
                ">= 0.98",
            ),
            Row("the same, on one tensor", speed, "img/s", ""),
            Row(
                "our steps / timm's loop, same batches and precision, images per second",
                timms,
                "x",
                ">= 1.00",
            ),
            Row(
                f"share of training time for a checkpoint every {RECIPE.checkpoint_every_steps} steps",
                100 * checkpoint_s(device, Path(name)) / (RECIPE.checkpoint_every_steps * fixed),
                "%",
                "<= 1",
            ),
            head_only(device),
        ]


def map_random_films(path: Path, count: int, side: int) -> FilmSet:
    """Random films (count, side, side) in a file that is mapped, as the pixel cache is; half of them positive."""
    grids = np.lib.format.open_memmap(path, "w+", np.uint8, (count, side, side))
    rng = np.random.default_rng(0)
    for grid in grids:
        grid[:] = rng.integers(0, 256, grid.shape, np.uint8)
    return FilmSet.from_grids(grids, (np.arange(count) % 2).astype(np.float32)[:, None])


def steps(films: FilmSet, device: torch.device) -> tuple[float, float, float, float]:
    """Rates fed / on one tensor, seconds of a step on one tensor, rates of ours / timm's, images/s on one tensor.

    The three run in turn, and each ratio is the median over the rounds, so that the machine's drift meets all alike.
    """
    loader = Loader(films, batch_size=RECIPE.batch_size, seed=0, device=device)
    one = next(iter(loader.batches(Position())))
    learner = learner_on(device)
    theirs = timm_step(network().to(device, memory_format=torch.channels_last), device)

    def fed() -> None:
        for index, batch in enumerate(loader.batches(Position())):
            learner.train_step(batch, index, loader.size)

    def fixed() -> None:
        for index in range(len(loader)):
            learner.train_step(one, index, loader.size)

    def timms() -> None:
        for batch in loader.batches(Position()):
            theirs(batch.grids, batch.labels)

    times = [[_seconds(each, device) for each in (fed, fixed, timms)] for _ in range(ROUNDS + 1)][
        1:
    ]
    one_step = statistics.median(time[1] for time in times) / len(loader)
    return (
        statistics.median(on_one / from_loader for from_loader, on_one, _ in times),
        one_step,
        statistics.median(by_timm / from_loader for from_loader, _, by_timm in times),
        loader.size / one_step,
    )


def timm_step(
    network: FilmClassifier, device: torch.device
) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """One step as timm's train.py takes it: its loss and optimizer, autocast, backward, step, the loss read back."""
    from timm.loss import BinaryCrossEntropy
    from timm.optim import create_optimizer_v2

    optimizer = create_optimizer_v2(
        network, opt=RECIPE.optimizer, lr=RECIPE.learning_rate, weight_decay=RECIPE.weight_decay
    )
    measure = BinaryCrossEntropy(smoothing=0.0)
    network.train()

    def step(grids: torch.Tensor, labels: torch.Tensor) -> None:
        films = (grids[:, None].float() / 255 - RECIPE.mean) / RECIPE.std
        films = films.expand(-1, RECIPE.channels, -1, -1).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = measure(network(films), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return step


def head_only(device: torch.device) -> Row:
    """An epoch of the head alone on kept features against one of the whole network; validation included in both."""
    pair = []
    for recipe in (replace(RECIPE, epochs=3), replace(RECIPE, epochs=3, freeze="backbone")):
        epoch_ends: list[float] = []

        def record(event: Event, epoch_ends: list[float] = epoch_ends) -> None:
            if isinstance(event, EpochDone):
                epoch_ends.append(time.perf_counter())

        parts = {name: random_films(HEAD_FILMS, seed) for seed, name in enumerate(("train", "val"))}
        Trainer(
            recipe,
            network(),
            parts,
            DistributedContext(device),
            None,
            record,
            lambda: False,
        ).run()
        pair.append(statistics.median(after - before for before, after in pairwise(epoch_ends)))
    return Row(
        f"an epoch of everything / of the head on kept features, {HEAD_FILMS} films",
        pair[0] / pair[1],
        "x",
        ">= 50",
    )


def random_films(count: int, seed: int, side: int = RECIPE.input_side) -> FilmSet:
    grids = np.random.default_rng(seed).integers(0, 256, (count, side, side), np.uint8)
    return FilmSet.from_grids(grids, (np.arange(count) % 2).astype(np.float32)[:, None])


def checkpoint_s(device: torch.device, folder: Path) -> float:
    """How long writing one takes, with averaged weights and the optimizer's tensors. Seconds, median of 7."""
    learner = learner_on(device, replace(RECIPE, ema_decay=0.995))
    films = map_random_films(folder / "few.npy", RECIPE.batch_size, RECIPE.input_side)
    loader = Loader(films, batch_size=RECIPE.batch_size, seed=0, device=device)
    learner.train_step(next(iter(loader.batches(Position()))), 0, loader.size)
    checkpoints = Checkpoints(folder)

    def save(step: int) -> None:
        written = Checkpoint(
            step=step,
            weights=learner.network_tensors(),
            tensors=learner.state_tensors(),
            state=learner.state(),
        )
        checkpoints.save(written, None)

    return (
        statistics.median(milliseconds(lambda step=step: save(step)) for step in range(ROUNDS))
        / 1000
    )


def learner_on(device: torch.device, recipe: Recipe = RECIPE) -> Learner:
    learner = Learner(
        recipe, network(), create_task(recipe), DistributedContext(device), steps=10**6
    )
    learner.begin_epoch(1)
    return learner


def network() -> FilmClassifier:
    return initialise_network(RECIPE.architecture_arguments(1), "scratch", 0).network


def _seconds(action: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
