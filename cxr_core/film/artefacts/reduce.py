"""Makes the small 8-bit copy of a film on which artefacts are looked for."""

import cv2
import numpy as np


def reduce_to_8_bits(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """A film in uint8, made smaller by a whole factor so that no side is longer than `max_side`.

    pixels: (H, W) float32 in [0, 1]. A pixel of the copy is the mean of the pixels that it covers.
    """
    grey = cv2.convertScaleAbs(pixels, alpha=255)
    step = find_step(pixels.shape, max_side)
    if step == 1:
        return grey
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    divisible = grey[: height * step, : width * step]
    return cv2.resize(divisible, (width, height), interpolation=cv2.INTER_AREA)


def find_step(shape: tuple[int, ...], max_side: int) -> int:
    """The whole factor by which a film of (H, W) pixels is made smaller."""
    return -(-max(shape) // max_side)
