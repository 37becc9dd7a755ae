"""The network with its optimizer, schedule, averaged weights and precision, and one training step.

All randomness of a step follows from (seed, step), so that a checkpoint need not hold a generator's state.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.models.networks.architectures import FilmClassifier, Network

# isort: split
# timm can be imported from here on, as architectures has declared torchvision's operators.
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3

from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Batch
from cxr_core.errors import RunError
from cxr_core.training.engine.augment import (
    AugmentationSample,
    apply_augmentation,
    sample_augmentation,
)
from cxr_core.training.engine.checkpoint import Checkpoint
from cxr_core.training.engine.consistency import Twins, join_films, sum_differences
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.feature_cache import AfterBackbone
from cxr_core.training.engine.schedule import Schedule
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.findings import FindingsTask
from cxr_core.training.tasks.region_target import WithAttribution
from cxr_core.training.tasks.structures import StructuresTask
from cxr_core.training.tasks.task import Task
from cxr_core.workspace.json_files import Json, JsonObject

AVERAGE, OPTIMIZER = "average.", "optimizer."
MIN_WEIGHT = 1e-6  # a batch without known labels has weight 0


class Learner:
    """A network in training. `eval_network` is the one evaluated: averaged weights, or the network itself."""

    def __init__(
        self, recipe: Recipe, network: Network, task: Task, context: DistributedContext, steps: int
    ):
        """steps: of the whole run, for the schedule."""
        self.recipe, self.task, self.context = recipe, task, context
        if context.count > 1 and context.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        # channels_last for convolutions; the type stubs know no such argument, hence Any
        untyped: Any = network
        self.network: Network = untyped.to(context.device, memory_format=torch.channels_last)
        self.optimizer = _create_optimizer(recipe, self.network, context.device)
        self.schedule = Schedule(recipe, self.optimizer, steps)
        self._average: ModelEmaV3 | None = None
        if recipe.ema_decay:
            self._average = ModelEmaV3(self.network, recipe.ema_decay, use_warmup=True)
        self._chunks = 1  # a step's films are processed in this many chunks when memory is short
        self._backbone_is_trained: bool | None = None
        self._forward: nn.Module = self.network

    @property
    def eval_network(self) -> Network:
        """The network that validation measures and the model keeps."""
        network: Any = self._average.module if self._average else self.network
        return cast(Network, network)

    def wrap_forward(self, network: Network) -> nn.Module:
        """The module from what the loader gives to what the task takes.

        The network, with its attribution where the task needs that; or what follows the backbone, for cached features.
        """
        if self.recipe.can_cache_features:
            return AfterBackbone(cast(FilmClassifier, network))
        if self.recipe.region_weight:
            return WithAttribution(cast(FilmClassifier, network), len(self.recipe.findings))
        return network

    @property
    def backbone_is_trained(self) -> bool:
        """Whether the steps of this epoch change the backbone."""
        return bool(self._backbone_is_trained)

    @property
    def learning_rate(self) -> float:
        """The current learning rate of the backbone."""
        return float(self.optimizer.param_groups[0]["lr"])

    def begin_epoch(self, epoch: int) -> None:
        """Freeze or unfreeze the backbone, as the recipe says for this epoch."""
        train_backbone = self.recipe.freeze == "none" and epoch > self.recipe.head_epochs
        if train_backbone != self._backbone_is_trained:
            self._backbone_is_trained = train_backbone
            self.network.backbone.requires_grad_(train_backbone)
            self._forward = self.context.wrap_for_gradients(self.wrap_forward(self.network))
            if self.recipe.compile:
                self._forward = torch.compile(self._forward)  # type: ignore[assignment]
        self.network.train()
        if not train_backbone:
            self.network.backbone.eval()  # keeps the batch statistics that it came with

    def train_step(self, batch: Batch, step: int, size: int) -> float:
        """Train on one batch. Returns the mean loss over all processes; one that is not finite changes nothing.

        step: number of steps before.  size: films of the batch over all processes.
        """
        rng = torch.Generator().manual_seed(_derive_seed(self.recipe.seed, step, 0))
        # Dropout takes no generator.
        torch.manual_seed(_derive_seed(self.recipe.seed, step, 1 + self.context.rank))
        sample = sample_augmentation(self.recipe.augmentation, size, rng)
        own = sample.take(slice(self.context.rank, None, self.context.count))
        films = prepare_inputs(self.recipe, batch.grids, own)
        twins = self._make_twins(batch, own)
        targets = self.task.build_targets(batch.labels, own)
        weight = self.context.sum_over_processes(self.task.target_weight(targets))
        share = self._backward(films, twins, targets, weight.clamp_min(MIN_WEIGHT), size)
        loss = float(self.context.sum_over_processes(share))
        if np.isfinite(loss):
            if self.recipe.gradient_clip_norm:
                parameters = self.network.parameters()
                nn.utils.clip_grad_norm_(parameters, self.recipe.gradient_clip_norm)
            self.optimizer.step()
            self.schedule.after_step(step + 1)
            if self._average:
                self._average.update(self.network, step=step + 1)
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def network_tensors(self) -> dict[str, Tensor]:
        """The network's tensors by name."""
        return dict(self.network.state_dict())

    def state_tensors(self) -> dict[str, Tensor]:
        """The tensors of the averaged weights and of the optimizer."""
        tensors: dict[str, Tensor] = {}
        if self._average:
            averaged = self._average.module.state_dict()
            tensors = {AVERAGE + name: value for name, value in averaged.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            for key, value in state.items():
                if torch.is_tensor(value):
                    tensors[f"{OPTIMIZER}{index}.{key}"] = value
        return tensors

    def state(self) -> JsonObject:
        """What else is needed to resume, as JSON can hold it."""
        groups: list[Json] = [_without_params(group) for group in self.optimizer.param_groups]
        return {"groups": groups, "schedule": self.schedule.state(), "pieces": self._chunks}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint. Raises RunError when it is of another network."""
        try:
            self.network.load_state_dict(dict(checkpoint.weights))
            if self._average:
                averaged = _strip_prefix(AVERAGE, checkpoint.tensors)
                self._average.module.load_state_dict(averaged)
        except RuntimeError as error:
            raise RunError(
                f"the checkpoint of step {checkpoint.step} is of another network: {error}"
            ) from error
        state: Any = checkpoint.state
        self._restore_optimizer(checkpoint.tensors, state["groups"])
        self.schedule.restore(state["schedule"], checkpoint.step)
        self._chunks = state["pieces"]

    def eval_weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """The tensors of `eval_network` as a checkpoint holds them."""
        if self._average:
            return _strip_prefix(AVERAGE, checkpoint.tensors)
        return dict(checkpoint.weights)

    def _restore_optimizer(self, tensors: Mapping[str, Tensor], saved: list[JsonObject]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _strip_prefix(OPTIMIZER, tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        current = self.optimizer.state_dict()["param_groups"]
        groups = [
            {**group, **_lists_to_tuples(former)}
            for group, former in zip(current, saved, strict=True)
        ]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _make_twins(self, batch: Batch, sample: AugmentationSample) -> Twins | None:
        """The films of a batch before they were stored; None where the recipe does not compare them."""
        if not self.recipe.consistency_weight:
            return None
        films = prepare_inputs(self.recipe, batch.grids, sample.stored_as_it_is())
        return Twins(films, sample.is_stored_worse.to(films.device))

    def _backward(
        self, films: Tensor, twins: Twins | None, targets: Tensor, weight: Tensor, size: int
    ) -> Tensor:
        """Gradients of the loss over all processes. Returns this process's share of the loss.

        When the device runs out of memory, the films are processed in more and smaller chunks.
        """
        while True:
            try:
                return self._accumulate_gradients(films, twins, targets, weight, size)
            except torch.OutOfMemoryError:
                self.optimizer.zero_grad(set_to_none=True)
                self._chunks *= 2
                if self._chunks > len(films):
                    raise RunError(
                        f"one film of {self.recipe.input_side} px does not fit into the device's memory with "
                        f"{self.recipe.backbone}; choose a smaller input_side or backbone, or end other programs that "
                        "use the device"
                    ) from None
                if self.context.device.type == "cuda":
                    torch.cuda.empty_cache()

    def _accumulate_gradients(
        self, films: Tensor, twins: Twins | None, targets: Tensor, weight: Tensor, size: int
    ) -> Tensor:
        share = torch.zeros((), device=films.device)
        chunks = list(zip(films.chunk(self._chunks), targets.chunk(self._chunks), strict=True))
        chunks_of_twins = twins.chunk(self._chunks) if twins else [None] * len(chunks)
        for index, (chunk, chunk_targets) in enumerate(chunks):
            is_last = index == len(chunks) - 1
            with self._exchange_gradients(is_last), self._autocast():
                chunk_twins = chunks_of_twins[index]
                outputs = self._forward(join_films(chunk, chunk_twins))
                loss = self.task.summed_loss(outputs[: len(chunk)], chunk_targets) / weight
                if chunk_twins is not None:
                    loss = loss + self._compare(outputs, chunk_twins.chosen) / size
                # DistributedDataParallel averages over the processes; the loss is a sum over them.
                (loss * self.context.count).backward()
            share += loss.detach()
        return share

    def _compare(self, outputs: Tensor, chosen: Tensor) -> Tensor:
        """The weighted differences between stored films and their twins, whose outputs come last."""
        logits = outputs[:, : len(self.recipe.findings)]
        differences = sum_differences(logits[: len(chosen)], logits[len(chosen) :], chosen)
        return self.recipe.consistency_weight * differences

    def _exchange_gradients(self, is_last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged with the other processes after the last chunk only."""
        forward: Any = self._forward
        if is_last or not hasattr(forward, "no_sync"):
            return nullcontext()
        context: AbstractContextManager[None] = forward.no_sync()
        return context

    def _autocast(self) -> AbstractContextManager[Any]:
        device, precision = self.context.device.type, self.recipe.precision
        use_half = precision == "bfloat16" or (precision == "auto" and device == "cuda")
        return torch.autocast(device, torch.bfloat16, enabled=use_half)


def create_task(recipe: Recipe, train: FilmSet | None = None) -> Task:
    """The task of a recipe: predicting findings, or segmenting structures.

    train: the training films, from which the loss takes how frequent each finding is; None where that does not matter.
    """
    if recipe.structures:
        return StructuresTask(recipe)
    return FindingsTask(recipe, None if train is None else train.labels)


def prepare_inputs(
    recipe: Recipe, grids: Tensor, sample: AugmentationSample | None = None
) -> Tensor:
    """Grids (B, S, S) uint8 as normalised input (B, C, S, S), augmented when a sample is given.

    Cached features (B, F, h, w) are returned as they are.
    """
    if grids.is_floating_point():
        return grids
    films = grids[:, None].float() * (1 / 255)
    if sample is not None:
        films = apply_augmentation(recipe.augmentation, films, sample)
    films = (films - recipe.mean) / recipe.std
    return films.expand(-1, recipe.channels, -1, -1).contiguous(memory_format=torch.channels_last)


def _create_optimizer(
    recipe: Recipe, network: Network, device: torch.device
) -> torch.optim.Optimizer:
    head = network.head_parameters()
    head_ids = {id(parameter) for parameter in head}
    backbone = [parameter for parameter in network.parameters() if id(parameter) not in head_ids]
    groups = [
        {"params": backbone, "lr": recipe.learning_rate},
        {"params": head, "lr": recipe.head_learning_rate or recipe.learning_rate},
    ]
    options: dict[str, Any] = {}
    if device.type == "cuda" and recipe.optimizer != "sgd":
        options["fused"] = True
    return create_optimizer_v2(
        groups,
        opt=recipe.optimizer,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        **options,
    )


def _derive_seed(*parts: int) -> int:
    """One number below 2^63 from several, unrelated for neighbours."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _without_params(group: JsonObject) -> JsonObject:
    return {key: value for key, value in group.items() if key != "params"}


def _strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _lists_to_tuples(group: JsonObject) -> dict[str, object]:
    """JSON has no tuples; Adam's betas are one."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
