"""Defines the segmenter of heart and lungs: a U-Net whose encoder is one of timm's networks (Ronneberger et al. 2015).

films (B, C, S, S) -> logits (B, 3, S/2, S/2), one map for each structure; the structures may overlap
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.errors import RecipeError
from cxr_core.findings import STRUCTURES
from cxr_core.models.networks.backbones import Stage, build_backbone
from cxr_core.workspace.json_files import JsonObject

STRIDES = (2, 4, 8, 16, 32)


class FilmSegmenter(nn.Module):
    """An encoder with maps at strides 2 to 32, and a decoder back to stride 2 with skip connections.

    widths: channels of the decoder at strides 2, 4, 8 and 16.
    """

    def __init__(
        self,
        *,
        backbone: str,
        channels: int,
        widths: Sequence[int] = (24, 32, 48, 96),
        structures: int = len(STRUCTURES),
        dropout: float = 0.0,
        pretrained: bool = False,
        backbone_arguments: JsonObject | None = None,
    ):
        super().__init__()
        self.backbone: Any = build_backbone(
            backbone, channels, pretrained, backbone_arguments or {}
        )
        stages = {
            stage["reduction"]: (index, stage["num_chs"])
            for index, stage in enumerate(self._encoder_stages(backbone))
        }
        if set(STRIDES) - set(stages):
            raise RecipeError(
                f"{backbone} has no maps at strides {STRIDES}; choose a convolutional network of timm"
            )
        self._indices = [stages[stride][0] for stride in STRIDES]
        depths = [stages[stride][1] for stride in STRIDES]
        below = [*widths[1:], depths[-1]]
        self.steps = nn.ModuleList(
            _double_convolution(deeper + skipped, width)
            for deeper, skipped, width in zip(below, depths[:-1], widths, strict=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.last = nn.Conv2d(widths[0], structures, 1)

    def forward(self, films: Tensor) -> Tensor:
        """(B, C, S, S) films to (B, 3, S/2, S/2) logits."""
        maps = self.backbone.forward_intermediates(
            films, indices=self._indices, intermediates_only=True
        )
        decoded = self.dropout(maps[-1])
        for step, skipped in zip(reversed(self.steps), reversed(maps[:-1]), strict=True):
            decoded = functional.interpolate(
                decoded, size=skipped.shape[-2:], mode="bilinear", align_corners=False
            )
            decoded = step(torch.cat([decoded, skipped], dim=1))
        return cast(Tensor, self.last(decoded))

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters that do not belong to the backbone: those of the decoder."""
        return [*self.steps.parameters(), *self.last.parameters()]

    def _encoder_stages(self, name: str) -> list[Stage]:
        if not hasattr(self.backbone, "forward_intermediates"):
            raise RecipeError(
                f"{name} does not return the maps of its stages; choose another backbone"
            )
        return list(self.backbone.feature_info)


def _double_convolution(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (channels, width):
        layers += [
            nn.Conv2d(inputs, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
