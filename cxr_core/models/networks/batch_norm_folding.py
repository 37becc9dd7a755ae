"""Folds batch normalisation into the convolution before it: the same numbers with fewer passes over memory.

Formula: `torch.nn.utils.fusion.fuse_conv_bn_weights`.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from cxr_core.errors import ReadingError

TOLERANCE = 1e-4  # relative and absolute; rounding changes logits by 1e-6, a wrong pair of layers by all of them

Undo = Callable[[], None]


def fold_batch_norm(network: nn.Module, predict: Callable[[], np.ndarray]) -> bool:
    """Fold the batch normalisation of a frozen network in eval mode into its convolutions, in place.

    Which convolution comes before is taken from the order of the layers in their module. Where the outputs change by
    more than TOLERANCE, this was wrong, and the network is left as it was. Activations stay in place.
    predict: the network's output for some film.  Returns whether any layer was folded.
    """
    expected = predict()
    undo_each = [_fold(*pair) for pair in list(_find_pairs(network))]
    if _gives(predict, expected):
        return bool(undo_each)
    for undo in undo_each:
        undo()
    return False


def _gives(predict: Callable[[], np.ndarray], expected: np.ndarray) -> bool:
    try:
        return np.allclose(predict(), expected, rtol=TOLERANCE, atol=TOLERANCE)
    except (AttributeError, RuntimeError, ReadingError):  # it looks for the layer that is gone
        return False


def _find_pairs(
    network: nn.Module,
) -> Iterator[tuple[nn.Module, nn.Conv2d, str, nn.BatchNorm2d]]:
    """A module, its convolution, and the name and the layer of the batch normalisation named next in it."""
    for module in network.modules():
        for (_, first), (name, second) in pairwise(list(module.named_children())):
            if (
                isinstance(first, nn.Conv2d)
                and isinstance(second, nn.BatchNorm2d)
                and second.track_running_stats
                and first.out_channels == second.num_features
            ):
                yield module, first, name, second


def _fold(module: nn.Module, convolution: nn.Conv2d, name: str, norm: nn.BatchNorm2d) -> Undo:
    """Fold two layers of a module; `name` is that of the second. Returns what undoes it."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = convolution.weight, convolution.bias
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    setattr(module, name, getattr(norm, "act", nn.Identity()))  # timm's norms hold the activation

    def undo() -> None:
        convolution.weight, convolution.bias = weight, bias
        setattr(module, name, norm)

    return undo
