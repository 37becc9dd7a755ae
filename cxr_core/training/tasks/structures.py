"""Structures: a map each, cross-entropy and Dice together, the mean Dice chooses the epoch."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.data.film_set import Films
from cxr_core.errors import DataError
from cxr_core.training.recipe.augmentation import AugmentationDraw
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.task import Inputs, Validation, outputs_of

ALL = 255  # a mask's value where the structure covers the whole pixel


class StructuresTask:
    """labels of films: (N, K, S, S) uint8 masks in the order of the recipe's structures, ALL where they cover."""

    figures: tuple[str, ...] = ("dice",)

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def require(self, parts: Mapping[str, Films]) -> None:
        """Raises DataError when a part has no film, or a film has an empty mask."""
        for part, films in parts.items():
            if not len(films):
                raise DataError(f"part {part!r} has no film; change the split")
            empty = ~films.labels.any(axis=(2, 3))
            if empty.any():
                film, structure = np.argwhere(empty)[0]
                raise DataError(
                    f"film {film + 1} of part {part!r} has an empty mask of the {self.recipe.structures[structure]}; "
                    "leave it out of the data"
                )

    def draw_weights(self, films: Films) -> np.ndarray | None:
        """All are equally likely."""
        return None

    def targets(self, labels: Tensor, drawn: AugmentationDraw) -> Tensor:
        """(B, K, S, S) in [0, 1]: the masks, moved as their films were."""
        return self.recipe.augmentation.move_masks(labels.float() / ALL, drawn)

    def weight(self, targets: Tensor) -> Tensor:
        """The number of films."""
        return torch.tensor(float(len(targets)), device=targets.device)

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """For each film its mean cross-entropy and 1 - Dice, the mean over structures (Milletari et al. 2016)."""
        logits = _as_large(outputs.float(), targets)
        entropy = functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).mean(dim=(1, 2, 3))
        return (entropy + 1 - _soft_dice(torch.sigmoid(logits), targets).mean(dim=1)).sum()

    def validate(self, network: nn.Module, films: Films, inputs: Inputs) -> Validation:
        """Mean Dice of the maps above 0 with the masks, over structures and films."""
        logits, masks = (
            outputs_of(network, films, inputs),
            torch.from_numpy(films.labels).float() / ALL,
        )
        logits = _as_large(logits, masks)
        loss = float(self.summed_loss(logits, masks)) / len(masks)
        dice = _soft_dice((logits > 0).float(), (masks > 0.5).float())
        return Validation(loss, {"dice": float(dice.mean())})


def _as_large(maps: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(maps, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _soft_dice(shares: Tensor, targets: Tensor) -> Tensor:
    """(B, K): twice the common share over the sum of both."""
    both = (shares * targets).sum(dim=(2, 3))
    return (2 * both + 1) / (shares.sum(dim=(2, 3)) + targets.sum(dim=(2, 3)) + 1)
