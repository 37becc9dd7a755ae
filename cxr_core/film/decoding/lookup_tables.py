"""Reads DICOM's look-up tables: of grey values (PS3.3 C.11.1.1, C.11.2.1.1) and of palettes (C.7.6.3.1.5, C.7.6.3.1.6).

How wide an entry is, follows from the descriptor's third value and from the VR; the length must then fit. What a
descriptor says of depth, length and sign is compared with the entries, and with the values that the film holds.
"""

from dataclasses import dataclass

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.pixels.processing import apply_color_lut

from cxr_core.errors import UndecodableFilm

FEWEST_BITS, MOST_BITS = 8, 16
INCOMPLETE = "This DICOM file's grey table is incomplete. Export the film again."
COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True, kw_only=True)
class LookupTable:
    """One table.

    entries: (N,) uint16.  first: the value that the first entry is for.  bits: the depth that scales the entries.
    wrong_depth, wrong_length: whether the descriptor says another one.
    """

    entries: np.ndarray
    first: int
    bits: int
    wrong_depth: bool
    wrong_length: bool

    @property
    def full_scale(self) -> int:
        """The largest entry that the depth allows."""
        return (1 << self.bits) - 1

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """The entries of values, float64; below the table its first, above it its last (C.11.1.1)."""
        places = np.clip(np.rint(values) - self.first, 0, self.entries.size - 1).astype(np.int64)
        found: np.ndarray = self.entries[places].astype(np.float64)
        return found


def read_lookup_table(
    item: Dataset, little_endian: bool, possible: np.ndarray, used: np.ndarray
) -> LookupTable:
    """The table of one item of a Modality or VOI LUT Sequence.

    possible, used: the values that may be looked up, and those that are. Raises UndecodableFilm for a table whose
    entries cannot be told, or that ends before the film's values do by more than a word.
    """
    if "LUTDescriptor" not in item or "LUTData" not in item:
        raise UndecodableFilm(INCOMPLETE)
    return _read_table(item["LUTDescriptor"], item["LUTData"], little_endian, possible, used)


