"""Finds which values stand for black and white in a film whose file does not say it.

The range is the smallest power of two that holds the film, never minimum to maximum: the same tissue would change its
grey from film to film. Marks that lie far outside the film's own values (a marker, burned-in text, dead pixels, the
fill outside a shutter) do not widen it; they are clipped.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from cxr_core.film.decoding.raster import smallest_full_scale

# Pixels this near to a mark may be a blend of both, where text or an edge was drawn smoothly.
BLENDED_PX = 4
# Share of the pixels that marks may cover. The one value that lies furthest out is not counted: a fill may be large.
MARKS_AT_MOST = 0.02
# Share of the pixels that may lie in the gap between marks and film: dead pixels, and blends further out.
DEFECTS_AT_MOST = 1e-4
# A film covers at least this share of its picture, and has at least 8 bits.
FILM_AT_LEAST = 0.05
FEWEST_BITS = 8
# A mark that would only halve the film's brightness must be this much brighter than the film.
GAP = 1.5


@dataclass(frozen=True, kw_only=True)
class GreyRange:
    """The values that stand for black and white.  marks: whether values far outside were left out as marks."""

    low: int
    high: int
    marks: bool

    @property
    def bits(self) -> int:
        """Bits that hold the range."""
        return int(self.high - self.low).bit_length()

    @property
    def irregularities(self) -> tuple[str, ...]:
        """Codes of film/irregularities.py."""
        return ("outlying_values",) if self.marks else ()

    def states_too_many_bits(self, stated: int) -> bool:
        """Whether a file states so many bits that its film would be shown with a quarter of the brightness or less."""
        return stated - max(self.bits, FEWEST_BITS) >= 2


def find_full_scale(samples: np.ndarray) -> GreyRange:
    """The range of unsigned samples of 16 bits, (H, W) grey or (H, W, C) colour; black is 0.

    Samples widened from 8 bits, each 257 · v, keep the grey that they had in 8 bits: their white is 65535.
    """
    if np.array_equal(samples >> 8, samples & 255):
        return GreyRange(low=0, high=65535, marks=False)
    return find_grey_range(samples if samples.ndim == 2 else samples.max(axis=2))


def find_grey_range(
    positions: np.ndarray, lowest: int = 0, padding: np.ndarray | None = None
) -> GreyRange:
    """The range of a film's values.

    positions: (H, W) uint16; a value is its position + lowest.  padding: (N,) bool, by position: which values only pad.
    The range begins at 0, or where the film has negative values, lies around 0 as that of signed values of so many
    bits.
    """
    histogram = _count_values(positions)
    if padding is not None:
        histogram[: padding.size][padding] = 0
    present = np.flatnonzero(histogram) + lowest
    if present.size == 0:
        return GreyRange(low=0, high=1, marks=False)
    plain = _fit_range(int(present[0]), int(present[-1]))
    # The lower half in one's complement: -1 is the first value below 0, as 0 is the first above.
    if _may_hold_marks(histogram[-lowest:]) or _may_hold_marks(histogram[:-lowest][::-1]):
        film = _leave_out_marks(_distances_above(positions, lowest), (histogram > 0)[positions])
        if lowest < 0:
            film = _leave_out_marks(_distances_below(positions, lowest), film)
        of_film = positions[film]
        largest = max(int(of_film.max()) + lowest, (1 << FEWEST_BITS) - 1)
        inner = _fit_range(int(of_film.min()) + lowest, largest)
        if inner.bits < plain.bits:
            return replace(inner, marks=True)
    return plain


def _distances_above(positions: np.ndarray, lowest: int) -> np.ndarray:
    """How far values lie above 0, as uint16; 0 for those below."""
    if lowest == 0:
        return positions
    zero = np.uint16(-lowest)
    distances: np.ndarray = np.maximum(positions, zero) - zero
    return distances


def _distances_below(positions: np.ndarray, lowest: int) -> np.ndarray:
    """How far values lie below -1, as uint16; 0 for those above."""
    minus_one = np.uint16(-lowest - 1)
    distances: np.ndarray = minus_one - np.minimum(positions, minus_one)
    return distances


def _count_values(positions: np.ndarray) -> np.ndarray:
    """How many pixels have each value: (65536,) int64. positions: (H, W) uint16."""
    bins = 1 << 16
    counts: np.ndarray = cv2.calcHist([positions], [0], None, [bins], [0, bins])
    return counts.ravel().astype(np.int64)


def _fit_range(lowest: int, highest: int) -> GreyRange:
    """The smallest power of two around the values of a film."""
    if lowest >= 0:
        return GreyRange(low=0, high=smallest_full_scale(highest), marks=False)
    half = smallest_full_scale(max(highest, ~lowest))
    return GreyRange(low=-half - 1, high=half, marks=False)


def _may_hold_marks(histogram: np.ndarray) -> bool:
    """Whether few pixels lie in the upper half of a range, those of the largest value aside. histogram: by value."""
    present = np.flatnonzero(histogram)
    if present.size == 0:
        return False
    largest = int(present[-1])
    upper_half = 1 << largest.bit_length() >> 1
    return int(histogram[upper_half:largest].sum()) <= MARKS_AT_MOST * int(histogram.sum())


def _leave_out_marks(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Where the film itself lies, (H, W) bool: `counted` itself when nothing far brighter lies in it.

    values: (H, W), 0 or more. Marks are few, and between them and the film there is a gap. So the upper half of the
    range is left out where few pixels are in it, then each next half where almost none is, until the film begins.
    """
    total = int(counted.sum())
    film = rest = counted
    largest = brightest = int(values[counted].max())
    while brightest.bit_length() > FEWEST_BITS:
        marks = rest & (values >= 1 << (brightest.bit_length() - 1))
        allowed = MARKS_AT_MOST if brightest == largest else DEFECTS_AT_MOST
        rest = rest & ~_widen(marks)
        if (
            marks & (values < largest)
        ).sum() > allowed * total or rest.sum() < FILM_AT_LEAST * total:
            break
        brightest = int(values[rest].max())
        if _lies_apart(largest, int(values[marks].min()), brightest):
            film, largest = rest, brightest
    return film


def _lies_apart(largest: int, faintest_mark: int, film: int) -> bool:
    """Whether marks lie so far above the film's brightest value that they would make it too dark.

    Where they would only halve its brightness, a largest value of 2^k - 1 may be the white of k bits, which the film
    itself does not reach; it is no mark, unless the film ends at a white of its own.
    """
    halvings = largest.bit_length() - max(film.bit_length(), FEWEST_BITS)
    if halvings != 1:
        return halvings > 1
    may_be_white = _is_full_scale(largest) and not _is_full_scale(film)
    return faintest_mark >= GAP * film and not may_be_white


def _is_full_scale(value: int) -> bool:
    return value == smallest_full_scale(value)


def _widen(marks: np.ndarray) -> np.ndarray:
    """Marks and the pixels around them: (H, W) bool."""
    side = 2 * BLENDED_PX + 1
    kernel = np.ones((side, side), np.uint8)
    widened: np.ndarray = cv2.dilate(marks.view(np.uint8), kernel).view(bool)
    return widened
