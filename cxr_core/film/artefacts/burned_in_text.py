"""Finds lines of text that a capture device, a digitiser or a viewer has written into the border of a film.

Text is thin strokes of one brightness that stand in a row, of one height, on one base line. Strokes are what a
morphological opening (bright text) or closing (dark text) with a square takes away: the top-hat and black-hat
transforms of Serra 1982, ch. XII. Their connected parts are grouped into lines by height and position; a line is kept
when a row of pixels through it crosses as many strokes as characters have. No letter is recognised, but words of
projection and posture, which name nobody, are left out by their shape (annotation_words.py). A side marker is too
short to be a line.

Limits were chosen on 600 NIH films at 256 px, half of the other hospital's at 512 px and Kermany train films. Measured
with `python -m tests.film.artefacts.rates`, seed 0, on 576 others (as photographed.py says): of drawn names, numbers,
dates and places, 10 px and higher, 0.995 are found (95 % interval 0.985 to 0.998). Text is seen on 4 of the films as
they are, 0.007 (0.003 to 0.018), and on no more with a drawn side marker. All four show PORTABLE, blurred or over bone;
they are 4 of the 254 NIH films, 0.016 (0.006 to 0.040), and were 7 before the comparison of words was mended for them.
Of text 8 to 10 px high about 0.92 is found, and less of smaller text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from cxr_core.film.artefacts.annotation_words import MAX_LENGTH, is_annotation
from cxr_core.film.artefacts.reduce import find_step, reduce_to_8_bits

# Text is looked for on a copy of at most this size; characters of 1.2 % of a film's height are 12 px high there.
MAX_SIDE_PX = 1024
# Outer share of the film, on each side, in which text is looked for.
BORDER = 0.25

# A stroke is thinner than this share of the film, and stands out by this many of 255 grey levels.
STROKE_WIDTH = 0.009
STROKE_CONTRAST = 30
# Height of a character in pixels, and as a share of the film.
MIN_HEIGHT_PX = 5
MAX_HEIGHT = 0.05
# Films have up to 55 parts of this height, and a page of text some hundreds. More is noise: the tallest are kept, so
# that the time stays bounded.
MAX_PARTS = 500

# More lines than this are more than words of projection and posture. Such a word may count twice, by its strokes and
# by the gaps between them.
MAX_ANNOTATIONS = 8

# A line of text is at least this many times as long as high, and a row of pixels crosses so many of its strokes.
MIN_LENGTH = 4.0
MIN_STROKES = 6.5
# Widest gap between words, in heights.
WORD_GAP = 1.3
# Strokes in a stretch as long as the line is high. Characters have one to three strokes.
STROKE_DENSITY = (0.8, 3.2)


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """The box of a line of text, in pixels of the film. vertical: written upwards or downwards."""

    row: int
    column: int
    height: int
    width: int
    vertical: bool

    @property
    def letter_height(self) -> int:
        """Across the line, in pixels."""
        return self.width if self.vertical else self.height

    @property
    def length(self) -> int:
        """Along the line, in pixels."""
        return self.height if self.vertical else self.width


def find_text_lines(pixels: np.ndarray) -> tuple[TextLine, ...]:
    """Lines of text in the border of a film, words of projection and posture left out.

    pixels: (H, W) float32 in [0, 1].
    """
    grey = reduce_to_8_bits(pixels, MAX_SIDE_PX)
    lines = [line for strokes in _mark_strokes(grey) for line in _find_lines(strokes)]
    are_longer = any(line.length > MAX_LENGTH * line.letter_height for line in lines)
    if len(lines) <= MAX_ANNOTATIONS and not are_longer:
        lines = _leave_out_annotations(grey, lines)
    step = find_step(pixels.shape, MAX_SIDE_PX)
    return tuple(_scale_line(line, step) for line in lines)


def _mark_strokes(grey: np.ndarray) -> Iterator[np.ndarray]:
    """Where thin bright strokes lie in the border, then where dark ones do: (H, W) uint8, 0 or 1."""
    side = 2 * max(2, round(STROKE_WIDTH * max(grey.shape) / 2)) + 1
    square = np.ones((side, side), np.uint8)
    neighbourhood = np.ones((2 * side + 1, 2 * side + 1), np.uint8)
    rows, columns = (round(BORDER * length) for length in grey.shape)
    for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        contrast = cv2.morphologyEx(grey, operation, square)
        # Half the contrast of the strongest stroke near it: the blurred rim that joins small letters is left out.
        half = np.right_shift(cv2.dilate(contrast, neighbourhood), 1)
        strokes = (contrast > np.maximum(half, STROKE_CONTRAST)).view(np.uint8)
        strokes[rows:-rows, columns:-columns] = 0
        yield strokes


def _find_lines(strokes: np.ndarray) -> Iterator[TextLine]:
    """The lines that the connected parts of the strokes form, horizontal ones first."""
    contours, _ = cv2.findContours(strokes, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts = np.array([cv2.boundingRect(contour) for contour in contours]).reshape(-1, 4)
    for vertical in (False, True):
        # A part is (left, top, width, height); turned, columns are rows.
        turned = parts[:, [1, 0, 3, 2]] if vertical else parts
        picture = strokes.T if vertical else strokes
        for group in _group_parts(turned, max(strokes.shape)):
            if _is_line(picture, group):
                yield _enclose(group, vertical)


def _group_parts(parts: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """The parts that stand in a row, for each row of them. parts: (N, 4) left, top, width, height."""
    widths, heights = parts[:, 2], parts[:, 3]
    plausible = (heights >= MIN_HEIGHT_PX) & (heights <= MAX_HEIGHT * side)
    parts = parts[plausible & (widths <= 25 * heights)]
    parts = parts[np.argsort(-parts[:, 3], kind="stable")][:MAX_PARTS]
    if not len(parts):
        return
    # Each (N, 1), against its own transpose.
    left, top, width, height = np.hsplit(parts.astype(np.float32), 4)
    right, bottom = left + width, top + height
    taller = np.maximum(height, height.T)
    gap = np.maximum(left, left.T) - np.minimum(right, right.T)
    # Capitals and digits agree in top and bottom, small letters in their base line.
    linked = (
        (gap < WORD_GAP * taller + 1)
        & (gap > -0.5 * taller)
        & (np.minimum(height, height.T) > 0.6 * taller)
        & (np.abs(bottom - bottom.T) <= 0.2 * taller + 0.5)
        & (np.abs(top - top.T) <= 0.45 * taller + 0.5)
    )
    group_of_part = number_groups(linked)
    leftmost, rightmost, lowest = np.full((3, len(parts)), np.inf) * [[1], [-1], [1]]
    np.minimum.at(leftmost, group_of_part, left[:, 0])
    np.maximum.at(rightmost, group_of_part, right[:, 0])
    np.minimum.at(lowest, group_of_part, height[:, 0])
    for group in np.flatnonzero(rightmost - leftmost >= MIN_LENGTH * lowest):
        yield parts[group_of_part == group]


def number_groups(linked: np.ndarray) -> np.ndarray:
    """For each part, the lowest number of a part that it is joined with by links. linked: (N, N), symmetric.

    SciPy's connected components give the same groups, and loading them takes a tenth of the time to the first film.
    """
    numbers = np.arange(len(linked))
    while True:
        lowest = np.where(linked, numbers, len(linked)).min(axis=1, initial=len(linked))
        lowest = np.minimum(lowest, numbers)
        lowest = lowest[lowest]  # that part's own lowest: a long line then takes few rounds
        if np.array_equal(lowest, numbers):
            return numbers
        numbers = lowest


def _is_line(strokes: np.ndarray, parts: np.ndarray) -> bool:
    """Whether parts in a row are long enough, and cross rows of pixels as often as characters do."""
    left, top, right, bottom = _edges(parts)
    length = (right - left) / float(np.median(parts[:, 3]))
    if length < MIN_LENGTH:
        return False
    inset = round(0.15 * (bottom - top))
    rows = strokes[top + inset : bottom - inset, left:right]
    starts = np.diff(rows.astype(np.int8), axis=1, prepend=0) == 1
    crossed = float(starts.sum(axis=1).mean())
    low, high = STROKE_DENSITY
    return crossed >= MIN_STROKES and low <= crossed / length <= high


def _edges(parts: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the box around parts."""
    left, top = parts[:, :2].min(axis=0)
    right, bottom = (parts[:, :2] + parts[:, 2:]).max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def _enclose(parts: np.ndarray, vertical: bool) -> TextLine:
    left, top, right, bottom = _edges(parts)
    if vertical:
        left, top, right, bottom = top, left, bottom, right
    return TextLine(
        row=top, column=left, height=bottom - top, width=right - left, vertical=vertical
    )


