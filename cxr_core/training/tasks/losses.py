"""Binary cross-entropy over the labels that are known.

timm's BinaryCrossEntropy has no place for unknown labels; this is the same sum, with them left out. Two-class
categorical cross-entropy is the same again: such a head answers z1 - z0, and the softmax of two is a sigmoid of that.
"""

import torch
from torch import Tensor
from torch.nn import functional


def summed_bce(logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor) -> Tensor:
    """The weighted sum over known labels. logits, labels (B, L), NaN = unknown; weights (L,). Divide by its weight."""
    known = ~torch.isnan(labels)
    target = torch.nan_to_num(labels) * (1 - smoothing) + smoothing / 2
    each = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return (each * weights * known).sum()


def known_weight(labels: Tensor, weights: Tensor) -> Tensor:
    """What `summed_bce` is to be divided by: the weights of the known labels, summed."""
    return (weights * ~torch.isnan(labels)).sum()


def masked_bce(logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor) -> Tensor:
    """The weighted mean over known labels; 0 when none is known."""
    return summed_bce(logits, labels, smoothing, weights) / known_weight(labels, weights).clamp_min(
        1e-6
    )
