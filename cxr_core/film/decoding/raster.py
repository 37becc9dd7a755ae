"""Converts integer samples, grey or colour, with or without alpha, to a film's pixels in [0, 1], the right way up."""

import struct
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from cxr_core.film.tint import LUMA, Tint, measure_tint

# Rows become floats in blocks of about this many samples, so that a 64-megapixel colour picture needs
# little more than itself and its result.
BLOCK_SAMPLES = 1 << 22


class GreyPicture(NamedTuple):
    """A picture as grey, and what is known of its colours.

    pixels: (H, W) float32 in [0, 1].  colour: mean of (max - min) over the channels, in [0, 1]; 0 is grey.
    irregularities: codes of film/irregularities.py.
    """

    pixels: np.ndarray
    colour: float = 0.0
    irregularities: tuple[str, ...] = ()


def to_pixels(samples: np.ndarray, top: float, alpha: np.ndarray | None = None) -> GreyPicture:
    """A picture's samples as grey: luma, which a tint scales so that white film is white.

    samples: (H, W) grey or (H, W, 3) RGB, unsigned.  top: the sample that means 1.0; what lies above is clipped.
    alpha: (H, W) in [0, 1] or None. Transparent pixels are laid over black, the background of a film.
    """
    height, width = samples.shape[:2]
    if samples.ndim == 2 and samples.dtype == np.uint8 and alpha is None and top == 255:
        # Most films: the same division, without blocks and without clipping.
        pixels = samples.astype(np.float32)
        return GreyPicture(np.divide(pixels, np.float32(255), out=pixels))
    pixels = np.empty((height, width), np.float32)
    colour = 0.0
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    rows = max(1, BLOCK_SAMPLES // (width * channels))
    for start in range(0, height, rows):
        block = slice(start, start + rows)
        scaled = np.divide(samples[block], top, dtype=np.float32)
        if alpha is not None:
            opacity = alpha[block]
            scaled *= opacity if samples.ndim == 2 else opacity[..., None]
        pixels[block], spread = _block_to_grey(scaled)
        colour += spread
    colour /= height * width
    tint = measure_tint(samples, top, alpha, colour) if colour > 0 else Tint()
    if tint.scale != 1:
        pixels *= np.float32(tint.scale)
    return GreyPicture(np.clip(pixels, 0.0, 1.0, out=pixels), colour, tint.irregularities)


def _block_to_grey(scaled: np.ndarray) -> tuple[np.ndarray, float]:
    """One block as grey, and the sum of (max - min) over its channels."""
    if scaled.ndim == 2:
        return scaled, 0.0
    red, green, blue = scaled[..., 0], scaled[..., 1], scaled[..., 2]
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    total = float(spread.sum(dtype=np.float64))
    if total == 0.0:
        # Grey stored as RGB must give the grey itself, to the last bit, not a rounded weighted sum of it.
        return red, 0.0
    return scaled @ LUMA, total


def split_opencv_alpha(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB (H, W, 3), and opacity (H, W) float32 in [0, 1] or None when all is opaque, from OpenCV's BGR or BGRA."""
    if samples.shape[2] == 3:
        return samples[..., ::-1], None
    opacity, full = samples[..., 3], np.iinfo(samples.dtype).max
    if opacity.min() == full:
        return samples[..., 2::-1], None
    return samples[..., 2::-1], np.divide(opacity, full, dtype=np.float32)


def smallest_full_scale(maximum: int) -> int:
    """The smallest 2^k - 1, k ≥ 1, that holds a maximum: 4080 -> 4095."""
    return (1 << max(1, int(maximum).bit_length())) - 1


def apply_orientation(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turn samples as the EXIF orientation 1 to 8 says (EXIF 2.32, tag 0x0112); 1 leaves them as they are.

    samples: (H, W) or (H, W, C). The result is C-contiguous; 5 to 8 swap its height and width.
    """
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    # After the transposition: 5 is done, 6 needs left-right, 7 both, 8 up-down.
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def read_exif_orientation(tiff: bytes) -> int:
    """The orientation 1 to 8 that an EXIF block gives; 1 when it gives none, or is damaged.

    tiff: the TIFF structure, without JPEG's leading "Exif\\0\\0".
    """
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of a damaged block
            exif.load(tiff)
            orientation = exif.get(ExifTags.Base.Orientation)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        return orientation
    return 1
