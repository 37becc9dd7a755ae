"""Augmentation on whole batches, on whatever device they lie, with chance as an argument.

No horizontal flip: it would move the heart to the right and teach a false anatomy.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cxr_core.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a training film may be changed; zero everywhere changes nothing.

    rotation_deg, shift (share of the side), zoom, contrast, gamma: each drawn uniformly from minus to plus its limit
    (gamma and zoom as factors exp(±limit)). brightness: added to values in [0, 1]. low_resolution: the share of films
    first shrunk by a random factor of up to 3 and enlarged again, so that sharpness is no cue.
    """

    rotation_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    low_resolution: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= (45 if name == "rotation_deg" else 1):
                raise RecipeError(f"augmentation {name}={value} is out of range")

    def __call__(self, films: Tensor, chance: torch.Generator) -> Tensor:
        """films: (B, 1, S, S) in [0, 1]. Returns the same shape and range."""
        films = self._blur(films, chance)
        films = self._move(films, chance)
        return self._expose(films, chance)

    def _move(self, films: Tensor, chance: torch.Generator) -> Tensor:
        if not (self.rotation_deg or self.shift or self.zoom):
            return films
        count = len(films)
        angle = _uniform(count, chance, films) * (self.rotation_deg * torch.pi / 180)
        factor = torch.exp(_uniform(count, chance, films) * self.zoom)
        shift = torch.stack([_uniform(count, chance, films), _uniform(count, chance, films)], 1) * self.shift * 2
        cosine, sine = torch.cos(angle) * factor, torch.sin(angle) * factor
        rows = [torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)]
        grid = functional.affine_grid(torch.stack(rows, 1), list(films.shape), align_corners=False)
        return functional.grid_sample(films, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def _expose(self, films: Tensor, chance: torch.Generator) -> Tensor:
        count = len(films)
        if self.gamma:
            films = films.clamp_min(1e-4) ** torch.exp(_uniform(count, chance, films) * self.gamma).view(-1, 1, 1, 1)
        if self.contrast:
            middle = films.mean(dim=(1, 2, 3), keepdim=True)
            films = (films - middle) * (1 + _uniform(count, chance, films) * self.contrast).view(-1, 1, 1, 1) + middle
        if self.brightness:
            films = films + (_uniform(count, chance, films) * self.brightness).view(-1, 1, 1, 1)
        return films.clamp(0, 1)

    def _blur(self, films: Tensor, chance: torch.Generator) -> Tensor:
        if not self.low_resolution:
            return films
        side = films.shape[-1]
        chosen = torch.rand(len(films), generator=chance).to(films.device) < self.low_resolution
        if not bool(chosen.any()):
            return films
        smaller = round(side / float(1 + 2 * torch.rand(1, generator=chance)))
        small = functional.interpolate(films[chosen], (smaller, smaller), mode="area")
        films = films.clone()
        films[chosen] = functional.interpolate(small, (side, side), mode="bilinear", align_corners=False)
        return films


def _uniform(count: int, chance: torch.Generator, like: Tensor) -> Tensor:
    """(count,) uniform in [-1, 1], on the device of `like`; drawn on the CPU so that every device sees the same."""
    return (2 * torch.rand(count, generator=chance) - 1).to(like)
