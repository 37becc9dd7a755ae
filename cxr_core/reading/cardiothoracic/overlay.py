"""Outlines of heart and lungs and the two diameters, drawn over a film; the viewer's script draws the same."""

from collections.abc import Iterable

import cv2
import numpy as np

from cxr_core.reading.cardiothoracic.contours import Anatomy, Line
from cxr_core.reading.cardiothoracic.ratio import Measurement

# Cool and light: none of them occurs in the ramp of the heatmaps, and a dark edge carries them over bright bone.
HEART_COLOUR, THORAX_COLOUR, LUNG_COLOUR = (94, 221, 229), (242, 246, 250), (147, 185, 255)
EDGE_COLOUR = (8, 14, 20)
# For a picture of about 1000 pixels on paper; EDGE_PX on either side of the rest.
OUTLINE_PX, LINE_PX, EDGE_PX, END_PX = 3, 5, 2, 9
SUBPIXEL = 4  # bits below a pixel that OpenCV is given


def drawn_over(
    grey: np.ndarray, film_shape: tuple[int, int], anatomy: Anatomy, measured: Measurement
) -> np.ndarray:
    """A picture of a film with what was outlined and measured on it: (h, w, 3) uint8 sRGB.

    grey: (h, w) uint8, the whole film at any size.  film_shape: (H, W) of the film, in whose pixels the points are.
    A diameter is drawn as what it measures: level, between the columns of its two ends.
    """
    canvas = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    scale = np.array([grey.shape[1] / film_shape[1], grey.shape[0] / film_shape[0]])
    for name, points in anatomy.outlines.items():
        if len(points):
            _stroke(
                canvas,
                [points * scale],
                HEART_COLOUR if name == "heart" else LUNG_COLOUR,
                OUTLINE_PX,
                closed=True,
            )
    for line, colour in ((measured.thorax, THORAX_COLOUR), (measured.heart, HEART_COLOUR)):
        if line is not None:
            _diameter(canvas, line, scale, colour)
    return canvas


def level_of(line: Line) -> float:
    """The row at which a diameter is drawn: halfway between its ends."""
    return (line[0][1] + line[1][1]) / 2


def _diameter(
    canvas: np.ndarray, line: Line, scale: np.ndarray, colour: tuple[int, int, int]
) -> None:
    (x0, y0), (x1, y1) = line
    level = level_of(line)
    _stroke(
        canvas,
        [np.array([(x0, y0), (x0, level)]) * scale, np.array([(x1, y1), (x1, level)]) * scale],
        colour,
        OUTLINE_PX,
    )
    _stroke(canvas, [np.array([(x0, level), (x1, level)]) * scale], colour, LINE_PX)
    for end in line:
        centre = _fixed(np.array(end) * scale)
        for radius, fill in ((END_PX + EDGE_PX, EDGE_COLOUR), (END_PX, colour)):
            cv2.circle(
                canvas,
                tuple(centre.tolist()),
                radius << SUBPIXEL,
                fill,
                cv2.FILLED,
                cv2.LINE_AA,
                SUBPIXEL,
            )


def _stroke(
    canvas: np.ndarray,
    lines: Iterable[np.ndarray],
    colour: tuple[int, int, int],
    width: int,
    closed: bool = False,
) -> None:
    """Lines through (P, 2) points (x, y) in pixels of the canvas, over a dark edge."""
    points = [_fixed(line) for line in lines]
    for thickness, shade in ((width + 2 * EDGE_PX, EDGE_COLOUR), (width, colour)):
        cv2.polylines(canvas, points, closed, shade, thickness, cv2.LINE_AA, SUBPIXEL)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Continuous points, the first pixel's middle at 0.5, in OpenCV's fixed point, which counts from pixel middles."""
    # Points set by hand may lie anywhere; OpenCV draws within 16 bits.
    return np.rint((points - 0.5).clip(-1500, 2500) * (1 << SUBPIXEL)).astype(np.int32)
