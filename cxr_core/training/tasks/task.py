"""What a run learns, apart from how: its targets, its loss, and what validation measures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.data.film_set import Films
from cxr_core.training.recipe.augmentation import AugmentationDraw

Inputs = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Validation:
    """One look at the validation films. loss: as in training, without smoothing.  figures: by name; the first is the
    one that chooses the epoch unless the recipe chooses by loss. Higher is better."""

    loss: float
    figures: Mapping[str, float]

    @property
    def score(self) -> float:
        """The figure that counts."""
        return next(iter(self.figures.values()))


class Task(Protocol):
    """Findings to be told, or structures to be outlined."""

    figures: tuple[str, ...]  # the names of what validation measures, the one that counts first

    def require(self, parts: Mapping[str, Films]) -> None:
        """Raises DataError for films that this cannot be learnt from."""

    def draw_weights(self, films: Films) -> np.ndarray | None:
        """(N,) how likely each training film is drawn; None when all are equally likely."""

    def targets(self, labels: Tensor, drawn: AugmentationDraw) -> Tensor:
        """What the network shall answer to films that were changed as drawn. labels: as the films hold them."""

    def weight(self, targets: Tensor) -> Tensor:
        """What the summed loss of these targets is to be divided by."""

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, summed over the films, so that parts of a batch add up."""

    def validate(self, network: nn.Module, films: Films, inputs: Inputs) -> Validation:
        """Measure on validation films. inputs: from what the films hold to what the network takes."""


def outputs_of(network: nn.Module, films: Films, inputs: Inputs, size: int = 64) -> Tensor:
    """What a network answers to all films, in eval mode: (N, ...) float32 on the CPU."""
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [
                network(inputs(torch.from_numpy(grids))).float().cpu()
                for grids in films.batches(size)
            ]
        )
