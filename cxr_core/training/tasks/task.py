"""The interface of what a run trains for: its targets, its loss, and what validation measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.data.film_set import FilmSet
from cxr_core.training.engine.augment import AugmentationSample

Inputs = Callable[[Tensor], Tensor]
BATCH_SIZE = 64  # films, where a network only reads


@dataclass(frozen=True)
class Validation:
    """Figures on the validation films.

    loss: as in training, without label smoothing.  figures: metrics by name, higher is better; the first selects the
    epoch unless the recipe selects by loss.  logits: (N, L) of the recipe's own findings, where it predicts findings.
    """

    loss: float
    figures: Mapping[str, float]
    logits: np.ndarray | None = None

    @property
    def score(self) -> float:
        """The first metric."""
        return next(iter(self.figures.values()))


class Task(Protocol):
    """Predicting findings, or segmenting structures."""

    figures: tuple[
        str, ...
    ]  # names of the validation metrics, the one that selects the epoch first

    def require_trainable(self, splits: Mapping[str, FilmSet]) -> None:
        """Raises DataError for films that this task cannot be trained on."""

    def sampling_weights(self, films: FilmSet) -> np.ndarray | None:
        """(N,) relative probability of each training film; None when all are equal."""

    def build_targets(self, labels: Tensor, sample: AugmentationSample) -> Tensor:
        """The targets of films that were augmented by the sample. labels: as the films hold them."""

    def target_weight(self, targets: Tensor) -> Tensor:
        """What the summed loss of these targets is divided by."""

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, summed over the films, so that chunks of a batch add up."""

    def validate(self, network: nn.Module, films: FilmSet, inputs: Inputs) -> Validation:
        """Measure on validation films. inputs: from what the films hold to what the network takes."""


def compute_outputs(network: nn.Module, films: FilmSet, inputs: Inputs) -> Tensor:
    """The network's outputs for all films, in eval mode: (N, ...) float32 on the CPU."""
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [
                network(inputs(torch.from_numpy(grids))).float().cpu()
                for grids in films.batches(BATCH_SIZE)
            ]
        )
