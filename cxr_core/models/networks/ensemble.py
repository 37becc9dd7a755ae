"""Several classifiers of one form as one: the mean of their logits, and of what each cell adds to them.

    films (B, C, S, S) -> each member's features, side by side (B, K * F, h, w) -> one head -> (B, L) logits

A mean of heads that are linear in their features is one such head over all features, so that evidence and heatmaps are
as exact as a single network's. Averaging lowers what chance made of each run (Lakshminarayanan et al. 2017,
arXiv:1612.01474).
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from cxr_core.errors import ModelError
from cxr_core.models.networks.film_classifier import FilmClassifier
from cxr_core.models.networks.heads import AveragedHead, FilmHead, PositionalHead

LINEAR_HEADS = ("averaged", "positional")


class AveragedClassifier(FilmClassifier):
    """K networks of the same arguments, and the one head that is the mean of theirs.

    Raises ModelError for fewer than two, and for a head with a hidden layer: a mean of those is no such head.
    """

    def __init__(self, *, members: int, pretrained: bool = False, **arguments: Any):
        nn.Module.__init__(self)
        if members < 2 or arguments.get("head", "averaged") not in LINEAR_HEADS:
            raise ModelError(
                f"a mean needs two or more networks whose head is {' or '.join(LINEAR_HEADS)}; found {members} with "
                f"{arguments.get('head')!r}"
            )
        built = [FilmClassifier(**arguments, pretrained=pretrained) for _ in range(members)]
        self.head = side_by_side([member.head for member in built])
        for member in built:
            member.head = cast(FilmHead, nn.Identity())
        self.members = nn.ModuleList(built)

    @classmethod
    def of(
        cls, networks: Sequence[FilmClassifier], arguments: dict[str, Any]
    ) -> "AveragedClassifier":
        """The mean of trained networks. arguments: those that each was built with."""
        whole = cls(members=len(networks), **arguments)
        for member, network in zip(whole.members, networks, strict=True):
            tensors = {
                name: tensor
                for name, tensor in network.state_dict().items()
                if not name.startswith("head.")
            }
            member.load_state_dict(tensors)
        whole.head = side_by_side([network.head for network in networks])
        return whole.eval()

    @property
    def each(self) -> list[FilmClassifier]:
        """The members, whose heads are the one head of all."""
        return [cast(FilmClassifier, member) for member in self.members]

    @property
    def backbone(self) -> Any:
        """The first member's, for a recipe that begins with it."""
        return self.each[0].backbone

    def forward_features(self, films: Tensor) -> Tensor:
        """(B, C, S, S) to the features of all members (B, K * F, h, w)."""
        return torch.cat([member.forward_features(films) for member in self.each], dim=1)

    def forward_described(self, films: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features of all members, and the middle maps of the first: one acquaintance with films is enough."""
        first, maps = self.each[0].forward_described(films)
        others = [member.forward_features(films) for member in self.each[1:]]
        return torch.cat([first, *others], dim=1), maps

    def head_parameters(self) -> list[nn.Parameter]:
        """The necks' and the head's."""
        necks = [parameter for member in self.each for parameter in member.neck.parameters()]
        return [*necks, *self.head.parameters()]


def side_by_side(heads: Sequence[FilmHead]) -> FilmHead:
    """One linear head over the features of all, whose logits are the mean of theirs."""
    first, count = heads[0], len(heads)
    if not all(type(head) is type(first) and head.two_class == first.two_class for head in heads):
        raise ModelError("heads of different forms have no mean")
    outputs, units = first.linear.weight.shape
    findings = outputs // first.outputs
    whole: FilmHead
    if isinstance(first, PositionalHead):
        whole = PositionalHead(count * units, findings, (1, 1), two_class=first.two_class)
    else:
        whole = AveragedHead(count * units, findings, two_class=first.two_class)
    with torch.no_grad():
        whole.linear.weight.copy_(torch.cat([head.linear.weight for head in heads], dim=1) / count)
        whole.linear.bias.copy_(torch.stack([head.linear.bias for head in heads]).mean(dim=0))
    return whole
