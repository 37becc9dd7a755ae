"""Augmentation on whole batches, on whatever device they lie, with chance as an argument.

What is drawn is apart from what is done with it: one draw serves a whole batch, whichever processes hold its films.
The house's recipes do not flip: a flip moves the heart to the right and teaches a false anatomy.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from cxr_core.errors import RecipeError

MOST_SHRUNK = 3.0
FRAMED = 0.5  # the share of films with a border, where there are any
VEILED = 0.5  # the share of films with a veil, where there are any
VEIL_CELLS = 3  # a veil is so coarse, and smooth between


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentationDraw:
    """What happens to each film of a batch: CPU tensors, a row per film, uniform in [-1, 1] where nothing is said."""

    flip: Tensor  # (B,) bool
    shrink: Tensor  # (B,) the factor a film is shrunk by and enlarged again, 1 to MOST_SHRUNK; 1 = left alone
    rotation: Tensor  # (B,)
    zoom: Tensor  # (B,)
    shift: Tensor  # (B, 2) x and y
    gamma: Tensor  # (B,)
    contrast: Tensor  # (B,)
    brightness: Tensor  # (B,)
    stretch: Tensor  # (B,)
    border: Tensor  # (B, 4) how wide each side's border is, as a share of its limit; 0 = none
    border_grey: Tensor  # (B,) 0 to 1
    corner: Tensor  # (B, 4) y, x, height, width of a marker's box, as shares of the film; 0 = none
    veil: Tensor  # (B, VEIL_CELLS, VEIL_CELLS) how dense a white veil is, as a share of its limit; 0 = none

    def take(self, rows: slice | Tensor) -> "AugmentationDraw":
        """The draw of some of the films, such as one process' share."""
        return AugmentationDraw(
            **{each.name: getattr(self, each.name)[rows] for each in fields(self)}
        )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a training film may be changed; zero everywhere changes nothing.

    rotation_deg, shift (share of the side), zoom, contrast, gamma: each drawn uniformly from minus to plus its limit
    (gamma and zoom as factors exp(±limit)). brightness: added to values in [0, 1]. low_resolution: the share of films
    first shrunk by a random factor of up to 3 and enlarged again, so that sharpness is no cue. flip: the share of
    films mirrored left to right, for sources that did so. stretch: how far width and height are scaled
    apart, a factor exp(±limit). border: how wide a border of one grey may be on each side, as a share of the film, on
    half of the films. corner: the share of films with an inverted box in a corner, as markers and burnt-in letters are.
    veil: how much of the contrast an uneven white veil may take away, on half of the films, as overexposure does.
    """

    rotation_deg: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    low_resolution: float = 0.0
    flip: float = 0.0
    stretch: float = 0.0
    border: float = 0.0
    corner: float = 0.0
    veil: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise RecipeError(f"augmentation {name}={value!r} must be a number")
            low, high = self.limits(name)
            if not low <= value <= high:
                raise RecipeError(f"augmentation {name}={value} is out of range: {low} to {high}")

    @staticmethod
    def limits(name: str) -> tuple[float, float]:
        """The least and the most that a field may be."""
        return 0, 45 if name == "rotation_deg" else 1

    def __call__(self, films: Tensor, chance: torch.Generator) -> Tensor:
        """films: (B, 1, S, S) in [0, 1]. Returns the same shape and range."""
        return self.apply(films, self.draw(len(films), chance))

    def draw(self, count: int, chance: torch.Generator) -> AugmentationDraw:
        """What shall happen to a batch of so many films. Drawn on the CPU, so that every device sees the same.

        As many numbers are drawn whatever the limits are: a change of one does not change the others.
        """
        shares = torch.rand(2, count, generator=chance)
        numbers = 2 * torch.rand(7, count, generator=chance) - 1
        # One factor for the batch: its films are shrunk together.
        factor = 1 + (MOST_SHRUNK - 1) * torch.rand(1, generator=chance)
        stretch = 2 * torch.rand(count, generator=chance) - 1
        framed = torch.rand(6, count, generator=chance)
        marked = torch.rand(5, count, generator=chance)
        veiled, density = torch.rand(2, count, 1, 1, generator=chance)
        veil = torch.rand(count, VEIL_CELLS, VEIL_CELLS, generator=chance)
        return AugmentationDraw(
            flip=shares[0] < self.flip,
            shrink=torch.where(shares[1] < self.low_resolution, factor, torch.ones(())),
            rotation=numbers[0],
            zoom=numbers[1],
            shift=numbers[2:4].T.contiguous(),
            gamma=numbers[4],
            contrast=numbers[5],
            brightness=numbers[6],
            stretch=stretch,
            border=(framed[:4] * (framed[4] < FRAMED)).T.contiguous(),
            border_grey=framed[5],
            corner=(_corner_box(marked[1:]) * (marked[0] < self.corner)).T.contiguous(),
            veil=veil * density * (veiled < VEILED),
        )

    def apply(self, films: Tensor, drawn: AugmentationDraw) -> Tensor:
        """films: (B, 1, S, S) in [0, 1], on any device. Returns the same shape and range, changed as was drawn."""
        films = _mirror(films, drawn.flip)
        films = _blur(films, drawn.shrink)
        films = self._move(films, drawn)
        films = _cover(self._expose(films, drawn), drawn.veil * self.veil)
        return _mark(_frame(films, drawn, self.border), drawn.corner)

    def move_masks(self, masks: Tensor, drawn: AugmentationDraw) -> Tensor:
        """masks: (B, K, S, S) in [0, 1] of the same films; moved as `apply` moves the films, otherwise left alone."""
        return self._move(_mirror(masks, drawn.flip), drawn)

    def _move(self, films: Tensor, drawn: AugmentationDraw) -> Tensor:
        if not (self.rotation_deg or self.shift or self.zoom or self.stretch):
            return films
        angle = drawn.rotation * (self.rotation_deg * torch.pi / 180)
        factor, apart = (
            torch.exp(drawn.zoom * self.zoom),
            torch.exp(drawn.stretch * self.stretch / 2),
        )
        shift = drawn.shift * self.shift * 2
        cosine, sine = torch.cos(angle) * factor, torch.sin(angle) * factor
        rows = [
            torch.stack([cosine * apart, -sine * apart, shift[:, 0]], 1),
            torch.stack([sine / apart, cosine / apart, shift[:, 1]], 1),
        ]
        matrix = torch.stack(rows, 1).to(films)
        grid = functional.affine_grid(matrix, list(films.shape), align_corners=False)
        return functional.grid_sample(
            films, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )

    def _expose(self, films: Tensor, drawn: AugmentationDraw) -> Tensor:
        if not (self.gamma or self.contrast or self.brightness):
            return films
        limits = torch.tensor([self.gamma, self.contrast, self.brightness])
        numbers = torch.stack([drawn.gamma, drawn.contrast, drawn.brightness], 1) * limits
        gamma, contrast, brightness = numbers.to(films).view(-1, 3, 1, 1, 1).unbind(1)
        if self.gamma:
            films = films.clamp_min(1e-4) ** torch.exp(gamma)
        if self.contrast:
            middle = films.mean(dim=(1, 2, 3), keepdim=True)
            films = (films - middle) * (1 + contrast) + middle
        return (films + brightness).clamp(0, 1)


def _mirror(films: Tensor, chosen: Tensor) -> Tensor:
    if not bool(chosen.any()):
        return films
    return torch.where(chosen.to(films.device).view(-1, 1, 1, 1), films.flip(-1), films)


def _cover(films: Tensor, veil: Tensor) -> Tensor:
    """White laid over films, as dense as the veil (B, h, w) says at its cells and smooth between them."""
    if not bool(veil.any()):
        return films
    size = films.shape[-2:]
    density = functional.interpolate(
        veil[:, None].to(films), size, mode="bilinear", align_corners=True
    )
    return films + density * (1 - films)


def _corner_box(shares: Tensor) -> Tensor:
    """(4, B): y, x, height and width of a box in one of the corners, from four uniform shares (4, B)."""
    height, width = 0.04 + 0.12 * shares[0], 0.04 + 0.16 * shares[1]
    top, left = shares[2] < 0.7, shares[3] < 0.5  # markers are seldom at the bottom
    return torch.stack(
        [
            torch.where(top, 0.02, 0.98 - height),
            torch.where(left, 0.02, 0.98 - width),
            height,
            width,
        ]
    )


def _frame(films: Tensor, drawn: AugmentationDraw, limit: float) -> Tensor:
    """A border of one grey on each side, as wide as was drawn."""
    if not limit:
        return films
    side = films.shape[-1]
    place = ((torch.arange(side) + 0.5) / side)[None]
    top, bottom, left, right = (drawn.border * limit).T[..., None]
    rows = (place < top) | (place > 1 - bottom)
    columns = (place < left) | (place > 1 - right)
    hidden = (rows[:, :, None] | columns[:, None, :])[:, None].to(films.device)
    return torch.where(hidden, drawn.border_grey.to(films).view(-1, 1, 1, 1), films)


def _mark(films: Tensor, corner: Tensor) -> Tensor:
    """The box that was drawn, inverted."""
    if not bool(corner.any()):
        return films
    side = films.shape[-1]
    place = ((torch.arange(side) + 0.5) / side)[None]
    y, x, height, width = corner.T[..., None]
    inside = ((place > y) & (place < y + height))[:, :, None] & ((place > x) & (place < x + width))[
        :, None, :
    ]
    return torch.where(inside[:, None].to(films.device), 1 - films, films)


def _blur(films: Tensor, shrink: Tensor) -> Tensor:
    side = films.shape[-1]
    blurred = films
    for factor in shrink[shrink > 1].unique().tolist():
        rows = (shrink == factor).nonzero()[:, 0].to(films.device)
        smaller = max(1, round(side / factor))
        small = functional.interpolate(films[rows], (smaller, smaller), mode="area")
        enlarged = functional.interpolate(small, (side, side), mode="bilinear", align_corners=False)
        blurred = blurred.index_copy(0, rows, enlarged)
    return blurred
