"""Finds what shows that a picture was taken of a film or of a monitor: a sheet in perspective, or a regular pattern.

A sheet photographed from the side has four straight borders that are not at right angles. Each border is the line
with the most edge pixels near its side, found as a Hough transform does (Duda and Hart 1972) over slopes of up to 14
degrees. Collimation is a rectangle, turned at most, so that its borders keep right angles.

Where the pixels of a camera meet those of a monitor or the lines of a printed screen, a regular pattern (moiré)
appears: in the spectrum most of the fine detail's power lies in one place. The detail of tissue and noise is spread.

Limits were chosen on 600 NIH films at 256 px, half of the other hospital's at 512 px and Kermany train films. Measured
with `python -m tests.film.artefacts.rates`, seed 0, on 576 others (254 of the NIH films with boxes at 256 px, 13 NIH
originals, the other 101 of the hospital, 208 of Kermany's test): of simulated photographs on a light box, in a dark
room or of a monitor 0.957 are found (95 % interval 0.937 to 0.970); 5 of the films as they are, 0.009 (0.004 to 0.020),
are taken for photographs, four of them NIH films with collimation that is not quite a rectangle. A sheet on pure black
is found less often (about 0.6), since collimation looks alike, and one without perspective or pattern is not found.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

# The side of the copy on which borders are looked for.
SIDE_PX = 256
# An edge: grey levels of 255 per pixel of the copy, across it, and how much steeper it is across than along.
EDGE_STEP = 2.0
EDGE_DIRECTION = 1.8
# Borders lie in the outer part of the picture, and slope at most so much.
BORDER = 0.35
SLOPES = np.linspace(-0.25, 0.25, 51, dtype=np.float32)
# Share of the surround above which it is taken for collimation; grey levels by which it differs from black or white.
PLAIN_ABOVE = 0.25
PLAIN_LEVELS = 3
# Columns at the picture's own rim in which no edge counts; fewest edge pixels of a border; how near its line they are.
RIM_PX = 3
MIN_EDGE_PX = 20
NEAR_PX = 1.6

# Side of the middle part in which a pattern is looked for, and its lowest frequency in cycles per pixel.
PATTERN_SIDE_PX = 256
PATTERN_FREQUENCY = 0.06
# Share of the power above this frequency that lies in 5 × 5 cells of the spectrum. Films: at most 0.1.
PATTERN_ABOVE = 0.17


@dataclass(frozen=True)
class Border:
    """The line x = position + slope * (y - H / 2); for an upper or lower border, x and y are swapped."""

    position: float
    slope: float


@dataclass(frozen=True)
class Sheet:
    """How well four borders form a sheet, how far it is from a rectangle, and what is around it.

    supports: of the left, right, upper and lower border, the share of its length from corner to corner that is an edge.
    skew_degrees: the largest difference between the borders' directions, right angles apart.
    plain_surround: share of what lies outside that is as black or as white as the picture gets, as collimation is.
    """

    supports: tuple[float, float, float, float]
    skew_degrees: float
    plain_surround: float


@dataclass(frozen=True)
class SheetLimits:
    """What a sheet in perspective exceeds: the support of each border, that of all but the weakest, and the skew."""

    each_support: float
    other_supports: float
    skew_degrees: float


IN_A_ROOM = SheetLimits(0.45, 0.6, 1.0)
# Collimation is not always quite a rectangle, and an arm may stand in for one of its borders.
IN_BLACK_OR_WHITE = SheetLimits(0.5, 0.7, 2.0)


def was_photographed(pixels: np.ndarray) -> bool:
    """Whether a film shows a sheet in perspective, or a regular pattern as of a monitor.

    pixels: (H, W) float32 in [0, 1].
    """
    sheet = find_sheet(pixels)
    if sheet is not None and is_in_perspective(sheet):
        return True
    return measure_pattern(pixels) > PATTERN_ABOVE


def is_in_perspective(sheet: Sheet) -> bool:
    """Whether all four borders are there, and are not those of a rectangle."""
    limits = IN_BLACK_OR_WHITE if sheet.plain_surround > PLAIN_ABOVE else IN_A_ROOM
    weakest, second, *_ = sorted(sheet.supports)
    return (
        weakest > limits.each_support
        and second > limits.other_supports
        and sheet.skew_degrees > limits.skew_degrees
    )


def measure_pattern(pixels: np.ndarray) -> float:
    """The largest share of the fine detail's power, in the middle of a film, at one frequency: in [0, 1].

    pixels: (H, W) float32 in [0, 1]. Large films are looked at in half their size too, for wider patterns.
    """
    middle = _cut_middle(pixels, 2 * PATTERN_SIDE_PX)
    shares = [_measure_peak(_cut_middle(middle, PATTERN_SIDE_PX))]
    if min(middle.shape) == 2 * PATTERN_SIDE_PX:
        half = cv2.resize(middle, (PATTERN_SIDE_PX, PATTERN_SIDE_PX), interpolation=cv2.INTER_AREA)
        shares.append(_measure_peak(half))
    return max(shares)


def _cut_middle(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle square of a film, of at most `side` pixels."""
    side = min(side, *pixels.shape)
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def _measure_peak(square: np.ndarray) -> float:
    """The largest share of the power of a square's fine detail that lies in 5 × 5 cells of its spectrum."""
    detail = square - cv2.GaussianBlur(square, (13, 13), 3)
    # A marker's rim must not outweigh the rest.
    limit = 3 * float(detail.std())
    window, fine = _window_and_fine_frequencies(len(square))
    spectrum = np.fft.rfft2(np.clip(detail, -limit, limit) * window)
    power = ((spectrum.real**2 + spectrum.imag**2) * fine).astype(np.float32)
    near = cv2.boxFilter(power, -1, (5, 5), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return float(near.max() / (power.sum() + 1e-12))


@lru_cache(maxsize=8)
def _window_and_fine_frequencies(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Hann's window for a square, and which cells of its spectrum hold fine detail."""
    hann = np.hanning(side).astype(np.float32)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    return hann[:, None] * hann, (frequency >= PATTERN_FREQUENCY).astype(np.float32)


def find_sheet(pixels: np.ndarray) -> Sheet | None:
    """The four lines that are most like a sheet's borders; None where a side has no line at all.

    pixels: (H, W) float32 in [0, 1].
    """
    grey = _shrink(pixels)
    height, width = grey.shape
    upright, level = _mark_edges(grey), _mark_edges(np.ascontiguousarray(grey.T))
    left, right = _find_border(upright, first=True), _find_border(upright, first=False)
    upper, lower = _find_border(level, first=True), _find_border(level, first=False)
    if left is None or right is None or upper is None or lower is None:
        return None
    corners = np.array(
        [[_intersect(side, end, height, width) for end in (upper, lower)] for side in (left, right)]
    )  # (left or right, upper or lower, x or y)
    supports = (
        _measure_support(upright, left, corners[0, :, 1]),
        _measure_support(upright, right, corners[1, :, 1]),
        _measure_support(level, upper, corners[:, 0, 0]),
        _measure_support(level, lower, corners[:, 1, 0]),
    )
    directions = np.degrees(np.arctan([left.slope, right.slope, -upper.slope, -lower.slope]))
    return Sheet(supports, float(np.ptp(directions)), _measure_plain_surround(grey, corners))


def _measure_plain_surround(grey: np.ndarray, corners: np.ndarray) -> float:
    """Share of the pixels outside a sheet that have the darkest or the brightest grey of the picture."""
    outside = np.ones(grey.shape, np.uint8)
    (upper_left, lower_left), (upper_right, lower_right) = np.rint(corners).astype(np.int32)
    outline = np.array([upper_left, upper_right, lower_right, lower_left])
    cv2.fillConvexPoly(outside, outline, 0)
    surround = grey[outside == 1]
    if not len(surround):
        return 0.0
    black, white = surround < grey.min() + PLAIN_LEVELS, surround > grey.max() - PLAIN_LEVELS
    return float((black | white).mean())


def _shrink(pixels: np.ndarray) -> np.ndarray:
    """The film in grey levels of 0 to 255, its longer side SIDE_PX, slightly blurred: float32."""
    scale = SIDE_PX / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    blurred: np.ndarray = cv2.GaussianBlur(small * np.float32(255), (0, 0), 1.2)
    return blurred


def _mark_edges(grey: np.ndarray) -> np.ndarray:
    """Edges that run roughly from top to bottom, a pixel wide: (H, W) bool. The film's own rim is left out."""
    across = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) / 8
    along = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8
    edges = (across > EDGE_STEP) & (across > EDGE_DIRECTION * along)
    middle = across[:, 1:-1]
    edges[:, 1:-1] &= (middle >= across[:, :-2]) & (middle > across[:, 2:])
    edges[:, :RIM_PX] = edges[:, -RIM_PX:] = False
    return edges


def _find_border(edges: np.ndarray, first: bool) -> Border | None:
    """The line through most edge pixels of the outer columns, the first or the last ones."""
    height, width = edges.shape
    outer = round(BORDER * width)
    offset = 0 if first else width - outer
    rows, columns = np.nonzero(edges[:, offset : offset + outer])
    if len(rows) < MIN_EDGE_PX:
        return None
    columns, rows = (columns + offset).astype(np.float32), rows.astype(np.float32) - height / 2
    # A Hough transform: for each slope, how many pixels lie on the line through each position of the middle row.
    positions = np.rint(columns - SLOPES[:, None] * rows).astype(np.int32) + height
    bins = width + 2 * height
    votes = np.bincount(
        (positions + bins * np.arange(len(SLOPES))[:, None]).ravel(), minlength=bins * len(SLOPES)
    ).reshape(len(SLOPES), bins)
    votes[:, 1:-1] = 2 * votes[:, 1:-1] + votes[:, :-2] + votes[:, 2:]
    best_slope, best_position = np.unravel_index(votes.argmax(), votes.shape)
    slope, position = SLOPES[best_slope], best_position - height
    near = np.abs(columns - position - slope * rows) < NEAR_PX
    if near.sum() < MIN_EDGE_PX:
        return None
    slope, position = np.polyfit(rows[near], columns[near], 1)
    return Border(float(position), float(slope))


def _intersect(side: Border, end: Border, height: int, width: int) -> tuple[float, float]:
    """(x, y) where a left or right border meets an upper or lower one."""
    y_of_column_0 = end.position - end.slope * width / 2
    x = (side.position + side.slope * (y_of_column_0 - height / 2)) / (1 - side.slope * end.slope)
    return x, y_of_column_0 + end.slope * x


def _measure_support(edges: np.ndarray, border: Border, ends: np.ndarray) -> float:
    """Share of the rows between two corners in which the border is an edge, in [0, 1]."""
    height, width = edges.shape
    rows = np.arange(max(0, round(ends[0])), min(height, round(ends[1])))
    columns = np.rint(border.position + border.slope * (rows - height / 2)).astype(np.int64)
    inside = (columns >= 1) & (columns < width - 1)
    rows, columns = rows[inside], columns[inside]
    if len(rows) < MIN_EDGE_PX:
        return 0.0
    near = edges[rows, columns - 1] | edges[rows, columns] | edges[rows, columns + 1]
    return float(near.mean())
