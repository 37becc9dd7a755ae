"""Augments whole batches on their device; randomness is an argument.

What is sampled is kept apart from what is done with it: one sample covers a whole batch, whichever processes hold its
films. How a film is stored comes last, as it does outside: blocks of a JPEG are never turned.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional

from cxr_core.training.engine.jpeg import compress_films
from cxr_core.training.recipe.augmentation import Augmentation

JPEG_QUALITY = (40.0, 95.0)
MAX_SHRINK_FACTOR = 3.0
BORDER_PROBABILITY = 0.5  # where the limit of the border is above 0


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentationSample:
    """What happens to each film of a batch: CPU tensors, a row per film, uniform in [-1, 1] unless stated."""

    flip: Tensor  # (B,) bool
    shrink: Tensor  # (B,) factor by which a film is shrunk and enlarged again, 1 to MAX_SHRINK_FACTOR; 1 = unchanged
    rotation: Tensor  # (B,)
    zoom: Tensor  # (B,)
    shift: Tensor  # (B, 2) x and y
    gamma: Tensor  # (B,)
    contrast: Tensor  # (B,)
    brightness: Tensor  # (B,)
    stretch: Tensor  # (B,)
    border: Tensor  # (B, 4) width of the border on each side, as a share of its limit; 0 = none
    border_grey: Tensor  # (B,) 0 to 1
    corner: Tensor  # (B, 4) y, x, height, width of a marker's box, as shares of the film; 0 = none
    quality: Tensor  # (B,) of the JPEG that the film is stored as, at its reduced size; 0 = no JPEG

    @property
    def is_stored_worse(self) -> Tensor:
        """(B,) bool: the films that are stored smaller or as a JPEG."""
        return (self.shrink > 1) | (self.quality > 0)

    def stored_as_it_is(self) -> "AugmentationSample":
        """The same changes, without a reduced size or a JPEG."""
        return replace(
            self, shrink=torch.ones_like(self.shrink), quality=torch.zeros_like(self.quality)
        )

    def take(self, rows: slice | Tensor) -> "AugmentationSample":
        """The sample of some of the films, such as those of one process."""
        return AugmentationSample(
            **{field.name: getattr(self, field.name)[rows] for field in fields(self)}
        )


def sample_augmentation(
    settings: Augmentation, count: int, rng: torch.Generator
) -> AugmentationSample:
    """Sample the augmentation of `count` films, on the CPU, so that every device gets the same numbers.

    The number of random draws does not depend on the limits: changing one limit leaves the others' numbers alone.
    """
    shares = torch.rand(2, count, generator=rng)
    numbers = 2 * torch.rand(7, count, generator=rng) - 1
    # One factor per batch: its films are shrunk together.
    factor = 1 + (MAX_SHRINK_FACTOR - 1) * torch.rand(1, generator=rng)
    stretch = 2 * torch.rand(count, generator=rng) - 1
    border = torch.rand(6, count, generator=rng)
    corner = torch.rand(5, count, generator=rng)
    jpeg = torch.rand(2, count, generator=rng)
    lowest, highest = JPEG_QUALITY
    quality = lowest + (highest - lowest) * jpeg[1]
    return AugmentationSample(
        flip=shares[0] < settings.flip,
        shrink=torch.where(shares[1] < settings.low_resolution, factor, torch.ones(())),
        rotation=numbers[0],
        zoom=numbers[1],
        shift=numbers[2:4].T.contiguous(),
        gamma=numbers[4],
        contrast=numbers[5],
        brightness=numbers[6],
        stretch=stretch,
        border=(border[:4] * (border[4] < BORDER_PROBABILITY)).T.contiguous(),
        border_grey=border[5],
        corner=(_corner_box(corner[1:]) * (corner[0] < settings.corner)).T.contiguous(),
        quality=torch.where(jpeg[0] < settings.jpeg, quality, torch.zeros(())),
    )


def apply_augmentation(settings: Augmentation, films: Tensor, sample: AugmentationSample) -> Tensor:
    """films: (B, 1, S, S) in [0, 1], on any device. Returns the same shape and range."""
    films = _flip(films, sample.flip)
    films = _transform(settings, films, sample)
    films = _change_intensity(settings, films, sample)
    films = _add_border(films, sample, settings.border)
    films = _add_corner_marker(films, sample.corner)
    return _store(films, sample.shrink, sample.quality)


def transform_masks(settings: Augmentation, masks: Tensor, sample: AugmentationSample) -> Tensor:
    """masks: (B, K, S, S) in [0, 1] of the same films. They follow the geometry of their films only."""
    return _transform(settings, _flip(masks, sample.flip), sample)


def _transform(settings: Augmentation, films: Tensor, sample: AugmentationSample) -> Tensor:
    """Rotation, translation, zoom and stretch in one resampling."""
    if not (settings.rotation_deg or settings.shift or settings.zoom or settings.stretch):
        return films
    angle = sample.rotation * (settings.rotation_deg * torch.pi / 180)
    factor = torch.exp(sample.zoom * settings.zoom)
    stretch = torch.exp(sample.stretch * settings.stretch / 2)
    shift = sample.shift * settings.shift * 2
    cosine, sine = torch.cos(angle) * factor, torch.sin(angle) * factor
    rows = [
        torch.stack([cosine * stretch, -sine * stretch, shift[:, 0]], 1),
        torch.stack([sine / stretch, cosine / stretch, shift[:, 1]], 1),
    ]
    matrix = torch.stack(rows, 1).to(films)
    grid = functional.affine_grid(matrix, list(films.shape), align_corners=False)
    return functional.grid_sample(
        films, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def _change_intensity(settings: Augmentation, films: Tensor, sample: AugmentationSample) -> Tensor:
    if not (settings.gamma or settings.contrast or settings.brightness):
        return films
    limits = torch.tensor([settings.gamma, settings.contrast, settings.brightness])
    numbers = torch.stack([sample.gamma, sample.contrast, sample.brightness], 1) * limits
    gamma, contrast, brightness = numbers.to(films).view(-1, 3, 1, 1, 1).unbind(1)
    if settings.gamma:
        films = films.clamp_min(1e-4) ** torch.exp(gamma)
    if settings.contrast:
        mean = films.mean(dim=(1, 2, 3), keepdim=True)
        films = (films - mean) * (1 + contrast) + mean
    return (films + brightness).clamp(0, 1)


def _flip(films: Tensor, chosen: Tensor) -> Tensor:
    if not bool(chosen.any()):
        return films
    return torch.where(chosen.to(films.device).view(-1, 1, 1, 1), films.flip(-1), films)


def _corner_box(shares: Tensor) -> Tensor:
    """(4, B): y, x, height and width of a box in one of the corners, from four uniform shares (4, B)."""
    height, width = 0.04 + 0.12 * shares[0], 0.04 + 0.16 * shares[1]
    top, left = shares[2] < 0.7, shares[3] < 0.5  # markers are seldom at the bottom
    y = torch.where(top, 0.02, 0.98 - height)
    x = torch.where(left, 0.02, 0.98 - width)
    return torch.stack([y, x, height, width])


def _add_border(films: Tensor, sample: AugmentationSample, limit: float) -> Tensor:
    """A border of one grey value, on each side as wide as sampled."""
    if not limit:
        return films
    centres = _pixel_centres(films)
    top, bottom, left, right = (sample.border * limit).T[..., None]
    rows = (centres < top) | (centres > 1 - bottom)
    columns = (centres < left) | (centres > 1 - right)
    covered = (rows[:, :, None] | columns[:, None, :])[:, None].to(films.device)
    return torch.where(covered, sample.border_grey.to(films).view(-1, 1, 1, 1), films)


def _add_corner_marker(films: Tensor, corner: Tensor) -> Tensor:
    """Inverts the sampled box."""
    if not bool(corner.any()):
        return films
    centres = _pixel_centres(films)
    y, x, height, width = corner.T[..., None]
    rows = (centres > y) & (centres < y + height)
    columns = (centres > x) & (centres < x + width)
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(inside.to(films.device), 1 - films, films)


def _pixel_centres(films: Tensor) -> Tensor:
    """(1, S): the centres of a row of pixels, as shares of the side."""
    side = films.shape[-1]
    return ((torch.arange(side) + 0.5) / side)[None]


def _store(films: Tensor, shrink: Tensor, quality: Tensor) -> Tensor:
    """The films as they come out of a smaller file, of a JPEG, or of both."""
    side = films.shape[-1]
    stored = films
    for factor in shrink.unique().tolist():
        rows = ((shrink == factor) & ((shrink > 1) | (quality > 0))).nonzero()[:, 0]
        if not len(rows):
            continue
        smaller = max(1, round(side / factor))
        small = films[rows.to(films.device)]
        if smaller < side:
            small = functional.interpolate(small, (smaller, smaller), mode="area")
        small = compress_films(small, quality[rows].to(films))
        if smaller < side:
            small = functional.interpolate(
                small, (side, side), mode="bilinear", align_corners=False
            )
        stored = stored.index_copy(0, rows.to(films.device), small)
    return stored
