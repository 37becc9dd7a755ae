"""From a recipe and films to the weights that did best on validation.

    loader: batches in the order of (seed, epoch) -> augmented on the device -> loss -> step -> average of weights
    validation films -> outputs -> the task's figure or the loss, which chooses the epoch

All chance follows from (seed, step): a run that was killed and goes on from a checkpoint ends, on a CPU, with the same
bits as one that was not. Several processes see the same batches and the same changes of each film as one.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import Films
from cxr_core.data.loader import Batch, Loader, Position
from cxr_core.errors import RunError
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.training.engine.checkpoint import Checkpoint, Checkpoints
from cxr_core.training.engine.distributed import Processes
from cxr_core.training.engine.feature_cache import features_of
from cxr_core.training.engine.learner import Learner, Network, inputs, task_of
from cxr_core.training.recipe.recipe import Recipe

Report = Callable[[dict[str, Any]], None]
REPORT_EVERY_S = 5.0


@dataclass(frozen=True, eq=False)
class Trained:
    """The network of the chosen epoch, with that epoch's number (from 1) and its figure on validation."""

    network: Network
    epoch: int
    score: float


@dataclass(frozen=True)
class Best:
    """The epoch that did best on validation so far, and the step of its checkpoint.

    better: what epochs are compared by, higher is better.  score: the task's figure.
    """

    epoch: int
    step: int
    better: float
    score: float


class Stopped(Exception):
    """The run was asked to stop; its last checkpoint is at this step."""

    def __init__(self, step: int):
        super().__init__(f"stopped at step {step}")
        self.step = step


