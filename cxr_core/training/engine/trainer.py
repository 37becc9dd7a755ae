"""Trains a network on films and keeps the weights of the best epoch.

    loader: batches in the order of (seed, epoch) -> augmentation on the device -> loss -> step -> averaged weights
    validation films -> outputs -> the task's metric or the loss, which selects the epoch

All randomness follows from (seed, step): on a CPU, a run that was killed and resumed from a checkpoint ends with the
same bits as one that was not. Several processes see the same batches and the same augmentation of each film as one.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Batch, Loader, Position
from cxr_core.errors import TrainingDiverged
from cxr_core.models.networks.architectures import FilmClassifier, Network
from cxr_core.training.engine.checkpoint import Checkpoint, Checkpoints
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.feature_cache import cache_features
from cxr_core.training.engine.learner import Learner, create_task, prepare_inputs
from cxr_core.training.engine.time_left import RunLength, TimeLeft
from cxr_core.training.engine.watch_films import FilmWatch
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.events import (
    TRAINING,
    VALIDATING,
    WRITING_CHECKPOINT,
    EpochDone,
    FeaturesCaching,
    Report,
    StageBegun,
    StepDone,
)
from cxr_core.training.tasks.task import Validation
from cxr_core.workspace.json_files import JsonObject

REPORT_EVERY_S = 5.0
REPORTED_LOSSES = 50  # the loss of a step is reported as the mean of so many


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The network of the selected epoch, with that epoch's number (from 1) and its validation metric."""

    network: Network
    epoch: int
    score: float


