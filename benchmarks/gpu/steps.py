"""Training steps of one network: images a second by the way that films are loaded and computed."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.sizes import Sizes
from benchmarks.table import Row
from benchmarks.training import map_random_films
from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Loader, Position
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.learner import Learner, create_task
from cxr_core.training.recipe.recipe import Recipe

SHORT_MEMORY = 0.6  # of what a batch takes: less than the whole batch needs, more than half of it


def build_recipe(backbone: str, sizes: Sizes, **changes: Any) -> Recipe:
    """The recipe of a step: no augmentation, the optimizer of the house."""
    return replace(
        Recipe(
            name="gpu",
            summary="A benchmark.",
            model="gpu",
            findings=("pneumonia",),
            init="scratch",
            backbone=backbone,
            input_side=sizes.side,
            batch_size=sizes.batch,
            schedule="constant",
            precision="bfloat16",
        ),
        **changes,
    )


def build_learner(recipe: Recipe, device: torch.device) -> Learner:
    """A learner with random weights, ready for its first step."""
    network = initialise_network(recipe.architecture_arguments(1), "scratch", 0).network
    learner = Learner(recipe, network, create_task(recipe), DistributedContext(device), steps=10**6)
    learner.begin_epoch(1)
    return learner


def measure_eager(backbone: str, sizes: Sizes) -> Iterator[Row]:
    """Steps in bfloat16 on one batch, from the loader in two ways, and in float32; and the memory they take."""
    device = torch.device(sizes.device)
    with mapped_films(sizes) as films:
        in_half, in_full = (
            build_learner(build_recipe(backbone, sizes, precision=precision), device)
            for precision in ("bfloat16", "float32")
        )
        on_device = _make_loader(films, sizes, device, resident=True)
        from_file = _make_loader(films, sizes, device, resident=False)
        ways: dict[str, Callable[[], None]] = {
            "one batch": lambda: _train_on_one_batch(in_half, on_device),
            "resident": lambda: _train_from_loader(in_half, on_device),
            "file": lambda: _train_from_loader(in_half, from_file),
            "float32": lambda: _train_on_one_batch(in_full, on_device),
        }
        speed = measure_speeds(ways, sizes, device)
        named = f"{backbone}, {sizes.side} px, batch {sizes.batch}, bf16"
        ceiling = speed["one batch"]
        yield Row(f"{named}: on one batch", statistics.median(ceiling), "img/s", "")
        yield Row(
            f"{named}: films on the device / one batch",
            _ratio(speed["resident"], ceiling),
            "x",
            ">= 0.99",
        )
        yield Row(
            f"{named}: films from a file / one batch",
            _ratio(speed["file"], ceiling),
            "x",
            ">= 0.99",
        )
        yield Row(
            f"{named}: on one batch / the same in float32",
            _ratio(ceiling, speed["float32"]),
            "x",
            ">= 1.5",
        )
        yield Row(f"{named}: peak memory", _peak_memory_mib(in_half, on_device, device), "MiB", "")


def measure_compiled(backbone: str, sizes: Sizes) -> Iterator[Row]:
    """The same network compiled by torch, beside itself uncompiled, and from the loader."""
    device = torch.device(sizes.device)
    with mapped_films(sizes) as films:
        loader = _make_loader(films, sizes, device, resident=True)
        eager = build_learner(build_recipe(backbone, sizes), device)
        compiled = build_learner(build_recipe(backbone, sizes, compile=True), device)
        began = time.perf_counter()
        _train_on_one_batch(compiled, loader, steps=1)
        _wait_for(device)
        named = f"{backbone}, {sizes.side} px, batch {sizes.batch}, bf16, compiled"
        yield Row(f"{named}: first step", time.perf_counter() - began, "s", "")
        ways: dict[str, Callable[[], None]] = {
            "one batch": lambda: _train_on_one_batch(compiled, loader),
            "resident": lambda: _train_from_loader(compiled, loader),
            "eager": lambda: _train_on_one_batch(eager, loader),
        }
        speed = measure_speeds(ways, sizes, device)
        ceiling = speed["one batch"]
        yield Row(f"{named}: on one batch", statistics.median(ceiling), "img/s", "")
        yield Row(
            f"{named}: films on the device / one batch",
            _ratio(speed["resident"], ceiling),
            "x",
            ">= 0.99",
        )
        yield Row(f"{named}: on one batch / eager", _ratio(ceiling, speed["eager"]), "x", "")


def measure_out_of_memory(sizes: Sizes) -> Iterator[Row]:
    """In how many parts a batch is processed when the device has less memory than it takes."""
    device = torch.device(sizes.device)
    learner = build_learner(build_recipe(sizes.backbones[0], sizes), device)
    with mapped_films(sizes) as films:
        loader = _make_loader(films, sizes, device, resident=False)
        with _short_memory(learner, loader, device):
            _train_on_one_batch(learner, loader, steps=1)
    parts = learner.state()["pieces"]
    assert isinstance(parts, int)
    yield Row(
        f"{sizes.backbones[0]}: parts of a batch with {SHORT_MEMORY:.0%} of its memory",
        parts,
        "",
        ">= 2",
    )


def measure_speeds(
    ways: dict[str, Callable[[], None]], sizes: Sizes, device: torch.device
) -> dict[str, list[float]]:
    """Images a second of each way, a value for each round; they take turns, after one round that does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(sizes.rounds + 1):
        for name, train in ways.items():
            _wait_for(device)
            began = time.perf_counter()
            train()
            _wait_for(device)
            if turn:
                speeds[name].append(sizes.steps * sizes.batch / (time.perf_counter() - began))
    return speeds


@contextmanager
def mapped_films(sizes: Sizes) -> Iterator[FilmSet]:
    """Random films for the steps of one round."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grids.npy")
        yield map_random_films(path, sizes.steps * sizes.batch, sizes.side)


def _make_loader(films: FilmSet, sizes: Sizes, device: torch.device, *, resident: bool) -> Loader:
    return Loader(films, batch_size=sizes.batch, seed=0, device=device, resident=resident)


def _train_on_one_batch(learner: Learner, loader: Loader, steps: int | None = None) -> None:
    batch = next(iter(loader.batches(Position())))
    for step in range(steps or len(loader)):
        learner.train_step(batch, step, loader.size)


def _train_from_loader(learner: Learner, loader: Loader) -> None:
    for step, batch in enumerate(loader.batches(Position())):
        learner.train_step(batch, step, loader.size)


def _ratio(speeds: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(speeds, others, strict=True))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory_mib(learner: Learner, loader: Loader, device: torch.device) -> float:
    """The most that one step allocates on the device; NaN on a CPU."""
    if device.type != "cuda":
        return float("nan")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    _train_on_one_batch(learner, loader, steps=1)
    return torch.cuda.max_memory_allocated(device) / 2**20


@contextmanager
def _short_memory(learner: Learner, loader: Loader, device: torch.device) -> Iterator[None]:
    """Less memory than a step of the learner takes; on a CPU a network that refuses more than half of a batch."""
    if device.type != "cuda":
        handle = learner.network.register_forward_pre_hook(
            lambda network, films: _refuse_large_batch(films[0], loader.size // 2)
        )
        yield
        handle.remove()
        return
    needed = _peak_memory_mib(learner, loader, device) * 2**20
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(SHORT_MEMORY * needed / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def _refuse_large_batch(films: torch.Tensor, most: int) -> None:
    if len(films) > most:
        raise torch.OutOfMemoryError("a trial of too little memory")
