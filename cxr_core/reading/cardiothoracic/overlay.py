"""Draws the contours of heart and lungs and the two diameters over a film; the viewer's script draws the same."""

from collections.abc import Iterable

import cv2
import numpy as np

from cxr_core.reading.cardiothoracic.contours import Line, SegmentationResult
from cxr_core.reading.cardiothoracic.ratio import Measurement

# Cool and light: none of them occurs in the heatmaps' colour ramp, and a dark edge sets them off from bright bone.
HEART_COLOUR, THORAX_COLOUR, LUNG_COLOUR = (94, 221, 229), (242, 246, 250), (147, 185, 255)
EDGE_COLOUR = (8, 14, 20)
# For a picture of about 1000 pixels on paper; EDGE_PX on either side of the rest.
CONTOUR_PX, LINE_PX, EDGE_PX, END_PX = 3, 5, 2, 9
SUBPIXEL_BITS = 4  # of the fixed-point numbers that OpenCV takes


def draw_measurement(
    picture: np.ndarray,
    film_shape: tuple[int, int],
    segmentation: SegmentationResult,
    measurement: Measurement,
) -> np.ndarray:
    """A picture of a film with contours and diameters over it: (h, w, 3) uint8 sRGB.

    picture: (h, w) grey or (h, w, 3) sRGB uint8, the whole film at any size.  film_shape: (H, W) of the film, in whose
    pixels the points are.
    A diameter is drawn as what it measures: level, between the columns of its two ends.
    """
    canvas = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture.copy()
    scale = np.array([picture.shape[1] / film_shape[1], picture.shape[0] / film_shape[0]])
    for name, points in segmentation.contours.items():
        if len(points):
            colour = HEART_COLOUR if name == "heart" else LUNG_COLOUR
            _draw_lines(canvas, [points * scale], colour, CONTOUR_PX, closed=True)
    for line, colour in ((measurement.thorax, THORAX_COLOUR), (measurement.heart, HEART_COLOUR)):
        if line is not None:
            _draw_diameter(canvas, line, scale, colour)
    return canvas


def diameter_row(line: Line) -> float:
    """The row at which a diameter is drawn: halfway between its ends."""
    return (line[0][1] + line[1][1]) / 2


def _draw_diameter(
    canvas: np.ndarray, line: Line, scale: np.ndarray, colour: tuple[int, int, int]
) -> None:
    row = diameter_row(line)
    ends = np.array([(x, row) for x, _ in line]) * scale
    _draw_lines(canvas, [ends], colour, LINE_PX)
    for end in ends:
        centre = tuple(_to_fixed_point(end).tolist())
        for radius, fill in ((END_PX + EDGE_PX, EDGE_COLOUR), (END_PX, colour)):
            subpixels = radius << SUBPIXEL_BITS
            cv2.circle(canvas, centre, subpixels, fill, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_lines(
    canvas: np.ndarray,
    lines: Iterable[np.ndarray],
    colour: tuple[int, int, int],
    width: int,
    closed: bool = False,
) -> None:
    """Draw lines through (P, 2) points (x, y) in pixels of the canvas, over a dark edge."""
    points = [_to_fixed_point(line) for line in lines]
    for thickness, shade in ((width + 2 * EDGE_PX, EDGE_COLOUR), (width, colour)):
        cv2.polylines(canvas, points, closed, shade, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _to_fixed_point(points: np.ndarray) -> np.ndarray:
    """Continuous points, the first pixel's middle at 0.5, in OpenCV's fixed point, which counts from pixel middles."""
    # Points set by hand may lie anywhere; OpenCV draws within 16 bits.
    shifted = (points - 0.5).clip(-1500, 2500)
    return np.asarray(np.rint(shifted * (1 << SUBPIXEL_BITS)).astype(np.int32))