def read_palette(
    dataset: Dataset, little_endian: bool, possible: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """The colours (N, 3) uint16 of N possible values, the entry that means 1.0, and irregularities.

    possible: (N,).  used: those that the film holds. The depth is that of all three tables together.
    """
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        # C.7.9.2; pydicom expands the segments.
        count, first, stated = (int(part) for part in dataset.RedPaletteColorLookupTableDescriptor)
        inside = np.clip(possible, first, first + (count or 1 << 16) - 1).astype(np.int32)
        colours = apply_color_lut(inside, dataset)[:, :3].astype(np.uint16)
        bits, wrong = _find_depth(colours, stated)
        return colours, (1 << bits) - 1, ("lut_depth",) if wrong else ()
    tables = []
    for colour in COLOURS:
        descriptor = dataset[f"{colour}PaletteColorLookupTableDescriptor"]
        data = dataset[f"{colour}PaletteColorLookupTableData"]
        tables.append(_read_table(descriptor, data, little_endian, possible, used))
    stated = _as_words(dataset["RedPaletteColorLookupTableDescriptor"], little_endian)[2]
    bits, wrong = _find_depth(np.concatenate([table.entries for table in tables]), int(stated))
    irregularities = []
    if wrong:
        irregularities.append("lut_depth")
    if any(table.wrong_length for table in tables):
        irregularities.append("lut_length")
    colours = np.stack([table.look_up(possible) for table in tables], axis=1).astype(np.uint16)
    return colours, (1 << bits) - 1, tuple(irregularities)


def _read_table(
    descriptor: DataElement,
    data: DataElement,
    little_endian: bool,
    possible: np.ndarray,
    used: np.ndarray,
) -> LookupTable:
    description = _as_words(descriptor, little_endian)
    if description.size != 3:
        raise UndecodableFilm(INCOMPLETE)
    count, first, stated_bits = (int(value) for value in description)
    count = count or 1 << 16
    entries = _split_entries(_as_words(data, little_endian), count, stated_bits, data.VR)
    packed = entries.dtype == np.uint8
    # A packed table of an odd number of entries ends in a byte that only pads it.
    wrong_length = entries.size != count + (count % 2 if packed else 0)
    word_entries = 2 if packed else 1
    entries = entries.astype(np.uint16)
    if not entries[count:].any():
        entries = entries[:count]
    bits, wrong_depth = _find_depth(entries, stated_bits)
    table = LookupTable(
        entries=entries,
        first=_find_first(first, entries.size, possible, used),
        bits=bits,
        wrong_depth=wrong_depth,
        wrong_length=wrong_length,
    )
    ends_early = used.size > 0 and used.max() >= table.first + entries.size
    # Where one word is missing, its neighbour serves.
    if ends_early and entries.size < count - word_entries:
        raise UndecodableFilm(INCOMPLETE)
    return table


def _as_words(element: DataElement, little_endian: bool) -> np.ndarray:
    """A value of 16-bit words, (N,) uint16, whichever of US, SS, OW, OB and UN it is written in."""
    value = element.value
    if isinstance(value, bytes):
        # Bytes are never swapped, words are (PS3.5 7.3).
        order = "<" if little_endian or element.VR == "OB" else ">"
        words = np.frombuffer(value + b"\x00" * (len(value) % 2), f"{order}u2")
    else:
        numbers = np.atleast_1d(np.asarray([] if value is None else value, np.int64))
        words = numbers & 0xFFFF
    return words.astype(np.uint16)


def _split_entries(words: np.ndarray, count: int, stated_bits: int, vr: str) -> np.ndarray:
    """The entries of a table: (N,) uint16 of one word each, or uint8 of two a word, the first in the low byte.

    Entries of 8 bits may lie either way (the notes of C.11.1.1.1 and C.7.6.3.1.5); wider ones have a word each.
    Without a usable depth, an entry is as wide as a unit of its VR.
    """
    half = -(-count // 2)
    if stated_bits > MOST_BITS or words.size == 0:
        raise UndecodableFilm(INCOMPLETE)
    may_be_packed = stated_bits == FEWEST_BITS or (stated_bits < FEWEST_BITS and vr == "OB")
    packed = words.size == half or (abs(words.size - half) == 1 and words.size != count)
    if packed and may_be_packed:
        return words.astype("<u2").view(np.uint8)
    if words.size == half and count > 1:
        # Half a table, or a table of bytes: nothing tells.
        raise UndecodableFilm(INCOMPLETE)
    return words


def _find_depth(entries: np.ndarray, stated: int) -> tuple[int, bool]:
    """The bits that scale a table's entries, and whether these are others than stated.

    A table reaches the upper half of its depth. One that does not, holds fewer bits (often 12 under 16, or 8 under 16
    in a palette), unless its entries are bytes widened to words: these keep the depth of words, however dark they are.
    """
    largest = int(entries.max())
    reached = max(FEWEST_BITS, largest.bit_length())
    low, high = entries & 0xFF, entries >> 8
    widened = bool((low == high).all() or (low == 0).all())
    if stated == reached or (stated == MOST_BITS and widened):
        return stated, False
    return reached, True


def _find_first(written: int, count: int, possible: np.ndarray, used: np.ndarray) -> int:
    """The first value mapped, written as 16 bits that may be meant signed or not.

    It has the sign of the values (C.11.1.1.1), but is also written in the other. The reading counts under which the
    table holds more of the film's values; if both hold as many, that of the standard.
    """
    if written < 1 << 15:
        return written
    readings = [written, written - (1 << 16)]
    if possible.min() < 0:
        readings.reverse()
    return max(readings, key=lambda first: int(((used >= first) & (used < first + count)).sum()))
