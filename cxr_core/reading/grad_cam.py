"""pytorch-grad-cam's heatmaps, from features already computed, on a private copy of the head.

That library stretches each map to the film's own maximum, so these maps are relative. Its hooks would leak between
threads on a shared network; here they sit on a module that lives for one call.
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.errors import ReadingError
from cxr_core.models.networks import torchvision_compat
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.reading.methods import METHODS

torchvision_compat.declare_missing_operators()

from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM  # noqa: E402
from pytorch_grad_cam.base_cam import BaseCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

LIBRARY_METHODS: dict[str, type[BaseCAM]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "eigencam": EigenCAM,
    "layercam": LayerCAM,
}


def library_map(
    network: FilmClassifier, features: np.ndarray, finding: int, method: str
) -> np.ndarray:
    """One of pytorch-grad-cam's maps from features (F, h, w): (h, w) float32 in [0, 1], 1 at its own maximum.

    Raises ReadingError for a method that nothing here knows.
    """
    if method not in LIBRARY_METHODS:
        raise ReadingError(f"unknown heatmap method {method!r}; choose from {', '.join(METHODS)}")
    head_alone = HeadAlone(network).eval()
    batch = torch.from_numpy(features)[None].requires_grad_()
    with LIBRARY_METHODS[method](model=head_alone, target_layers=[head_alone.features]) as cam:
        return np.asarray(
            cam(input_tensor=batch, targets=[ClassifierOutputTarget(finding)])[0], np.float32
        )


class HeadAlone(nn.Module):
    """A private copy of the head for one call: pytorch-grad-cam may hook `features`, whose output is the features."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.features = nn.Identity()
        self.head = copy.deepcopy(network.head)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.features(features))
