"""What learns: the network with its optimizer, schedule, averaged weights and precision, and one step of it.

Everything that a step draws at random follows from (seed, step), so nothing of chance has to be kept in a checkpoint.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from cxr_core.data.loader import Batch
from cxr_core.errors import RunError
from cxr_core.models.networks.architectures import FilmClassifier, Network
from cxr_core.training.engine.checkpoint import Checkpoint
from cxr_core.training.engine.distributed import Processes
from cxr_core.training.engine.feature_cache import AfterBackbone
from cxr_core.training.engine.schedule import Schedule
from cxr_core.training.recipe.augmentation import AugmentationDraw
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.findings import FindingsTask
from cxr_core.training.tasks.region_target import WithEvidence
from cxr_core.training.tasks.structures import StructuresTask
from cxr_core.training.tasks.task import Task

AVERAGE, OPTIMIZER = "average.", "optimizer."


class Learner:
    """A network being trained. `candidate` is what is measured: the averaged weights, or the network itself."""

    def __init__(
        self, recipe: Recipe, network: Network, task: Task, processes: Processes, steps: int
    ):
        """steps: of the whole run, for the schedule."""
        self.recipe, self.task, self.processes = recipe, task, processes
        if processes.count > 1 and processes.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        # channels_last for convolutions; the type stubs know no such argument, hence Any
        moved: Any = network
        self.network: Network = moved.to(processes.device, memory_format=torch.channels_last)
        self.optimizer = _optimizer(recipe, self.network, processes.device)
        self.schedule = Schedule(recipe, self.optimizer, steps)
        self._average = (
            ModelEmaV3(self.network, recipe.ema_decay, use_warmup=True)
            if recipe.ema_decay
            else None
        )
        self._pieces = 1  # a step's films are taken in so many parts, when memory is short
        self._trained_whole: bool | None = None
        self._forward: nn.Module = self.network

    @property
    def candidate(self) -> Network:
        """The network whose figures count."""
        chosen: Any = self._average.module if self._average else self.network
        return cast(Network, chosen)

    def answering(self, network: Network) -> nn.Module:
        """What answers from what the loader gives: the network from grids, with its evidence where the task wants it,
        or what follows the backbone from features."""
        if self.recipe.keeps_features:
            return AfterBackbone(cast(FilmClassifier, network))
        if self.recipe.region_weight:
            return WithEvidence(cast(FilmClassifier, network), len(self.recipe.findings))
        return network

    @property
    def learning_rate(self) -> float:
        """That of the backbone now."""
        return float(self.optimizer.param_groups[0]["lr"])

    def begin_epoch(self, epoch: int) -> None:
        """Choose what is trained: the head alone at first or throughout, as the recipe says, else everything."""
        whole = self.recipe.freeze == "none" and epoch > self.recipe.head_epochs
        if whole != self._trained_whole:
            self._trained_whole = whole
            self.network.backbone.requires_grad_(whole)
            self._forward = self.processes.wrap(self.answering(self.network))
            if self.recipe.compile:
                self._forward = torch.compile(self._forward)  # type: ignore[assignment]
        self.network.train()
        if not whole:
            self.network.backbone.eval()  # its batch statistics stay those it came with

    def step(self, batch: Batch, step: int, size: int) -> float:
        """Learn from one batch; the mean loss over all processes. A loss that is not finite changes nothing.

        step: how many were taken before.  size: films of the batch over all processes.
        """
        chance = torch.Generator().manual_seed(_seed(self.recipe.seed, step, 0))
        torch.manual_seed(
            _seed(self.recipe.seed, step, 1 + self.processes.rank)
        )  # dropout knows no generator
        drawn = self.recipe.augmentation.draw(size, chance)
        mine = drawn.take(slice(self.processes.rank, None, self.processes.count))
        films, targets = (
            inputs(self.recipe, batch.grids, mine),
            self.task.targets(batch.labels, mine),
        )
        whole = self.processes.total(self.task.weight(targets)).clamp_min(1e-6)
        loss = float(self.processes.total(self._backward(films, targets, whole)))
        if np.isfinite(loss):
            self.optimizer.step()
            self.schedule.after_step(step + 1)
            if self._average:
                self._average.update(self.network, step=step + 1)
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def weights(self) -> dict[str, Tensor]:
        """The network's tensors."""
        return dict(self.network.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights' and the optimizer's tensors."""
        found = {}
        if self._average:
            found = {
                AVERAGE + name: value for name, value in self._average.module.state_dict().items()
            }
        for index, state in self.optimizer.state_dict()["state"].items():
            found |= {
                f"{OPTIMIZER}{index}.{key}": value
                for key, value in state.items()
                if torch.is_tensor(value)
            }
        return found

    def facts(self) -> dict[str, Any]:
        """What else is needed to go on, as JSON can hold it."""
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        return {"groups": groups, "schedule": self.schedule.state(), "pieces": self._pieces}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint. Raises RunError when it is of another network."""
        try:
            self.network.load_state_dict(dict(checkpoint.weights))
            if self._average:
                self._average.module.load_state_dict(_below(AVERAGE, checkpoint.tensors))
        except RuntimeError as error:
            raise RunError(
                f"the checkpoint of step {checkpoint.step} is of another network: {error}"
            ) from error
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _below(OPTIMIZER, checkpoint.tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        described = self.optimizer.state_dict()["param_groups"]
        groups = [
            {**now, **_tuples(then)}
            for now, then in zip(described, checkpoint.facts["groups"], strict=True)
        ]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.schedule.restore(checkpoint.facts["schedule"], checkpoint.step)
        self._pieces = checkpoint.facts["pieces"]

    def candidate_weights(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """The tensors of `candidate` as a checkpoint holds them."""
        return _below(AVERAGE, checkpoint.tensors) if self._average else dict(checkpoint.weights)

    def _backward(self, films: Tensor, targets: Tensor, whole: Tensor) -> Tensor:
        """Gradients of the loss over all processes; this process's share of it. In smaller parts if memory is short."""
        while True:
            try:
                return self._accumulate(films, targets, whole)
            except torch.OutOfMemoryError:
                self.optimizer.zero_grad(set_to_none=True)
                self._pieces *= 2
                if self._pieces > len(films):
                    raise RunError(
                        f"one film of {self.recipe.input_side} px does not fit into the device's memory with "
                        f"{self.recipe.backbone}; choose a smaller input_side or backbone"
                    ) from None
                if self.processes.device.type == "cuda":
                    torch.cuda.empty_cache()

    def _accumulate(self, films: Tensor, targets: Tensor, whole: Tensor) -> Tensor:
        share = torch.zeros((), device=films.device)
        pieces = list(zip(films.chunk(self._pieces), targets.chunk(self._pieces), strict=True))
        for index, (some, wanted) in enumerate(pieces):
            with self._alone(last=index == len(pieces) - 1), self._precision():
                loss = self.task.summed_loss(self._forward(some), wanted) / whole
                # DistributedDataParallel averages over the processes; the loss is a sum over them.
                (loss * self.processes.count).backward()
            share += loss.detach()
        return share

    def _alone(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged with the other processes after the last part only."""
        forward: Any = self._forward
        return nullcontext() if last or not hasattr(forward, "no_sync") else forward.no_sync()

    def _precision(self) -> AbstractContextManager[Any]:
        device, asked = self.processes.device.type, self.recipe.precision
        half = asked == "bfloat16" or (asked == "auto" and device == "cuda")
        return torch.autocast(device, torch.bfloat16, enabled=half)


def task_of(recipe: Recipe) -> Task:
    """What a recipe teaches: findings to tell, or structures to outline."""
    return StructuresTask(recipe) if recipe.structures else FindingsTask(recipe)


def inputs(recipe: Recipe, grids: Tensor, drawn: AugmentationDraw | None = None) -> Tensor:
    """Grids (B, S, S) uint8 as normalised input (B, C, S, S), augmented as drawn, if anything was.

    Features (B, F, h, w) that were kept are what they are.
    """
    if grids.is_floating_point():
        return grids
    films = grids[:, None].float() * (1 / 255)
    if drawn is not None:
        films = recipe.augmentation.apply(films, drawn)
    films = (films - recipe.mean) / recipe.std
    return films.expand(-1, recipe.channels, -1, -1).contiguous(memory_format=torch.channels_last)


def _optimizer(recipe: Recipe, network: Network, device: torch.device) -> torch.optim.Optimizer:
    head = {id(parameter) for parameter in network.head_parameters()}
    groups = [
        {
            "params": [p for p in network.parameters() if id(p) not in head],
            "lr": recipe.learning_rate,
        },
        {
            "params": network.head_parameters(),
            "lr": recipe.head_learning_rate or recipe.learning_rate,
        },
    ]
    fused: dict[str, Any] = (
        {"fused": True} if device.type == "cuda" and recipe.optimizer != "sgd" else {}
    )
    return create_optimizer_v2(
        groups,
        opt=recipe.optimizer,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        **fused,
    )


def _seed(*parts: int) -> int:
    """One number below 2^63 from several, far apart for neighbours."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _below(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _tuples(group: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples; Adam's betas are one."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in group.items()}
