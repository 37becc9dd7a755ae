"""Defines a network that answers findings. It splits at its features: `forward_features`, then `forward_head`.

    films (B, C, S, S) -> forward_features -> (B, F, h, w) after its last activation -> forward_head -> (B, L) logits

It has a backbone of backbones.py, an optional narrowing convolution, and a head of heads.py.
"""

import copy
from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from cxr_core.errors import CodeRefused, RecipeError
from cxr_core.models.networks.backbones import (
    build_backbone,
    find_middle_stages,
    measure_feature_shape,
    require_network,
)
from cxr_core.models.networks.heads import (
    AttentionHead,
    AveragedHead,
    DenseHead,
    FilmHead,
    PositionalHead,
)
from cxr_core.models.networks.user_code import (
    call_function,
    explain_error,
    is_code_reference,
    parse_reference,
)
from cxr_core.workspace.json_files import JsonObject

Head = Literal["averaged", "positional", "dense", "attention"]


class FilmClassifier(nn.Module):
    """A backbone, an optional narrowing convolution (neck), and a head that can attribute a logit to cells.

    side: pixels of the square input.  neck: channels after narrowing; None = as the backbone gives them.
    hidden: units of the hidden layer of the heads `dense` and `attention`.
    two_class: the head has two outputs for each finding, z0 and z1, and the logit is z1 - z0.
    code: the sha256 of the user's own files that backbone and head name, see user_code.py.
    """

    def __init__(  # noqa: PLR0913 - the keys of a card's arguments
        self,
        *,
        backbone: str,
        findings: int,
        channels: int,
        side: int,
        head: str = "averaged",
        neck: int | None = None,
        hidden: int = 128,
        two_class: bool = False,
        dropout: float = 0.0,
        pretrained: bool = False,
        backbone_arguments: JsonObject | None = None,
        code: Mapping[str, str] | None = None,
    ):
        super().__init__()
        self.backbone: Any = build_backbone(
            backbone, channels, pretrained, backbone_arguments or {}, code
        )
        width, rows, columns = measure_feature_shape(self.backbone, backbone, channels, side)
        self._middle = find_middle_stages(self.backbone)
        self.neck: nn.Module = nn.Identity()
        if neck is not None:
            self.neck = nn.Sequential(
                nn.Conv2d(width, neck, 1, bias=False), nn.BatchNorm2d(neck), nn.ReLU()
            )
            width = neck
        layers = {"hidden": hidden, "dropout": dropout, "two_class": two_class}
        if is_code_reference(head):
            self.head = _build_own_head(head, width, findings, (rows, columns), layers, code or {})
        else:
            self.head = _build_head(
                head, width, findings, (rows, columns), hidden, dropout, two_class
            )

    def forward_features(self, films: Tensor) -> Tensor:
        """(B, C, S, S) normalised films to the features (B, F, h, w), after their last activation."""
        return cast(Tensor, self.neck(self.backbone(films)))

    def forward_with_middle_maps(self, films: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and from the same pass the middle maps (B, T, h, w) at strides 8 and 16.

        A backbone that cannot return its middle maps gives its last map alone.
        """
        if not self._middle:
            trunk = self.backbone(films)
            return self.neck(trunk), [trunk]
        last, maps = self.backbone.forward_intermediates(films, indices=self._middle)
        # Some of timm's networks (MobileNetV3) keep a convolution in what they call their head.
        return self.neck(self.backbone.forward_head(last)), maps

    def forward_head(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return cast(Tensor, self.head(features))

    def forward(self, films: Tensor) -> Tensor:
        """(B, C, S, S) films to (B, L) logits."""
        return self.forward_head(self.forward_features(films))

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters that do not belong to the backbone: the neck's and the head's."""
        return [*self.neck.parameters(), *self.head.parameters()]

    def keep_findings(self, count: int) -> "FilmClassifier":
        """A deep copy that answers only the first `count` findings."""
        kept = copy.deepcopy(self)
        kept.head = self.head.keep_findings(count)
        return kept


def _build_own_head(
    name: str,
    width: int,
    findings: int,
    cells: tuple[int, int],
    layers: Mapping[str, object],
    code: Mapping[str, str],
) -> FilmHead:
    """The head that a user's own function returns, tried on features. Raises CodeRefused for one that does not fit."""
    reference = parse_reference(name)
    arguments = {"features": width, "findings": findings, "cells": cells, **layers}
    head = call_function(reference, code.get(reference.file), arguments)
    require_network(head, name)
    if not isinstance(head, FilmHead):
        raise CodeRefused(
            f"{name} returned {type(head).__name__}; a head is a subclass of cxr_core.models.networks.heads.FilmHead"
        )
    try:
        with torch.no_grad():
            features = torch.rand(2, width, *cells)
            shapes = [tuple(head.eval()(features).shape)]
            shapes.append(tuple(head.attribute_to_cells(features).shape))
            shapes.append(tuple(head.keep_findings(1)(features).shape))
    except Exception as error:
        raise explain_error(reference.file, error, "as it took features") from error
    expected = [(2, findings), (2, findings, *cells), (2, 1)]
    if shapes != expected:
        raise CodeRefused(
            f"{name} gives logits, attribution and the logits of one finding in the shapes {shapes}; expected "
            f"{expected}"
        )
    return head


def _build_head(
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
