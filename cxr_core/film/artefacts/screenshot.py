"""Finds areas of one exact grey, as the window of a viewer has around a film.

Measured as photographed.py says, on 576 films: 0.762 of simulated screenshots are found (95 % interval 0.726 to 0.795),
and 1 of the films as they are, 0.002 (0.000 to 0.010), is taken for one. A viewer with a black window is not told from
collimation; its text is found (burned_in_text.py), so that 0.988 (0.975 to 0.994) carry one of the flags.
"""

import cv2
import numpy as np

from cxr_core.film.artefacts.reduce import find_step

# Areas are looked for at every second pixel of films up to this size, and at fewer of larger ones.
MAX_SIDE_PX = 1024
# All samples of a square of so many a side are equal, which spans 9 × 9 pixels or more.
SQUARE = 5
# Black and white areas are common on films; grey levels of 255 in between count.
DARKEST, BRIGHTEST = 20, 245
# Share of the picture that has one such grey.
EVEN_ABOVE = 0.01


def is_screenshot(pixels: np.ndarray) -> bool:
    """Whether a part of the picture has one exact grey, neither black nor white. pixels: (H, W) float32 in [0, 1]."""
    return measure_even_grey(pixels) > EVEN_ABOVE


def measure_even_grey(pixels: np.ndarray) -> float:
    """Share of the picture at the grey that is most frequent in even areas, black and white left out: in [0, 1]."""
    step = 2 * find_step(pixels.shape, MAX_SIDE_PX)
    samples = cv2.convertScaleAbs(np.ascontiguousarray(pixels[::step, ::step]), alpha=255)
    square = np.ones((SQUARE, SQUARE), np.uint8)
    even = cv2.dilate(samples, square) == cv2.erode(samples, square)
    counts = np.bincount(samples[even], minlength=256)
    return float(counts[DARKEST:BRIGHTEST].max() / samples.size)