@dataclass(frozen=True)
class BestEpoch:
    """The best epoch so far, and the step of its checkpoint.

    better: what epochs are compared by, higher is better.  score: the task's metric.
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
    """The training of one run, from the start or from a checkpoint."""

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        splits: Mapping[str, FilmSet],
        context: DistributedContext,
        checkpoints: Checkpoints | None,
        report: Report,
        stop: Callable[[], bool] = lambda: False,
    ):
        """splits: films of train and val.  checkpoints: None = in memory, for tests.  stop: asked after every step.

        Raises DataError for films that the recipe's task cannot be trained on.
        """
        self.recipe, self.splits, self.context = recipe, dict(splits), context
        self.checkpoints, self.report, self.stop = checkpoints, report, stop
        task = create_task(recipe, splits["train"])
        task.require_trainable(splits)
        self.loader = Loader(
            splits["train"],
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            device=context.device,
            weights=task.sampling_weights(splits["train"]),
            shard=(context.rank, context.count),
        )
        self.total_steps = recipe.epochs * len(self.loader)
        self.learner = Learner(recipe, network, task, context, steps=self.total_steps)
        self.time_left = TimeLeft(
            RunLength(
                epochs=recipe.epochs,
                steps_per_epoch=len(self.loader),
                head_epochs=recipe.epochs if recipe.freeze != "none" else recipe.head_epochs,
                validation_steps=len(splits["val"]) / self.loader.size,
                checkpoint_every=recipe.checkpoint_every_steps,
            )
        )
        self.position, self.step = Position(), 0
        self.losses: list[float] = []
        self.best: BestEpoch | None = None
        self.saved_step = 0
        self._best_weights: dict[str, Tensor] = {}
        self._validation_logits: np.ndarray | None = None
        self.film_watch: FilmWatch | None = None

    def run(self) -> TrainedNetwork:
        """Train to the end. Raises Stopped when asked to stop, TrainingDiverged for an infinite loss."""
        if self.recipe.can_cache_features:
            self._cache_features()
        while self.position.epoch <= self.recipe.epochs and not self._is_patience_exhausted():
            self._train_epoch()
        return self._load_best()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run."""
        state: Any = checkpoint.state
        self.step = self.saved_step = checkpoint.step
        self.position = Position(**state["position"])
        self.losses = list(state["losses"])
        self.best = BestEpoch(**state["best"]) if state["best"] else None
        self.learner.restore(checkpoint)

    def _cache_features(self) -> None:
        self.report(FeaturesCaching(films=sum(map(len, self.splits.values()))))
        network = cast(FilmClassifier, self.learner.network)
        self.splits = {
            name: cache_features(network, films, self._prepare_inputs)
            for name, films in self.splits.items()
        }
        self.loader.set_films(self.splits["train"])

    def _train_epoch(self) -> None:
        """The rest of the current epoch, its validation and its checkpoint."""
        self.learner.begin_epoch(self.position.epoch)
        self.report(StageBegun(stage=TRAINING))
        first_step, began = self.step, time.perf_counter()
        reported = step_began = began
        for batch in self.loader.batches(self.position):
            self._train_step(batch)
            self.position = self.loader.position
            self.time_left.add_step(
                time.perf_counter() - step_began,
                backbone_is_trained=self.learner.backbone_is_trained,
            )
            if self.context.is_true_anywhere(self.stop()):
                self._save_checkpoint()
                raise Stopped(self.step)
            is_due = self.step % self.recipe.checkpoint_every_steps == 0
            if is_due and self.position.batch < len(self.loader):
                self._save_checkpoint()
                self.report(StageBegun(stage=TRAINING))
            if time.perf_counter() - reported > REPORT_EVERY_S:
                reported = time.perf_counter()
                self._report_step((self.step - first_step) / (reported - began))
            step_began = time.perf_counter()
        seconds = time.perf_counter() - began
        films = (self.step - first_step) * self.loader.size
        self._validate(films / max(seconds, 1e-9))
        self.position, self.losses = Position(self.position.epoch + 1), []
        self._save_checkpoint()

    def _train_step(self, batch: Batch) -> None:
        loss = self.learner.train_step(batch, self.step, self.loader.size)
        if not np.isfinite(loss):
            raise TrainingDiverged(self._explain_loss(loss))
        self.step += 1
        self.losses.append(loss)

    def _explain_loss(self, loss: float) -> str:
        """Why a loss is not finite, as far as the step shows, and what to do."""
        if self.step == 0:  # no weight has been changed yet
            return (
                f"the loss is {loss} at the first step, before any training: the initial weights do not suit these "
                "films. Start from others (init), or check what changes pixels and loss in the recipe"
            )
        kept = "there is no checkpoint yet"
        if self.saved_step:
            kept = f"the last good checkpoint is at step {self.saved_step}"
        return (
            f"the loss became {loss} at step {self.step + 1}; {kept}. "
            "Lower the learning rate, or clip gradients (gradient_clip_norm=1), and start again"
        )

    def _validate(self, images_per_second: float) -> None:
        """Measure on validation films, remember the best epoch, update the schedule."""
        self.report(StageBegun(stage=VALIDATING))
        began = time.perf_counter()
        validation = self._measure_validation()
        self.time_left.add_validation(time.perf_counter() - began)
        score = validation.score
        better = -validation.loss if self.recipe.monitor == "loss" else score
        epoch = self.position.epoch
        is_best = self.best is None or better > self.best.better
        if self.best is None or is_best:
            self.best = BestEpoch(epoch, self.step, better, score)
        self._watch_films(epoch, is_best)
        self.report(
            EpochDone(
                epoch=epoch,
                step=self.step,
                total_steps=self.total_steps,
                loss=float(np.mean(self.losses)),
                validation_loss=validation.loss,
                figures={f"validation_{name}": value for name, value in validation.figures.items()},
                learning_rate=self.learner.learning_rate,
                images_per_second=images_per_second,
                best_epoch=self.best.epoch,
                eta_s=self.time_left.seconds_left(self.step, epoch),
                device_memory_mb=_peak_memory_mb(self.context.device),
            )
        )
        self.learner.schedule.after_epoch(validation.loss)

    def _measure_validation(self) -> Validation:
        """The first process measures; all get its numbers."""
        task = self.learner.task
        numbers = [0.0] * (1 + len(task.figures))
        if self.context.is_first:
            network = self.learner.wrap_forward(self.learner.eval_network)
            validation = task.validate(network, self.splits["val"], self._prepare_inputs)
            numbers = [validation.loss, *(validation.figures[name] for name in task.figures)]
            self._validation_logits = validation.logits
        loss, *figures = self.context.broadcast_from_first(numbers)
        return Validation(loss, dict(zip(task.figures, figures, strict=True)))

    def _watch_films(self, epoch: int, is_best: bool) -> None:
        """The first process keeps what the epoch's network makes of some validation films."""
        if self.film_watch is None or self._validation_logits is None:
            return
        self.film_watch.watch(
            epoch,
            is_best,
            cast(FilmClassifier, self.learner.eval_network),
            self._validation_logits,
            self._prepare_inputs,
        )

    def _prepare_inputs(self, grids: Tensor) -> Tensor:
        return prepare_inputs(self.recipe, grids.to(self.context.device))

    def _is_patience_exhausted(self) -> bool:
        patience = self.recipe.early_stopping_patience
        if not patience or self.best is None:
            return False
        return self.position.epoch - 1 - self.best.epoch >= patience

    def _save_checkpoint(self) -> None:
        """Keep all that is needed to go on from here; the first process writes."""
        if self.saved_step == self.step and self.position.batch:
            return
        if self.context.is_first:
            if self.checkpoints is None:
                self._keep_best_in_memory()
            else:
                self.report(StageBegun(stage=WRITING_CHECKPOINT))
                began = time.perf_counter()
                best_step = self.best.step if self.best else None
                self.checkpoints.save(self._make_checkpoint(), best_step)
                self.time_left.add_checkpoint(time.perf_counter() - began)
        self.saved_step = self.step

    def _make_checkpoint(self) -> Checkpoint:
        state: JsonObject = {
            "position": asdict(self.position),
            "losses": list(self.losses),
            "best": asdict(self.best) if self.best else None,
            **self.learner.state(),
        }
        return Checkpoint(
            step=self.step,
            weights=self.learner.network_tensors(),
            tensors=self.learner.state_tensors(),
            state=state,
        )

    def _keep_best_in_memory(self) -> None:
        if self.best and self.best.step == self.step:
            tensors = self.learner.eval_network.state_dict()
            self._best_weights = {name: value.clone() for name, value in tensors.items()}

    def _load_best(self) -> TrainedNetwork:
        """The network of the best epoch, from its checkpoint."""
        assert self.best is not None  # epochs >= 1
        network = self.learner.network
        if self.context.is_first:
            weights = self._best_weights
            if self.checkpoints is not None:
                weights = self.learner.eval_weights(self.checkpoints.load(self.best.step))
            network.load_state_dict(weights)
        return TrainedNetwork(network, self.best.epoch, self.best.score)

    def _report_step(self, steps_per_second: float) -> None:
        step_s = self.time_left.step_s(backbone_is_trained=self.learner.backbone_is_trained)
        self.report(
            StepDone(
                step=self.step,
                total_steps=self.total_steps,
                epoch=self.position.epoch,
                loss=float(np.mean(self.losses[-REPORTED_LOSSES:])),
                learning_rate=self.learner.learning_rate,
                images_per_second=self.loader.size * (1 / step_s if step_s else steps_per_second),
                eta_s=self.time_left.seconds_left(self.step, self.position.epoch - 1),
                device_memory_mb=_peak_memory_mb(self.context.device),
            )
        )


def _peak_memory_mb(device: torch.device) -> float | None:
    """The most that the device held, in MiB; None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**20
