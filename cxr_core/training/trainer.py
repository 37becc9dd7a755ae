"""From a recipe and a manifest to the weights that did best on validation.

loader: batches in the order of (seed, epoch) -> augmented on the device -> loss -> step -> EMA
validation grids -> logits -> AUROC, which chooses the epoch
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.data.films import Films
from cxr_core.data.loader import Batch, Loader, Position
from cxr_core.errors import DataError, RunError
from cxr_core.evaluation.metrics import auroc
from cxr_core.models.architectures import FilmClassifier
from cxr_core.training.recipe import Recipe

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """The network of the chosen epoch, with that epoch's number (from 1) and validation AUROC."""

    network: FilmClassifier
    epoch: int
    auroc: float


def train(
    recipe: Recipe, network: FilmClassifier, parts: dict[str, Films], device: torch.device, report: Report
) -> Trained:
    """Train on parts["train"], choose the epoch on parts["val"].

    Raises DataError when a finding has no positive in a part, RunError when the loss is no longer finite.
    """
    answers = len(recipe.findings)
    for name, films in parts.items():
        _need_both_classes(films.labels[:, :answers], recipe, name)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(recipe, network)
    loader = _loader(recipe, parts["train"], device)
    schedule = _schedule(recipe, optimizer, len(loader))
    average = ModelEmaV3(network, decay=recipe.ema_decay, use_warmup=True) if recipe.ema_decay else None
    chance = torch.Generator().manual_seed(recipe.seed)
    best: Trained | None = None
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        network.train()
        losses = []
        for batch in loader.batches(Position(epoch)):
            loss = _loss(recipe, network, batch, chance)
            if not torch.isfinite(loss):
                raise RunError(f"the loss became {loss.item()} in epoch {epoch}; lower the learning rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if average:
                average.update(network)
            losses.append(float(loss.detach()))
        seconds = time.perf_counter() - started
        candidate = average.module if average else network
        logits = predict(candidate, parts["val"], recipe, device)[:, :answers]
        score = _mean_auroc(logits, parts["val"].labels[:, :answers])
        speed = len(losses) * loader.size / seconds
        report({"epoch": epoch, "loss": float(np.mean(losses)), "validation_auroc": score, "images_per_second": speed})
        if best is None or score > best.auroc:
            best = Trained(copy.deepcopy(candidate), epoch, score)
        if recipe.early_stopping_patience and epoch - best.epoch >= recipe.early_stopping_patience:
            break
    assert best is not None  # epochs >= 1
    return best


def predict(network: nn.Module, films: Films, recipe: Recipe, device: torch.device) -> np.ndarray:
    """Logits (N, L) of films, in eval mode, without augmentation."""
    network.eval()
    with torch.inference_mode():
        batches = [network(_inputs(recipe, torch.from_numpy(grids).to(device))).cpu() for grids in films.batches(64)]
    return torch.cat(batches).numpy()


def _loss(recipe: Recipe, network: nn.Module, batch: Batch, chance: torch.Generator) -> Tensor:
    inputs = _inputs(recipe, batch.grids, chance)
    return masked_bce(network(inputs), batch.labels, recipe.label_smoothing, _weights(recipe, batch.labels))


def masked_bce(logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor) -> Tensor:
    """Binary cross-entropy over the known labels. logits, labels (B, L), NaN = unknown; weights (L,)."""
    known = ~torch.isnan(labels)
    target = torch.nan_to_num(labels) * (1 - smoothing) + smoothing / 2
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = weights * known
    return (each * weight).sum() / weight.sum().clamp_min(1e-6)


def _weights(recipe: Recipe, labels: Tensor) -> Tensor:
    weights = torch.ones(labels.shape[1], device=labels.device)
    weights[: len(recipe.findings)] = recipe.finding_weight
    return weights


def _inputs(recipe: Recipe, grids: Tensor, chance: torch.Generator | None = None) -> Tensor:
    """Grids (B, S, S) uint8 as normalised input (B, C, S, S), augmented when chance is given."""
    films = grids[:, None].float() * (1 / 255)
    if chance is not None:
        films = recipe.augmentation(films, chance)
    films = (films - recipe.mean) / recipe.std
    return films.expand(-1, recipe.channels, -1, -1).contiguous(memory_format=torch.channels_last)


def _loader(recipe: Recipe, films: Films, device: torch.device) -> Loader:
    """Training batches; with oversampling, films with any of the recipe's findings are drawn more often."""
    weights = None
    if recipe.balance == "oversample":
        positive = np.nanmax(films.labels[:, : len(recipe.findings)], axis=1) > 0
        weights = np.where(positive, recipe.oversample_factor, 1.0)
    return Loader(films, batch_size=recipe.batch_size, seed=recipe.seed, device=device, weights=weights)


def _optimizer(recipe: Recipe, network: FilmClassifier) -> torch.optim.Optimizer:
    head = {id(parameter) for parameter in network.head_parameters()}
    groups = [
        {"params": [p for p in network.parameters() if id(p) not in head], "lr": recipe.learning_rate},
        {"params": network.head_parameters(), "lr": recipe.head_learning_rate or recipe.learning_rate},
    ]
    return create_optimizer_v2(groups, opt=recipe.optimizer, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """A schedule that is stepped after every batch."""
    total = steps * recipe.epochs
    if recipe.schedule == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=total + 1, pct_start=0.15)
    if recipe.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)


def _mean_auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    known = ~np.isnan(labels)
    each = [auroc(logits[known[:, i], i], labels[known[:, i], i]) for i in range(labels.shape[1])]
    return float(np.mean(each))


def _need_both_classes(labels: np.ndarray, recipe: Recipe, part: str) -> None:
    for index, key in enumerate(recipe.findings):
        positives, negatives = int((labels[:, index] == 1).sum()), int((labels[:, index] == 0).sum())
        if not positives or not negatives:
            raise DataError(f"part {part!r} has {positives} films with {key} and {negatives} without: both are needed")
