"""Defines the heads, from features to logits; each can attribute a logit to the cells of the features.

averaged    every cell weighs the same (global average pooling, then a linear layer)
positional  every cell has its own weights, so that the head knows where a cell lies and how wide the heart is
dense       one hidden layer over all cells, as plain networks and VGG16 end
attention   a hidden layer over an average that an attention map weighs

The attribution of a head sums over the cells to its logit minus a bias. For averaged and positional the bias is that of
the last layer, the same for every film. A hidden layer with ReLU is linear wherever the same units are active, so there
the weights and the bias are those of the film's own active units. Source: Draelos & Carin 2020, arXiv:2011.08891
(gradient times features is exact for piecewise linear heads).
"""

import copy
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

# A dense head takes at most so many cells a side; larger maps are averaged down to it. Otherwise its first layer would
# outweigh the rest of the network (7 x 7 is what 224 pixels give most backbones).
DENSE_CELLS = 7
# Channels of the attention head's convolutions, as in the public notebooks that the attention recipes follow.
ATTENTION_CHANNELS = (64, 16, 8)
MIN_ATTENTION = 1e-6


class FilmHead(nn.Module, ABC):
    """What every head has: features (B, F, h, w) -> logits (B, L), and the attribution of each logit.

    two_class: the last layer has two outputs for each finding, z0 and z1, and the logit is z1 - z0; binary
    cross-entropy of that logit is the categorical cross-entropy of the two.
    """

    def __init__(self, units: int, findings: int, two_class: bool):
        super().__init__()
        self.two_class = two_class
        self.linear = nn.Linear(units, findings * self.outputs_per_finding)

    @property
    def outputs_per_finding(self) -> int:
        """Outputs of the last layer for each finding."""
        return 2 if self.two_class else 1

    @abstractmethod
    def attribute_to_cells(self, features: Tensor) -> Tensor:
        """What each cell adds to each logit: (B, F, h, w) -> (B, L, h, w). Takes no gradient and changes nothing."""

    def keep_findings(self, count: int) -> Self:
        """A copy of this head that answers only the first `count` findings."""
        kept, rows = copy.deepcopy(self), count * self.outputs_per_finding
        kept.linear = nn.Linear(self.linear.in_features, rows).to(self.linear.weight)
        weight, bias = self.linear.weight[:rows].detach(), self.linear.bias[:rows].detach()
        kept.linear.load_state_dict({"weight": weight, "bias": bias})
        return kept

    def output_rows(self, finding: int) -> slice:
        """The rows of the last layer that belong to one finding."""
        count = self.outputs_per_finding
        return slice(finding * count, (finding + 1) * count)

    def compute_logits(self, units: Tensor) -> Tensor:
        """Apply the last layer: (B, U) -> (B, L)."""
        outputs: Tensor = self.linear(units)
        return outputs[:, 1::2] - outputs[:, ::2] if self.two_class else outputs

    def logit_weight(self) -> Tensor:
        """What each unit adds to each logit: (L, U)."""
        weight = self.linear.weight
        return weight[1::2] - weight[::2] if self.two_class else weight


class AveragedHead(FilmHead):
    """Global average pooling and one linear layer."""

    def __init__(
        self, features: int, findings: int, *, dropout: float = 0.0, two_class: bool = False
    ):
        super().__init__(features, findings, two_class)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return self.compute_logits(self.dropout(features).mean(dim=(2, 3)))

    def attribute_to_cells(self, features: Tensor) -> Tensor:
        """The cells sum to the logit minus the last layer's bias."""
        weight = self.logit_weight()[:, :, None, None] / (features.shape[2] * features.shape[3])
        return functional.conv2d(features, weight)


class PositionalHead(FilmHead):
    """One weight per feature and cell; h and w are fixed."""

    def __init__(
        self,
        features: int,
        findings: int,
        cells: tuple[int, int],
        *,
        dropout: float = 0.0,
        two_class: bool = False,
    ):
        super().__init__(features * cells[0] * cells[1], findings, two_class)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return self.compute_logits(self.dropout(features).flatten(1))

    def attribute_to_cells(self, features: Tensor) -> Tensor:
        """The cells sum to the logit minus the last layer's bias."""
        weight = self.logit_weight().view(-1, *features.shape[1:])
        return (features[:, None] * weight).sum(dim=2)


