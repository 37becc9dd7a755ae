"""Heatmaps from features already computed; the shared network is never hooked and never differentiated.

evidence      gradient of a logit with respect to the features, times the features, summed over channels. For a head
              that is linear in the features the cells sum to logit - bias, exactly. It is HiResCAM before its ReLU.
              Source: Draelos & Carin 2020, arXiv:2011.08891.
other methods pytorch-grad-cam on a private wrapper whose only input is the features. Their maps are stretched to each
              film's own maximum by that library, so they are relative.
"""

import copy

import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from cxr_core.errors import RecipeError
from cxr_core.models.architectures import FilmClassifier
from cxr_core.reading.methods import METHODS

LIBRARY_METHODS: dict[str, type[BaseCAM]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "eigencam": EigenCAM,
    "layercam": LayerCAM,
}


def logits_and_evidence(network: FilmClassifier, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the evidence of every finding from features, in one pass through the head.

    features: (B, F, h, w).  Returns logits (B, L) and evidence (B, L, h, w), both detached.
    """
    features = features.detach().requires_grad_()
    with torch.enable_grad():
        logits = network.forward_head(features)
        maps = []
        for finding in range(logits.shape[1]):
            # Films of a batch do not interact in eval mode, so the gradient of the sum is each film's own.
            last = finding == logits.shape[1] - 1
            (gradient,) = torch.autograd.grad(logits[:, finding].sum(), features, retain_graph=not last)
            maps.append((gradient * features).sum(dim=1))
    return logits.detach(), torch.stack(maps, dim=1).detach()


def library_map(network: FilmClassifier, features: np.ndarray, finding: int, method: str) -> np.ndarray:
    """One of pytorch-grad-cam's maps from features (F, h, w): (h, w) float32 in [0, 1], 1 at its own maximum.

    Raises RecipeError for a method that nothing here knows.
    """
    if method not in LIBRARY_METHODS:
        raise RecipeError(f"unknown heatmap method {method!r}; choose from {', '.join(METHODS)}")
    head_alone = HeadAlone(network).eval()
    batch = torch.from_numpy(features)[None].requires_grad_()
    with LIBRARY_METHODS[method](model=head_alone, target_layers=[head_alone.features]) as cam:
        return np.asarray(cam(input_tensor=batch, targets=[ClassifierOutputTarget(finding)])[0], np.float32)


class HeadAlone(nn.Module):
    """A private copy of the head for one call: pytorch-grad-cam may hook `features`, whose output is the features."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.features = nn.Identity()
        self.head = copy.deepcopy(network.head)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.features(features))