class Trainer:
    """One run's training, from its beginning or from a checkpoint."""

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        parts: dict[str, Films],
        processes: Processes,
        checkpoints: Checkpoints | None,
        report: Report,
        stop: Callable[[], bool] = lambda: False,
    ):
        """checkpoints: where to keep them; None = in memory, for tests.  stop: asked after every step.

        Raises DataError for films that the recipe's task cannot be learnt from.
        """
        self.recipe, self.parts, self.processes = recipe, parts, processes
        self.checkpoints, self.report, self.stop = checkpoints, report, stop
        task = task_of(recipe)
        task.require(parts)
        shard = (processes.rank, processes.count)
        self.loader = Loader(
            parts["train"],
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            device=processes.device,
            weights=task.draw_weights(parts["train"]),
            shard=shard,
        )
        self.learner = Learner(
            recipe, network, task, processes, steps=recipe.epochs * len(self.loader)
        )
        self.position, self.step = Position(), 0
        self.losses: list[float] = []
        self.best: Best | None = None
        self.saved_step = 0
        self._memory: dict[str, Tensor] = {}

    def run(self) -> Trained:
        """Train to the end. Raises Stopped when asked to stop, RunError when the loss is no longer finite."""
        if self.recipe.keeps_features:
            self.report({"event": "features", "films": sum(map(len, self.parts.values()))})
            network = cast(FilmClassifier, self.learner.network)
            self.parts = {
                name: features_of(network, films, self._inputs)
                for name, films in self.parts.items()
            }
            self.loader.serve(self.parts["train"])
        while self.position.epoch <= self.recipe.epochs and not self._early():
            self._epoch()
        return self._chosen()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run."""
        facts = checkpoint.facts
        self.step = self.saved_step = checkpoint.step
        self.position = Position(**facts["position"])
        self.losses = list(facts["losses"])
        self.best = Best(**facts["best"]) if facts["best"] else None
        self.learner.restore(checkpoint)

    def _epoch(self) -> None:
        """The rest of the current epoch, its validation and its checkpoint."""
        self.learner.begin_epoch(self.position.epoch)
        began, told, first = time.perf_counter(), time.perf_counter(), self.step
        for batch in self.loader.batches(self.position):
            self._learn(batch)
            self.position = self.loader.position
            if self.processes.any(self.stop()):
                self._save()
                raise Stopped(self.step)
            if self.step % self.recipe.checkpoint_every_steps == 0 and self.position.batch < len(
                self.loader
            ):
                self._save()
            if time.perf_counter() - told > REPORT_EVERY_S:
                told = time.perf_counter()
                self._tell_step((self.step - first) / (told - began))
        seconds = time.perf_counter() - began
        self._validate((self.step - first) * self.loader.size / max(seconds, 1e-9))
        self.position, self.losses = Position(self.position.epoch + 1), []
        self._save()

    def _learn(self, batch: Batch) -> None:
        loss = self.learner.step(batch, self.step, self.loader.size)
        if not np.isfinite(loss):
            raise RunError(
                f"the loss became {loss} at step {self.step + 1}; the last good checkpoint is at step "
                f"{self.saved_step}. Lower the learning rate (--set learning_rate=...) and start anew"
            )
        self.step += 1
        self.losses.append(loss)

    def _validate(self, speed: float) -> None:
        """Measure on validation, remember the best epoch, tell the schedule. Only the first process measures."""
        task, figures = self.learner.task, [0.0] * (1 + len(self.learner.task.figures))
        if self.processes.first:
            network = self.learner.answering(self.learner.candidate)
            seen = task.validate(network, self.parts["val"], self._inputs)
            figures = [seen.loss, *(seen.figures[name] for name in task.figures)]
        loss, score, *others = self.processes.from_first(figures)
        better = -loss if self.recipe.monitor == "loss" else score
        epoch = self.position.epoch
        if self.best is None or better > self.best.better:
            self.best = Best(epoch, self.step, better, score)
        self.report(
            {
                "event": "epoch",
                "epoch": epoch,
                "step": self.step,
                "of": self.recipe.epochs * len(self.loader),
                "loss": float(np.mean(self.losses)),
                "validation_loss": loss,
                **{
                    f"validation_{name}": value
                    for name, value in zip(task.figures, [score, *others], strict=True)
                },
                "learning_rate": self.learner.learning_rate,
                "images_per_second": speed,
                "best_epoch": self.best.epoch,
                **_memory_used(self.processes.device),
            }
        )
        self.learner.schedule.after_epoch(loss)

    def _inputs(self, grids: Tensor) -> Tensor:
        return inputs(self.recipe, grids.to(self.processes.device))

    def _early(self) -> bool:
        patience = self.recipe.early_stopping_patience
        return bool(
            patience and self.best and self.position.epoch - 1 - self.best.epoch >= patience
        )

    def _save(self) -> None:
        """Keep all that is needed to go on from here; the first process writes."""
        if self.saved_step == self.step and self.position.batch:
            return
        if self.processes.first:
            self._write()
        self.saved_step = self.step

    def _write(self) -> None:
        facts = {
            "position": asdict(self.position),
            "losses": self.losses,
            "best": asdict(self.best) if self.best else None,
            **self.learner.facts(),
        }
        if self.checkpoints is None:
            if self.best and self.best.step == self.step:
                self._memory = {
                    name: value.clone()
                    for name, value in self.learner.candidate.state_dict().items()
                }
            return
        checkpoint = Checkpoint(
            step=self.step,
            weights=self.learner.weights(),
            tensors=self.learner.tensors(),
            facts=facts,
        )
        self.checkpoints.save(checkpoint, self.best.step if self.best else None)

    def _chosen(self) -> Trained:
        """The network of the best epoch, from its checkpoint."""
        assert self.best is not None  # epochs >= 1
        network = self.learner.network
        if self.processes.first:
            if self.checkpoints is None:
                weights = self._memory
            else:
                weights = self.learner.candidate_weights(self.checkpoints.load(self.best.step))
            network.load_state_dict(weights)
        return Trained(network, self.best.epoch, self.best.score)

    def _tell_step(self, steps_per_second: float) -> None:
        left = self.recipe.epochs * len(self.loader) - self.step
        self.report(
            {
                "event": "step",
                "step": self.step,
                "of": self.recipe.epochs * len(self.loader),
                "epoch": self.position.epoch,
                "loss": float(np.mean(self.losses[-50:])),
                "learning_rate": self.learner.learning_rate,
                "images_per_second": steps_per_second * self.loader.size,
                "eta_s": left / steps_per_second,
                **_memory_used(self.processes.device),
            }
        )


def _memory_used(device: torch.device) -> dict[str, float]:
    """The most that the device held, in MiB; nothing to say on a CPU."""
    return (
        {"device_memory_mb": torch.cuda.max_memory_allocated(device) / 2**20}
        if device.type == "cuda"
        else {}
    )