class HiddenLayerHead(FilmHead):
    """The last layers that two heads share: linear, ReLU, dropout, linear."""

    def __init__(self, units: int, hidden: int, findings: int, *, dropout: float, two_class: bool):
        super().__init__(hidden, findings, two_class)
        self.hidden = nn.Linear(units, hidden)
        self.dropout = nn.Dropout(dropout)

    def _apply_layers(self, units: Tensor) -> Tensor:
        """(B, U) -> (B, L)."""
        return self.compute_logits(self.dropout(torch.relu(self.hidden(units))))

    def _active_weight(self, units: Tensor) -> Tensor:
        """What each input unit adds to each logit through the hidden units that these films make active: (B, L, U)."""
        active: Tensor = (self.hidden(units) > 0).to(units.dtype)
        return (self.logit_weight() * active[:, None]) @ self.hidden.weight


class DenseHead(HiddenLayerHead):
    """All cells into one hidden layer; maps of more than DENSE_CELLS cells a side are averaged down first."""

    def __init__(
        self,
        features: int,
        findings: int,
        cells: tuple[int, int],
        *,
        hidden: int,
        dropout: float = 0.0,
        two_class: bool = False,
    ):
        rows, columns = min(cells[0], DENSE_CELLS), min(cells[1], DENSE_CELLS)
        super().__init__(
            features * rows * columns, hidden, findings, dropout=dropout, two_class=two_class
        )
        self.cells = rows, columns

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return self._apply_layers(self._pool_cells(features).flatten(1))

    def attribute_to_cells(self, features: Tensor) -> Tensor:
        """The cells sum to the logit minus the bias of the film's own active units."""
        pooled = self._pool_cells(features)
        weight = self._active_weight(pooled.flatten(1)).view(len(features), -1, *pooled.shape[1:])
        rows = _pooling_matrix(features.shape[2], self.cells[0]).to(features)
        columns = _pooling_matrix(features.shape[3], self.cells[1]).to(features)
        spread = torch.einsum("blfpq,ph,qw->blfhw", weight, rows, columns)
        return (features[:, None] * spread).sum(dim=2)

    def _pool_cells(self, features: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(features, self.cells)


class AttentionHead(HiddenLayerHead):
    """Global average pooling weighted by a learnt attention map, then two fully connected layers.

    features (B, F, h, w) -> 1x1 convolutions -> attention (B, 1, h, w) in (0, 1)
    GAP(features x attention) / GAP(attention) -> dropout -> linear, ReLU, dropout, linear -> logits (B, L)

    The division by the attention's own average makes attention say where to look, not how much to see.
    """

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
        """(B, F, h, w) features to (B, L) logits."""
        pooled = (features * self.attention_shares(features)).sum(dim=(2, 3))
        return self._apply_layers(self.dropout(pooled))

    def attention_shares(self, features: Tensor) -> Tensor:
        """The weight of each cell: (B, F, h, w) -> (B, 1, h, w), summing to 1 over the cells."""
        attention: Tensor = self.attention(features)
        return attention / attention.sum(dim=(2, 3), keepdim=True).clamp_min(MIN_ATTENTION)

    def attribute_to_cells(self, features: Tensor) -> Tensor:
        """With the attention fixed, the cells sum to the logit minus the bias of the film's own active units."""
        weighted = features * self.attention_shares(features)
        weight = self._active_weight(weighted.sum(dim=(2, 3)))
        return torch.einsum("blf,bfhw->blhw", weight, weighted)


def _pooling_matrix(size: int, to: int) -> Tensor:
    """Adaptive average pooling along one axis as a matrix: (to, size)."""
    return functional.adaptive_avg_pool2d(torch.eye(size)[None], (to, size))[0]
