"""A network that tells findings. It splits at its features: `forward_features` then `forward_head`.

    films (B, C, S, S) -> forward_features -> (B, F, h, w) after its last activation -> forward_head -> (B, L) logits

A backbone of backbones.py, an optional narrowing convolution, and a head of heads.py or attention.py.
"""

import copy
from typing import Any, Literal

from torch import Tensor, nn

from cxr_core.errors import RecipeError
from cxr_core.models.networks.attention import AttentionHead
from cxr_core.models.networks.backbones import build_backbone, feature_shape, middle_stages
from cxr_core.models.networks.heads import AveragedHead, DenseHead, FilmHead, PositionalHead

Head = Literal["averaged", "positional", "dense", "attention"]


class FilmClassifier(nn.Module):
    """A backbone, an optional narrowing convolution, and a head that can say what each cell adds to a logit.

    hidden: units of the hidden layer of the heads `dense` and `attention`. two_class: the head has two outputs for
    each finding, z0 and z1, and the logit is z1 - z0.
    """

    def __init__(
        self,
        *,
        backbone: str,
        findings: int,
        channels: int,
        side: int,
        head: Head = "averaged",
        neck: int | None = None,
        hidden: int = 128,
        two_class: bool = False,
        dropout: float = 0.0,
        pretrained: bool = False,
        backbone_arguments: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.backbone: Any = build_backbone(
            backbone, channels, pretrained, backbone_arguments or {}
        )
        width, *cells = feature_shape(self.backbone, backbone, channels, side)
        self._middle = middle_stages(self.backbone)
        self.neck: nn.Module = nn.Identity()
        if neck is not None:
            self.neck = nn.Sequential(
                nn.Conv2d(width, neck, 1, bias=False), nn.BatchNorm2d(neck), nn.ReLU()
            )
            width = neck
        self.head = _head(head, width, findings, (cells[0], cells[1]), hidden, dropout, two_class)

    def forward_features(self, films: Tensor) -> Tensor:
        """(B, C, S, S) normalised films to the features (B, F, h, w), after their last activation."""
        return self.neck(self.backbone(films))

    def forward_described(self, films: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and from the same pass the middle maps (B, T, h, w) at strides 8 and 16.

        A backbone that cannot hand out its middle gives its last map alone.
        """
        if not self._middle:
            trunk = self.backbone(films)
            return self.neck(trunk), [trunk]
        last, maps = self.backbone.forward_intermediates(films, indices=self._middle)
        # Some of timm's networks (MobileNetV3) keep a convolution in what they call their head.
        return self.neck(self.backbone.forward_head(last)), maps

    def forward_head(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return self.head(features)

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(films))

    def head_parameters(self) -> list[nn.Parameter]:
        """What is new beside the backbone: the neck's and the head's."""
        return [*self.neck.parameters(), *self.head.parameters()]

    def keep_findings(self, count: int) -> "FilmClassifier":
        """A deep copy that answers only the first `count` findings."""
        kept = copy.deepcopy(self)
        kept.head = self.head.keep(count)
        return kept


def _head(
    name: str,
    width: int,
    findings: int,
    cells: tuple[int, int],
    hidden: int,
    dropout: float,
    two_class: bool,
) -> FilmHead:
    if name == "averaged":
        return AveragedHead(width, findings, dropout=dropout, two_class=two_class)
    if name == "positional":
        return PositionalHead(width, findings, cells, dropout=dropout, two_class=two_class)
    if name == "dense":
        return DenseHead(
            width, findings, cells, hidden=hidden, dropout=dropout, two_class=two_class
        )
    if name == "attention":
        return AttentionHead(width, findings, hidden=hidden, dropout=dropout, two_class=two_class)
    raise RecipeError(f"unknown head {name!r}; choose averaged, positional, dense or attention")
