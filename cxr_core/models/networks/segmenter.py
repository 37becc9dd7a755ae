"""Outlines of heart and lungs: a U-Net whose encoder is one of timm's networks (Ronneberger et al. 2015).

films (B, C, S, S) -> logits (B, 3, S/2, S/2), one map for each structure; they may overlap
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.errors import RecipeError
from cxr_core.findings import STRUCTURES
from cxr_core.models.networks.backbones import build_backbone

STRIDES = (2, 4, 8, 16, 32)


class Segmenter(nn.Module):
    """An encoder's maps at strides 2 to 32, widened back to stride 2 with the maps of the way down beside them.

    widths: channels of the decoder at strides 2, 4, 8 and 16.
    """

    def __init__(
        self,
        *,
        backbone: str,
        channels: int,
        widths: tuple[int, ...] = (24, 32, 48, 96),
        structures: int = len(STRUCTURES),
        dropout: float = 0.0,
        pretrained: bool = False,
        backbone_arguments: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.backbone: Any = build_backbone(
            backbone, channels, pretrained, backbone_arguments or {}
        )
        stages = {
            stage["reduction"]: (index, stage["num_chs"])
            for index, stage in enumerate(self._stages(backbone))
        }
        if set(STRIDES) - set(stages):
            raise RecipeError(
                f"{backbone} has no maps at strides {STRIDES}; choose a convolutional network of timm"
            )
        self._indices = [stages[stride][0] for stride in STRIDES]
        depths = [stages[stride][1] for stride in STRIDES]
        below = [*widths[1:], depths[-1]]
        self.steps = nn.ModuleList(
            _double_convolution(under + beside, width)
            for under, beside, width in zip(below, depths[:-1], widths, strict=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.last = nn.Conv2d(widths[0], structures, 1)

    def forward(self, films: Tensor) -> Tensor:
        maps = self.backbone.forward_intermediates(
            films, indices=self._indices, intermediates_only=True
        )
        up = self.dropout(maps[-1])
        for step, beside in zip(reversed(self.steps), reversed(maps[:-1]), strict=True):
            up = functional.interpolate(
                up, size=beside.shape[-2:], mode="bilinear", align_corners=False
            )
            up = step(torch.cat([up, beside], dim=1))
        return self.last(up)

    def head_parameters(self) -> list[nn.Parameter]:
        """What is new beside the backbone: the way up."""
        return [*self.steps.parameters(), *self.last.parameters()]

    def _stages(self, name: str) -> list[dict[str, Any]]:
        if not hasattr(self.backbone, "forward_intermediates"):
            raise RecipeError(
                f"{name} does not hand out the maps of its stages; choose another backbone"
            )
        return list(self.backbone.feature_info)


def _double_convolution(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for given in (channels, width):
        layers += [
            nn.Conv2d(given, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