def _leave_out_annotations(grey: np.ndarray, lines: list[TextLine]) -> list[TextLine]:
    """The lines without words of projection and posture, and without what overlaps them, such as their gaps."""
    annotations = [line for line in lines if _names_projection_or_posture(grey, line)]
    return [line for line in lines if not any(_overlap(line, other) for other in annotations)]


def _names_projection_or_posture(grey: np.ndarray, line: TextLine) -> bool:
    size = line.letter_height
    across, along = size // 2 + 1, round(1.5 * size)
    rows, columns = (along, across) if line.vertical else (across, along)
    top, left = max(0, line.row - rows), max(0, line.column - columns)
    bottom, right = line.row + line.height + rows, line.column + line.width + columns
    picture = grey[top:bottom, left:right]
    if not line.vertical:
        return is_annotation(picture, size, line.length)
    readings = (np.rot90(picture), np.rot90(picture, -1))
    return any(
        is_annotation(np.ascontiguousarray(reading), size, line.length) for reading in readings
    )


def _overlap(line: TextLine, other: TextLine) -> bool:
    shared_rows = min(line.row + line.height, other.row + other.height) - max(line.row, other.row)
    ends = line.column + line.width, other.column + other.width
    return shared_rows > 0 and min(ends) > max(line.column, other.column)


def _scale_line(line: TextLine, step: int) -> TextLine:
    return TextLine(
        row=line.row * step,
        column=line.column * step,
        height=line.height * step,
        width=line.width * step,
        vertical=line.vertical,
    )
