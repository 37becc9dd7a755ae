"""Scores how far a film lies from a network's training films, from the forward pass of the reading itself.

The backbone's middle maps are described by each channel's mean and spread over the cells. (The last map separates the
findings but not chest films from other pictures: it let through 2 to 9 of 77 pictures that are no chest film, the
middle maps none.) The training films' descriptors give a mean, principal axes and a residual variance; the distance of
a film is the Mahalanobis distance along the axes plus the standardised length of what lies outside them.
Sources: Lee et al. 2018, arXiv:1807.03888 (Mahalanobis distance of features); Tipping & Bishop 1999 (probabilistic
PCA, which is this distance).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cxr_core.errors import ModelError

AXES = 64


def embed_maps(maps: Sequence[Tensor]) -> Tensor:
    """Descriptors (B, D) of maps, each (B, T, h, w): every channel's mean and standard deviation over the cells."""
    statistics = []
    for channels in maps:
        deviation, mean = torch.std_mean(channels, dim=(2, 3), correction=0)
        statistics += [mean, deviation]
    return torch.cat(statistics, dim=1)


class OodDetector:
    """Out-of-distribution detector: statistics of the training films' descriptors, and a film's distance to them.

    tensors: mean (D,), scale (D,), axes (D, k), spread (k,), rest ().
    """

    def __init__(self, tensors: Mapping[str, Tensor]):
        missing = {"mean", "scale", "axes", "spread", "rest"} - set(tensors)
        if missing:
            raise ModelError(
                f"the out-of-distribution statistics lack {', '.join(sorted(missing))}; install the model again"
            )
        self.tensors = dict(tensors)
        # Along an axis a deviation counts by the axis' own spread, not by that of the rest.
        self._gain = 1 / tensors["spread"].square() - 1 / tensors["rest"]

    @classmethod
    def fit(cls, descriptors: Tensor, axes: int = AXES) -> "OodDetector":
        """The detector of training films with descriptors (N, D).

        Few films lie wholly within N - 1 axes and leave no rest, so at most half as many axes are taken as films.
        """
        mean = descriptors.mean(dim=0)
        scale = descriptors.std(dim=0).clamp_min(1e-6)
        standard = (descriptors - mean) / scale
        _, spread, rows = torch.linalg.svd(standard, full_matrices=False)
        axes = min(axes, len(spread) - 1, (len(descriptors) - 1) // 2)
        inside = standard @ rows[:axes].T
        outside = (standard - inside @ rows[:axes]).square().sum(dim=1)
        rest = outside.mean() / (standard.shape[1] - axes)
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

    @property
    def is_degenerate(self) -> bool:
        """Whether it was fitted on so few films that it measures nothing, as earlier versions of this program did."""
        return not bool(torch.isfinite(self._gain).all())

    def measure_distance(self, descriptors: Tensor) -> Tensor:
        """Root mean squared standardised deviation of descriptors (N, D): (N,), about 1 for a training film."""
        t = self.tensors
        standard = (descriptors - t["mean"]) / t["scale"]
        along = (standard @ t["axes"]).square() @ self._gain
        squared = standard.square().sum(dim=1) / t["rest"] + along
        # Rounded statistics of few films can leave a little less than nothing.
        return (squared / standard.shape[1]).clamp_min(0).sqrt()
