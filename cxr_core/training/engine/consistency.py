"""How much the logits of films differ when only their size and file format do, as a loss.

A film that the augmentation stores smaller or as a JPEG passes the network twice, also as it was before. The squared
difference of the two logits is counted as a share of the logits' variance, so that smaller logits gain nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_VARIANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Twins:
    """What the films of a batch were before they were stored.

    films: (B, C, S, S).  chosen: (B,) bool, those that were stored smaller or as a JPEG; only these pass the network.
    """

    films: Tensor
    chosen: Tensor

    def chunk(self, count: int) -> list["Twins"]:
        """In chunks, as `torch.chunk` makes them."""
        pairs = zip(self.films.chunk(count), self.chosen.chunk(count), strict=True)
        return [Twins(films, chosen) for films, chosen in pairs]


def sum_differences(outputs: Tensor, before: Tensor, chosen: Tensor) -> Tensor:
    """The squared differences as shares of the variance, the mean over findings, summed over the chosen films.

    outputs: logits (B, L) of all films as they are stored.  before: (n, L) of the n chosen ones before.
    chosen: (B,) bool.
    """
    if len(outputs) < 2:
        return outputs.sum() * 0  # no variance
    outputs, before = outputs.float(), before.float()
    variance = outputs.var(dim=0).clamp_min(MIN_VARIANCE)
    difference: Tensor = ((outputs[chosen] - before) ** 2 / variance).mean(dim=1)
    return difference.sum()


def join_films(films: Tensor, twins: Twins | None) -> Tensor:
    """The films, and after them the chosen ones of their twins."""
    if twins is None:
        return films
    return torch.cat([films, twins.films[twins.chosen]])
