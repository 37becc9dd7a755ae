"""Segmenting structures: a map each, cross-entropy and Dice loss together, the mean Dice selects the epoch."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import DataError
from cxr_core.training.engine.augment import AugmentationSample, transform_masks
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.task import Inputs, Validation, compute_outputs

FULL_COVERAGE = 255  # value of a mask where the structure covers the whole pixel


class StructuresTask:
    """labels of films: (N, K, S, S) uint8 masks in the order of the recipe's structures, 0 to FULL_COVERAGE."""

    figures: tuple[str, ...] = ("dice",)

    def __init__(self, recipe: Recipe):
        self.recipe = recipe

    def require_trainable(self, splits: Mapping[str, FilmSet]) -> None:
        """Raises DataError when a split has no film, or a film has an empty mask."""
        for split, films in splits.items():
            if not len(films):
                raise DataError(f"split {split!r} has no film; change the split")
            empty = ~films.labels.any(axis=(2, 3))
            if empty.any():
                film, structure = np.argwhere(empty)[0]
                raise DataError(
                    f"film {film + 1} of split {split!r} has an empty mask of the {self.recipe.structures[structure]}; "
                    "leave it out of the data"
                )

    def sampling_weights(self, films: FilmSet) -> np.ndarray | None:
        """All films are equally likely."""
        return None

    def build_targets(self, labels: Tensor, sample: AugmentationSample) -> Tensor:
        """(B, K, S, S) in [0, 1]: the masks, with the geometry of their augmented films."""
        return transform_masks(self.recipe.augmentation, labels.float() / FULL_COVERAGE, sample)

    def target_weight(self, targets: Tensor) -> Tensor:
        """The number of films."""
        return torch.tensor(float(len(targets)), device=targets.device)

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """For each film its mean cross-entropy and 1 - Dice, the mean over structures (Milletari et al. 2016)."""
        logits = _resize_like(outputs.float(), targets)
        entropy = functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).mean(dim=(1, 2, 3))
        return (entropy + 1 - _soft_dice(torch.sigmoid(logits), targets).mean(dim=1)).sum()

    def validate(self, network: nn.Module, films: FilmSet, inputs: Inputs) -> Validation:
        """Mean Dice of the maps above 0 with the masks, over structures and films."""
        masks = torch.from_numpy(films.labels).float() / FULL_COVERAGE
        logits = _resize_like(compute_outputs(network, films, inputs), masks)
        loss = float(self.summed_loss(logits, masks)) / len(masks)
        dice = _soft_dice((logits > 0).float(), (masks > 0.5).float())
        return Validation(loss, {"dice": float(dice.mean())})


def _resize_like(maps: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(maps, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _soft_dice(shares: Tensor, targets: Tensor) -> Tensor:
    """(B, K): twice the common share over the sum of both, smoothed by 1."""
    common = (shares * targets).sum(dim=(2, 3))
    return (2 * common + 1) / (shares.sum(dim=(2, 3)) + targets.sum(dim=(2, 3)) + 1)
