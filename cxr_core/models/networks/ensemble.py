"""Defines an ensemble of classifiers of the same form as one network: the mean of their logits and attributions.

    films (B, C, S, S) -> each member's features, concatenated (B, K * F, h, w) -> one head -> (B, L) logits

The mean of heads that are linear in their features is one such head over all features, so attributions and heatmaps are
as exact as a single network's. An ensemble reduces the variance between training runs (Lakshminarayanan et al. 2017,
arXiv:1612.01474).
"""

from collections.abc import Sequence
from typing import Any, Unpack, cast

import torch
from torch import Tensor, nn

from cxr_core.errors import ModelError
from cxr_core.models.card import ArchitectureArguments
from cxr_core.models.networks.film_classifier import FilmClassifier
from cxr_core.models.networks.heads import AveragedHead, FilmHead, PositionalHead

LINEAR_HEADS = ("averaged", "positional")


class EnsembleClassifier(FilmClassifier):
    """K networks of the same arguments, and the one head that is the mean of theirs.

    Raises ModelError for fewer than two, and for a head with a hidden layer, since a mean of those is no such head.
    """

    def __init__(self, **arguments: Unpack[ArchitectureArguments]):
        nn.Module.__init__(self)
        shared: dict[str, Any] = dict(arguments)
        members = shared.pop("members", 0)
        head = shared.get("head", "averaged")
        if members < 2 or head not in LINEAR_HEADS:
            raise ModelError(
                f"an ensemble needs two or more networks with the head {' or '.join(LINEAR_HEADS)}; found {members} "
                f"with the head {head!r}"
            )
        networks = [FilmClassifier(**shared) for _ in range(members)]
        self.head = merge_heads([network.head for network in networks])
        for network in networks:
            network.head = cast(FilmHead, nn.Identity())
        self.members = nn.ModuleList(networks)

    @classmethod
    def from_networks(
        cls, networks: Sequence[FilmClassifier], arguments: ArchitectureArguments
    ) -> "EnsembleClassifier":
        """The ensemble of trained networks, in eval mode. arguments: those that each was built with."""
        own: ArchitectureArguments = {**arguments, "members": len(networks)}
        ensemble = cls(**own)
        for member, network in zip(ensemble.members, networks, strict=True):
            tensors = {
                name: tensor
                for name, tensor in network.state_dict().items()
                if not name.startswith("head.")
            }
            member.load_state_dict(tensors)
        ensemble.head = merge_heads([network.head for network in networks])
        ensemble.eval()
        return ensemble

    @property
    def classifiers(self) -> list[FilmClassifier]:
        """The members, which have no heads of their own."""
        return [cast(FilmClassifier, member) for member in self.members]

    @property
    def backbone(self) -> Any:
        """The first member's backbone, for a recipe that starts from it."""
        return self.classifiers[0].backbone

    def forward_features(self, films: Tensor) -> Tensor:
        """(B, C, S, S) to the features of all members (B, K * F, h, w)."""
        features = [member.forward_features(films) for member in self.classifiers]
        return torch.cat(features, dim=1)

    def forward_with_middle_maps(self, films: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features of all members, and the middle maps of the first, which are enough for the OOD score."""
        first, *others = self.classifiers
        features, maps = first.forward_with_middle_maps(films)
        other_features = [member.forward_features(films) for member in others]
        return torch.cat([features, *other_features], dim=1), maps

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the necks and of the head."""
        parameters: list[nn.Parameter] = []
        for member in self.classifiers:
            parameters += member.neck.parameters()
        return [*parameters, *self.head.parameters()]


def merge_heads(heads: Sequence[FilmHead]) -> FilmHead:
    """One linear head over the concatenated features, whose logits are the mean of those of the heads."""
    first, count = heads[0], len(heads)
    for head in heads:
        if type(head) is not type(first) or head.two_class != first.two_class:
            raise ModelError("heads of different forms have no mean")
    outputs, units = first.linear.weight.shape
    findings = outputs // first.outputs_per_finding
    merged: FilmHead
    if isinstance(first, PositionalHead):
        merged = PositionalHead(count * units, findings, (1, 1), two_class=first.two_class)
    else:
        merged = AveragedHead(count * units, findings, two_class=first.two_class)
    if first.linear.weight.is_meta:  # built for its shapes alone
        return merged
    weights = [head.linear.weight for head in heads]
    biases = [head.linear.bias for head in heads]
    with torch.no_grad():
        merged.linear.weight.copy_(torch.cat(weights, dim=1) / count)
        merged.linear.bias.copy_(torch.stack(tuple(biases)).mean(dim=0))
    return merged
