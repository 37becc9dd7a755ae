"""Computes heatmaps from features of a reading: the exact attribution, and pytorch-grad-cam's methods beside it.

The exact attribution is the gradient of a logit with respect to the features, times the features, summed over channels:
HiResCAM before its ReLU. Each head knows its gradient in closed form, so nothing is differentiated, and the cells sum
to logit - bias. With a head that is linear in the features the bias is one number for every film; with a hidden layer
it is that of the film's own active units; with attention, the attention weights are held constant (models/networks/
heads.py). Source: Draelos & Carin 2020, arXiv:2011.08891.

A head adds something in every cell of every film, and what it adds on any chest says nothing about this one. So a map
is shown against a baseline that the card holds: the median over validation films without the finding. That takes one
constant from the sum. With a head that is linear in the features the cells are then the exact Shapley values of that
reference (linear SHAP; Lundberg & Lee 2017, arXiv:1705.07874).

pytorch-grad-cam stretches each map to the film's own maximum, so its maps are relative. Its hooks would leak between
threads on a shared network; here they sit on a private copy of the head that lives for one call.
"""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.errors import ReadingError
from cxr_core.models.networks import torchvision_compat
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.reading.results import HEATMAP_METHODS

LIBRARY_CLASSES = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "eigencam": "EigenCAM",
    "layercam": "LayerCAM",
}


def forward_with_attribution(network: FilmClassifier, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, L) and the exact attribution of every finding (B, L, h, w), from features (B, F, h, w)."""
    return network.forward_head(features), network.head.attribute_to_cells(features)


def compute_baseline_attribution(attributions: np.ndarray) -> np.ndarray:
    """The median (h, w) of attributions (N, h, w) of films without the finding, N above 0."""
    return np.asarray(np.median(attributions, axis=0))


def compute_library_heatmap(
    network: FilmClassifier, features: np.ndarray, finding: int, method: str
) -> np.ndarray:
    """One of pytorch-grad-cam's maps from features (F, h, w): (h, w) float32 in [0, 1], 1 at its own maximum.

    finding: index of the logit.  method: a key of LIBRARY_CLASSES. Raises ReadingError for any other.
    """
    if method not in LIBRARY_CLASSES:
        raise ReadingError(
            f"unknown heatmap method {method!r}; choose from {', '.join(HEATMAP_METHODS)}"
        )
    library_class = load_library_class(method)
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    head = _PrivateHead(network).eval()
    batch = torch.from_numpy(features)[None].requires_grad_()
    with library_class(model=head, target_layers=[head.features]) as cam:
        (cells,) = cam(input_tensor=batch, targets=[ClassifierOutputTarget(finding)])
    return np.asarray(cells, np.float32)


def load_library_class(method: str) -> Any:
    """The class of pytorch-grad-cam for a method, a subclass of its BaseCAM. The import takes seconds, so it waits."""
    torchvision_compat.declare_missing_operators()
    import pytorch_grad_cam

    return getattr(pytorch_grad_cam, LIBRARY_CLASSES[method])


class _PrivateHead(nn.Module):
    """A copy of a network's head for one call: pytorch-grad-cam may hook `features`, whose output is the features."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.features = nn.Identity()
        self.head = copy.deepcopy(network.head)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(features))
        return logits
