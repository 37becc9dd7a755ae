"""Flags what is on a film but not of the patient: text in its border, and signs of a photograph or a screenshot."""

from collections.abc import Iterator

import numpy as np

from cxr_core.film.artefacts.burned_in_text import find_text_lines
from cxr_core.film.artefacts.photographed import was_photographed
from cxr_core.film.artefacts.screenshot import is_screenshot
from cxr_core.film.quality_flag import QualityFlag

# On smaller films text cannot be read, and neither a border's direction nor a pattern can be measured.
MIN_SIDE_PX = 200

BURNED_IN_TEXT = QualityFlag(
    "burned_in_text",
    "Possible burned-in text at the border: check it for patient identifiers before you keep, export or share the "
    "film.",
)
PHOTOGRAPHED = QualityFlag(
    "photographed",
    "The picture seems to be a photograph of a film or of a monitor: its borders are in perspective, or a regular "
    "pattern lies over it. Use the original file.",
    withholds_call=True,
)
SCREENSHOT = QualityFlag(
    "screenshot",
    "A part of the picture has one exact grey, as the window of a viewer has. Export the film itself instead of a "
    "screenshot.",
    withholds_call=True,
)


def flag_burned_in_text(pixels: np.ndarray) -> Iterator[QualityFlag]:
    """A flag for text in the border, of refused films too, as their report shows them.

    pixels: (H, W) float32 in [0, 1]; below 200 px a side there is none.
    """
    if min(pixels.shape) >= MIN_SIDE_PX and find_text_lines(pixels):
        yield BURNED_IN_TEXT


def flag_retaken_pictures(pixels: np.ndarray) -> Iterator[QualityFlag]:
    """Flags for a photograph of a film, or a screenshot of a viewer.

    pixels: (H, W) float32 in [0, 1]; below 200 px a side there are none.
    """
    if min(pixels.shape) < MIN_SIDE_PX:
        return
    if was_photographed(pixels):
        yield PHOTOGRAPHED
    if is_screenshot(pixels):
        yield SCREENSHOT
