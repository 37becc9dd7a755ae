"""What the quantisation of a baseline JPEG does to grey films, on their own device."""

import math

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 8
# Luminance, ITU-T T.81 (1992), table K.1: the steps of an encoder at quality 50.
STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def compress_films(films: Tensor, quality: Tensor) -> Tensor:
    """The films after they were stored as JPEG files and decoded again. No gradient passes the rounding.

    films: (B, 1, H, W) in [0, 1].  quality: (B,) from 1 to 100 as libjpeg scales its tables; 0 leaves a film alone.
    """
    if not bool((quality > 0).any()):
        return films
    height, width = films.shape[-2:]
    padding = (0, -width % BLOCK, 0, -height % BLOCK)
    grey = functional.pad((films * 255).round(), padding, mode="replicate") - 128
    steps = _quantisation_steps(quality)[:, None, None]
    cosines = _cosines().to(films)
    spectrum = cosines @ _to_blocks(grey) @ cosines.T
    blocks = cosines.T @ ((spectrum / steps).round() * steps) @ cosines
    decoded = (_from_blocks(blocks) + 128).round().clamp(0, 255) / 255
    decoded = decoded[..., :height, :width]
    return torch.where((quality > 0).view(-1, 1, 1, 1), decoded, films)


def _quantisation_steps(quality: Tensor) -> Tensor:
    """(B, 8, 8) the steps of each quality, as libjpeg's `jpeg_set_quality` scales them."""
    table = torch.tensor(STEPS).to(quality)
    quality = quality.clamp_min(1).round()
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    scaled = ((table * percent.view(-1, 1, 1) + 50) / 100).floor()
    return scaled.clamp(1, 255)


def _cosines() -> Tensor:
    """(8, 8) the discrete cosine transform of one dimension: orthonormal, frequencies in rows."""
    place = torch.arange(BLOCK, dtype=torch.float64)
    cosines = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * BLOCK)) * math.sqrt(
        2 / BLOCK
    )
    cosines[0] /= math.sqrt(2)
    return cosines


def _to_blocks(films: Tensor) -> Tensor:
    """(B, 1, H, W) as (B, H / 8, W / 8, 8, 8)."""
    count, _, height, width = films.shape
    rows = films.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return rows.transpose(2, 3)


def _from_blocks(blocks: Tensor) -> Tensor:
    """(B, h, w, 8, 8) as films (B, 1, 8 h, 8 w)."""
    count, rows, columns = blocks.shape[:3]
    return blocks.transpose(2, 3).reshape(count, 1, rows * BLOCK, columns * BLOCK)
