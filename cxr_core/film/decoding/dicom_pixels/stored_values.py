"""Takes stored values out of their pixel cells (PS3.5 8.1.1), where the cells may contradict what the header says.

Bits Stored, High Bit and Pixel Representation (PS3.3 C.7.6.3) are compared with the cells. A film is smooth: read in
the wrong bits or sign, neighbours lie far apart.
"""

from dataclasses import dataclass, replace

import numpy as np
from pydicom import Dataset

from cxr_core.errors import UndecodableFilm

# The sign of values is judged on about so many rows.
SAMPLED_ROWS = 256
# Neighbours are near when they differ by less than this share of the range.
NEAR = 0.05
# The share of the film that has a highest bit which may be a sign, or has it not, and how many values it must have.
SIGN_HALF_ABOVE = 0.02
FEWEST_KINDS = 64


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How a value lies in its pixel cell (PS3.5 8.1.1).

    allocated: bits per cell.  bits: of the value.  high: its highest bit, counted from 0.
    """

    allocated: int
    bits: int
    high: int
    signed: bool

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> "Stored":
        """What the Image Pixel module says (PS3.3 C.7.6.3)."""
        bits = int(dataset.BitsStored)
        high = dataset.get("HighBit")
        return cls(
            allocated=int(dataset.BitsAllocated),
            bits=bits,
            high=bits - 1 if high is None else int(high),
            signed=int(dataset.get("PixelRepresentation") or 0) == 1,
        )

    @property
    def lowest(self) -> int:
        """The smallest value that the bits can hold."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest value that the bits can hold."""
        return self.lowest + (1 << self.bits) - 1

    @property
    def lowest_bit(self) -> int:
        """The position of the value's lowest bit in its cell."""
        return self.high - self.bits + 1

    def all_values(self) -> np.ndarray:
        """Every possible value, (2^bits,) float64, ascending."""
        return np.arange(self.lowest, self.lowest + (1 << self.bits), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """The stored values of a picture.

    positions: (H, W) uint16, of each value in `stored.all_values()`.
    stored: how the values lie in their cells, which may be another way than the header says.
    irregularities: codes of film/irregularities.py.
    """

    positions: np.ndarray
    stored: Stored
    irregularities: tuple[str, ...] = ()


def read_stored_values(cells: np.ndarray, stored: Stored) -> StoredPicture:
    """The stored values in cells, (H, W) or (H, W, 3) integers of 8 or 16 bits.

    stored: how the header says that they lie. Bits outside the value, old overlays, are cut off.
    """
    cells = cells.view(np.uint8 if cells.itemsize == 1 else np.uint16)
    held = _find_bits_in_cells(cells, stored)
    irregularities = ["stored_depth"] if held != stored else []
    positions = _cut_out_values(cells, held)
    if positions.ndim == 2 and _has_other_sign(positions, held):
        positions ^= 1 << (held.bits - 1)
        held = replace(held, signed=not held.signed)
        irregularities.append("pixel_sign")
    return StoredPicture(positions=positions, stored=held, irregularities=tuple(irregularities))


def _cut_out_values(cells: np.ndarray, stored: Stored) -> np.ndarray:
    """The positions of the values that lie in unsigned cells: (H, W) uint16."""
    values = (cells >> stored.lowest_bit) & ((1 << stored.bits) - 1)
    if stored.signed:
        # Two's complement, shifted so that the smallest value has position 0.
        values = values ^ (1 << (stored.bits - 1))
    return values.astype(np.uint16)


def _find_bits_in_cells(cells: np.ndarray, stored: Stored) -> Stored:
    """Where the values lie in their cells: as stated, unless the cells show that they do not (PS3.3 C.7.6.3).

    cells: (H, W) unsigned. Raises UndecodableFilm where the stated place lies outside the cell and nothing else fits.
    """
    numbers = cells.view(np.int8 if cells.itemsize == 1 else np.int16) if stored.signed else cells
    upright = replace(stored, high=stored.bits - 1)
    inside = stored.lowest_bit >= 0 and stored.high < stored.allocated
    sign_extended = upright.lowest <= int(numbers.min()) and int(numbers.max()) <= upright.highest
    if sign_extended or int(cells.max()) < 1 << stored.bits:
        # Left-justified values have nothing below them.
        below = bool((cells & ((1 << max(stored.lowest_bit, 0)) - 1)).any())
        return upright if below or not inside else stored
    if not inside:
        raise UndecodableFilm(
            "This DICOM file says its pixels lie outside their cells. Export the film again."
        )
    if stored.lowest_bit > 0:
        return stored
    last = stored.allocated - 1
    if not (cells & ((1 << (stored.allocated - stored.bits)) - 1)).any():
        return replace(stored, high=last)  # left-justified
    if _continue_above(numbers.astype(np.int32), _cut_out_values(cells, stored).astype(np.int32)):
        return replace(stored, bits=stored.allocated, high=last)
    return stored


def _continue_above(numbers: np.ndarray, stated: np.ndarray) -> bool:
    """Whether values go on in the bits above those stated, rather than an old overlay lying there.

    numbers: (H, W) int32, whole cells.  stated: the values in the stated bits alone. Looked at are neighbours of which
    the two say another difference. Where the bits above belong to the value, the whole cells are nearer to each other;
    where an overlay begins or ends, the stated bits are.
    """
    steps, stated_steps = np.abs(np.diff(numbers, axis=1)), np.abs(np.diff(stated, axis=1))
    return int((steps < stated_steps).sum()) > int((steps > stated_steps).sum())


def _has_other_sign(positions: np.ndarray, stored: Stored) -> bool:
    """Whether values that are stated to have a sign have none, or the other way round.

    Looked at are neighbours of which one has the highest bit. Read in the sign that they have, most lie near each
    other; read in the other, they lie a whole range apart. Marks in one white or black do not count: the values with
    and without the highest bit must be many, and of many kinds.
    """
    span = 1 << stored.bits
    words = positions[:: max(1, positions.shape[0] // SAMPLED_ROWS)].astype(np.int32)
    if stored.signed:
        words ^= span >> 1
    upper = words >= span >> 1
    for half in (words[upper], words[~upper]):
        if half.size < SIGN_HALF_ABOVE * words.size or np.unique(half).size < FEWEST_KINDS:
            return False
    steps = np.abs(np.diff(words, axis=1))[np.diff(upper, axis=1)]
    without_sign = int((steps < span * NEAR).sum())
    with_sign = int((steps > span * (1 - NEAR)).sum())
    stated, other = (with_sign, without_sign) if stored.signed else (without_sign, with_sign)
    return 2 * other > steps.size and other > 4 * stated
