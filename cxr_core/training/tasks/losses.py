"""The losses of findings, for each label: binary cross-entropy, focal and asymmetric; and the adjustment of logits.

Unknown labels (NaN) have a loss and a gradient of 0.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxr_core.models.networks import torchvision_compat
from cxr_core.training.recipe.recipe import Recipe

LabelLoss = Callable[
    [Tensor, Tensor], Tensor
]  # logits and targets of one shape -> the loss of each


def create_label_loss(recipe: Recipe) -> LabelLoss:
    """The loss of the recipe. It takes logits (float32) and targets in [0, 1] of the same shape."""
    torchvision_compat.declare_missing_operators()  # both libraries below import torchvision
    if recipe.loss == "focal":
        from torchvision.ops import sigmoid_focal_loss

        alpha = (
            -1 if recipe.focal_alpha is None else recipe.focal_alpha
        )  # torchvision's "no weight"
        return lambda logits, targets: sigmoid_focal_loss(
            logits, targets, alpha=alpha, gamma=recipe.focal_gamma
        )
    if recipe.loss == "asymmetric":
        from timm.loss import AsymmetricLossMultiLabel

        return AsymmetricLossMultiLabel(
            gamma_neg=recipe.asymmetric_gamma_negative,
            gamma_pos=recipe.asymmetric_gamma_positive,
            clip=recipe.asymmetric_margin,
            reduction="none",
        )
    return binary_cross_entropy


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each label.

    Two-class categorical cross-entropy is the same: such a head answers z1 - z0, and the softmax of two outputs is the
    sigmoid of that.
    """
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def summed_loss(
    loss: LabelLoss, logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor
) -> Tensor:
    """The weighted loss, summed over the known labels.

    logits, labels: (B, L), NaN = unknown.  smoothing: how far labels are moved towards 0.5.  weights: (L,).
    """
    known = ~torch.isnan(labels)
    targets = torch.nan_to_num(labels) * (1 - smoothing) + smoothing / 2
    return (loss(logits.float(), targets) * weights * known).sum()


def sum_known_weights(labels: Tensor, weights: Tensor) -> Tensor:
    """The summed weights of the known labels, by which `summed_loss` is divided."""
    return (weights * ~torch.isnan(labels)).sum()


def prior_log_odds(labels: np.ndarray) -> np.ndarray:
    """(L,) log-odds of each finding among the films whose label is known; 0 where none is.

    labels: (N, L), 1, 0 or NaN. A finding without positives or negatives counts as half a film of them.
    """
    known = (~np.isnan(labels)).sum(axis=0)
    positive = np.clip(np.nansum(labels, axis=0), 0.5, known - 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(positive) - np.log(known - positive)
    return np.where(known > 0, odds, 0.0).astype(np.float32)
