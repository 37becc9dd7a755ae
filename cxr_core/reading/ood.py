"""Is this a film like those that the network learnt from? Answered from the reading's own forward pass.

The backbone's middle maps are described by each channel's mean and spread over the cells. (Its last map knows the
findings but has forgotten what a chest looks like: it let through 2 to 9 of 77 pictures that are no chest film, the
middle maps none.) The training films' descriptors give a mean, principal axes and what is left beside them; the
distance of a film is the Mahalanobis distance along the axes plus the standardised length of what lies outside them.
Sources: Lee et al. 2018, arXiv:1807.03888 (Mahalanobis distance of features); Tipping & Bishop 1999 (probabilistic
PCA, which is this distance).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cxr_core.errors import ModelError

AXES = 64


def describe(maps: Sequence[Tensor]) -> Tensor:
    """Maps, each (B, T, h, w), as descriptors (B, D): each channel's mean and standard deviation over the cells."""
    parts = []
    for each in maps:
        deviation, mean = torch.std_mean(each, dim=(2, 3), correction=0)
        parts += [mean, deviation]
    return torch.cat(parts, dim=1)


class Familiarity:
    """What the training films look like. tensors: mean (D,), scale (D,), axes (D, k), spread (k,), rest ()."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        missing = {"mean", "scale", "axes", "spread", "rest"} - set(tensors)
        if missing:
            raise ModelError(
                f"the familiarity statistics lack {', '.join(sorted(missing))}; install the model again"
            )
        self.tensors = dict(tensors)
        # Along an axis a deviation counts by the axis' own spread, not by that of the rest.
        self._gain = 1 / tensors["spread"].square() - 1 / tensors["rest"]

    @classmethod
    def fit(cls, descriptors: Tensor, axes: int = AXES) -> "Familiarity":
        """From the training films' descriptors (N, D), N above `axes`."""
        mean = descriptors.mean(dim=0)
        scale = descriptors.std(dim=0).clamp_min(1e-6)
        standard = (descriptors - mean) / scale
        _, spread, rows = torch.linalg.svd(standard, full_matrices=False)
        axes = min(axes, len(spread) - 1)
        inside = standard @ rows[:axes].T
        rest = (standard - inside @ rows[:axes]).square().sum(dim=1).mean() / (
            standard.shape[1] - axes
        )
        deviation = spread[:axes] / (len(descriptors) - 1) ** 0.5
        return cls(
            {
                "mean": mean,
                "scale": scale,
                "axes": rows[:axes].T.contiguous(),
                "spread": deviation,
                "rest": rest,
            }
        )

    def distance(self, descriptors: Tensor) -> Tensor:
        """Root mean squared standardised deviation of descriptors (N, D): (N,), about 1 for a training film."""
        t = self.tensors
        standard = (descriptors - t["mean"]) / t["scale"]
        along = (standard @ t["axes"]).square() @ self._gain
        squared = standard.square().sum(dim=1) / t["rest"] + along
        return (squared / standard.shape[1]).sqrt()
