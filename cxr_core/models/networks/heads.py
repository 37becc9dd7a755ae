"""From features to logits: what is linear in the features, or nearly so, and can say what each cell contributed.

averaged    every cell weighs the same (global average pooling, then a linear layer)
positional  every cell has its own weights, so that the head knows where a cell lies and how wide the heart is
dense       one hidden layer over all cells, as plain networks and VGG16 end
attention   a hidden layer over an average that a map of attention weighs; in attention.py

The evidence of a head sums over the cells to its logit less a bias. For averaged and positional the bias is that of
the last layer, the same for every film. A hidden layer with ReLU is linear wherever the same units are active, so
there the weights and the bias are those of the film's own active units. Source: Draelos & Carin 2020, arXiv:2011.08891
(gradient times features is exact for piecewise linear heads).
"""

import copy
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

# A dense head sees at most so many cells a side; larger maps are averaged down to it, else its first layer would
# outweigh the whole network (7 x 7 is what 224 pixels give most backbones).
DENSE_CELLS = 7


class FilmHead(nn.Module, ABC):
    """What every head has: features (B, F, h, w) -> logits (B, L), and the evidence for each logit.

    two_class: the last layer has two outputs for each finding, z0 and z1, and the logit is z1 - z0; binary
    cross-entropy of that logit is the categorical cross-entropy of the two.
    """

    def __init__(self, units: int, findings: int, two_class: bool):
        super().__init__()
        self.two_class = two_class
        self.linear = nn.Linear(units, findings * self.outputs)

    @property
    def outputs(self) -> int:
        """Outputs of the last layer for each finding."""
        return 2 if self.two_class else 1

    @abstractmethod
    def evidence(self, features: Tensor) -> Tensor:
        """What each cell adds to each logit: (B, F, h, w) -> (B, L, h, w). No gradient is taken, nothing is changed."""

    def keep(self, count: int) -> Self:
        """A copy of this head that answers only the first `count` findings."""
        kept, rows = copy.deepcopy(self), count * self.outputs
        kept.linear = nn.Linear(self.linear.in_features, rows).to(self.linear.weight)
        weight, bias = self.linear.weight[:rows].detach(), self.linear.bias[:rows].detach()
        kept.linear.load_state_dict({"weight": weight, "bias": bias})
        return kept

    def rows(self, finding: int) -> slice:
        """The rows of the last layer that belong to one finding."""
        return slice(finding * self.outputs, (finding + 1) * self.outputs)

    def logits(self, units: Tensor) -> Tensor:
        """The last layer: (B, U) -> (B, L)."""
        outputs = self.linear(units)
        return outputs[:, 1::2] - outputs[:, ::2] if self.two_class else outputs

    def logit_weight(self) -> Tensor:
        """What a unit adds to a logit: (L, U)."""
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
        return self.logits(self.dropout(features).mean(dim=(2, 3)))

    def evidence(self, features: Tensor) -> Tensor:
        """The cells sum to the logit less the last layer's bias."""
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
        return self.logits(self.dropout(features).flatten(1))

    def evidence(self, features: Tensor) -> Tensor:
        """The cells sum to the logit less the last layer's bias."""
        weight = self.logit_weight().view(-1, *features.shape[1:])
        return (features[:, None] * weight).sum(dim=2)


class HiddenLayerHead(FilmHead):
    """The end that two heads share: dropout before it is theirs; then linear, ReLU, dropout, linear."""

    def __init__(self, units: int, hidden: int, findings: int, *, dropout: float, two_class: bool):
        super().__init__(hidden, findings, two_class)
        self.hidden = nn.Linear(units, hidden)
        self.dropout = nn.Dropout(dropout)

    def _answer(self, units: Tensor) -> Tensor:
        """(B, U) -> (B, L)."""
        return self.logits(self.dropout(torch.relu(self.hidden(units))))

    def _weights_at(self, units: Tensor) -> Tensor:
        """What each input unit adds to each logit through the hidden units that these films make active: (B, L, U)."""
        active = (self.hidden(units) > 0).to(units.dtype)
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
        return self._answer(self._pool(features).flatten(1))

    def evidence(self, features: Tensor) -> Tensor:
        """The cells sum to the logit less the bias of the film's own active units."""
        pooled = self._pool(features)
        weight = self._weights_at(pooled.flatten(1)).view(len(features), -1, *pooled.shape[1:])
        rows, columns = (
            _pooling(size, to).to(features)
            for size, to in zip(features.shape[2:], self.cells, strict=True)
        )
        spread = torch.einsum("blfpq,ph,qw->blfhw", weight, rows, columns)
        return (features[:, None] * spread).sum(dim=2)

    def _pool(self, features: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(features, self.cells)


def _pooling(size: int, to: int) -> Tensor:
    """Adaptive average pooling along one axis as a matrix: (to, size)."""
    return functional.adaptive_avg_pool2d(torch.eye(size)[None], (to, size))[0]
