"""Folds batch normalisation into the convolution before it: the same numbers with fewer passes over memory.

Formula: `torch.nn.utils.fusion.fuse_conv_bn_weights`.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

TOLERANCE = 1e-4  # relative and absolute; rounding changes logits by 1e-6, a wrong pair of layers by all of them

Undo = Callable[[], None]


def fuse_batch_norm(network: nn.Module, predict: Callable[[], np.ndarray]) -> bool:
    """Fold the batch normalisation of a frozen network in eval mode into its convolutions, in place.

    Which convolution comes before is taken from the order of the layers in their module. Where the outputs change by
    more than TOLERANCE, this was wrong, and the network is left as it was. Activations stay in place.
    predict: the network's output for some film.  Returns whether any layer was fused.
    """
    expected = predict()
    undo_each = [
        _fuse(module, *pair)
        for module in network.modules()
        for pair in pairwise(list(module.named_children()))
        if _can_fuse(pair[0][1], pair[1][1])
    ]
    if np.allclose(predict(), expected, rtol=TOLERANCE, atol=TOLERANCE):
        return bool(undo_each)
    for undo in undo_each:
        undo()
    return False


def _can_fuse(convolution: nn.Module, norm: nn.Module) -> bool:
    return (
        isinstance(convolution, nn.Conv2d)
        and isinstance(norm, nn.BatchNorm2d)
        and norm.track_running_stats
        and convolution.out_channels == norm.num_features
    )


def _fuse(
    module: nn.Module, first: tuple[str, nn.Conv2d], second: tuple[str, nn.BatchNorm2d]
) -> Undo:
    """Fuse two layers of a module, each given with its name. Returns what undoes it."""
    (_, convolution), (name, norm) = first, second
    weight, bias = convolution.weight, convolution.bias
    statistics = norm.running_mean, norm.running_var, norm.eps
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        weight, bias, *statistics, norm.weight, norm.bias
    )
    setattr(module, name, getattr(norm, "act", nn.Identity()))  # timm's norms hold the activation

    def undo() -> None:
        convolution.weight, convolution.bias = weight, bias
        setattr(module, name, norm)

    return undo
