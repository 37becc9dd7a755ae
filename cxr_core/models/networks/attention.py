"""Attention with global weighted average pooling: the head looks for itself where to look.

features (B, F, h, w) -> 1x1 convolutions -> attention (B, 1, h, w) in (0, 1)
GAP(features x attention) / GAP(attention) -> dropout -> linear, ReLU, dropout, linear -> logits (B, L)

The form is that of the public notebooks that the attention recipes' source follows: 64, 16 and 8 channels with ReLU, a
sigmoid at the end, and a division by the attention's own average, so that attention says where, not how much.
"""

import torch
from torch import Tensor, nn

from cxr_core.models.networks.heads import HiddenLayerHead

ATTENTION_CHANNELS = (64, 16, 8)


class AttentionHead(HiddenLayerHead):
    """Global weighted average pooling by a learnt map of attention, then two fully connected layers."""

    def __init__(
        self,
        features: int,
        findings: int,
        *,
        hidden: int,
        dropout: float = 0.0,
        two_class: bool = False,
    ):
        super().__init__(features, hidden, findings, dropout=dropout, two_class=two_class)
        layers: list[nn.Module] = []
        width = features
        for channels in ATTENTION_CHANNELS:
            layers += [nn.Conv2d(width, channels, 1), nn.ReLU()]
            width = channels
        self.attention = nn.Sequential(*layers, nn.Conv2d(width, 1, 1), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        pooled = (features * self.shares(features)).sum(dim=(2, 3))
        return self._answer(self.dropout(pooled))

    def shares(self, features: Tensor) -> Tensor:
        """How much each cell counts: (B, F, h, w) -> (B, 1, h, w), summing to 1 over the cells."""
        attention = self.attention(features)
        return attention / attention.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)

    def evidence(self, features: Tensor) -> Tensor:
        """With attention held where it is, the cells sum to the logit less the bias of the film's own active units."""
        weighed = features * self.shares(features)
        weight = self._weights_at(weighed.sum(dim=(2, 3)))
        return torch.einsum("blf,bfhw->blhw", weight, weighed)
