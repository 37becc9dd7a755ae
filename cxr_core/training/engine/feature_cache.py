"""Passes each film through a frozen backbone once and keeps its features, from which the head is then trained.

This is possible when nothing before the head changes from epoch to epoch: the backbone is frozen in eval mode (its
batch statistics too) and no film is augmented. The features are then what they would be if computed each time.
"""

import tempfile
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import RunError
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.presentation.wording import format_count

BATCH_SIZE = 64


class AfterBackbone(nn.Module):
    """What follows the backbone of a network: features (B, F, h, w) -> logits (B, L)."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """(B, L) logits."""
        return self.network.forward_head(self.network.neck(features))


def cache_features(
    network: FilmClassifier, films: FilmSet, inputs: Callable[[Tensor], Tensor]
) -> FilmSet:
    """The same films with the backbone's features (N, F, h, w) float32 instead of grids.

    inputs: from grids (B, S, S) uint8 to the network's input (B, C, S, S), on its device. The features lie in a file
    that is removed with this process. Raises RunError when the disk has no room for it.
    """
    network.backbone.eval()
    shape: tuple[int, ...] = ()
    with tempfile.TemporaryFile() as file:
        try:
            for grids in films.batches(BATCH_SIZE):
                with torch.inference_mode():
                    features = network.backbone(inputs(torch.from_numpy(grids))).float().cpu()
                shape = tuple(features.shape[1:])
                file.write(np.ascontiguousarray(features.numpy()).data)
            file.flush()
        except OSError as error:
            raise RunError(
                f"the features of {format_count(len(films), 'films')} do not fit into {tempfile.gettempdir()}: "
                f"{error.strerror}. Set TMPDIR to a larger disk, or use augmentation, which computes "
                "them anew in each epoch"
            ) from error
        features_on_disk = np.memmap(file, np.float32, "r", shape=(len(films), *shape))
    return FilmSet.from_grids(features_on_disk, films.labels)
