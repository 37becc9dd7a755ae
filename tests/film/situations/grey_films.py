"""Builds the films of the chapter on grey values: stored values, tables, and what the standard makes of them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from tests.film.corpus import Situation, base_pixels
from tests.film.dicom_files import write_dicom

DEPTH, LENGTH = frozenset({"lut_depth"}), frozenset({"lut_length"})
SIGN, WIDE = frozenset({"pixel_sign"}), frozenset({"wide_window"})
STORED, MARKED = frozenset({"stored_depth"}), frozenset({"outlying_values"})

WINDOW = {"WindowCenter": 2048, "WindowWidth": 5000}

AS_WRITTEN = "Read as it is written."
BY_STANDARD = "Read by the formula of the standard."
SCALED = "Scaled by what the table reaches; flagged."


def values(bits: int = 12) -> np.ndarray:
    """The drawn chest as a detector of so many bits stores it: (H, W) int64 from 0 to 2^bits - 1."""
    scaled: np.ndarray = np.rint(base_pixels() * ((1 << bits) - 1)).astype(np.int64)
    return scaled


def pixels(bits: int = 12) -> np.ndarray:
    """What these values look like: black 0, white 2^bits - 1."""
    return values(bits) / ((1 << bits) - 1)


def write(stored: np.ndarray | None = None, *, bits: int = 12, **tags: Any) -> bytes:
    """A DICOM film of 16-bit cells. stored: (H, W); the drawn chest in 12 bits by default."""
    cells = values() if stored is None else stored
    kind = np.int16 if cells.min() < 0 else np.uint16
    return write_dicom(cells.astype(kind), **{"BitsStored": bits, **tags})


def edit(data: bytes, change: Callable[[Dataset], None]) -> bytes:
    """The same file after a change of its data set."""
    dataset = dcmread(BytesIO(data))
    change(dataset)
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def curve(top: int, size: int = 4096) -> np.ndarray:
    """The entries of a table that brightens, from 0 to top: (size,)."""
    entries: np.ndarray = np.rint(np.sqrt(np.arange(size) / (size - 1)) * top).astype(np.int64)
    return entries


def through(entries: np.ndarray, top: int, first: int = 0) -> np.ndarray:
    """The 12-bit film through a table, white at top.

    Below its first value the first entry holds, above its last value the last (PS3.3 C.11.1.1).
    """
    return entries[np.clip(values() - first, 0, len(entries) - 1)] / top


def pack(entries: np.ndarray) -> np.ndarray:
    """Entries of 8 bits, two a word, the first in the low byte."""
    octets = np.append(entries, np.zeros(len(entries) % 2, np.int64))
    words: np.ndarray = octets[::2] | octets[1::2] << 8
    return words


def lut(
    words: np.ndarray,
    bits: int,
    first: int = 0,
    *,
    count: int | None = None,
    vr: str = "OW",
    first_vr: str = "US",
    order: str = "<",
) -> Sequence:
    """A sequence of one table. count, first, bits: what its descriptor says."""
    item = Dataset()
    stated = len(words) % 65536 if count is None else count
    item.add_new("LUTDescriptor", first_vr, [stated, first, bits])
    item.add_new("LUTData", vr, to_element(words, vr, order))
    return Sequence([item])


def to_element(words: np.ndarray, vr: str, order: str = "<") -> bytes | list[int]:
    """Words as the value of an element."""
    if vr == "SS":
        return [int(word) for word in words.astype(np.uint16).view(np.int16)]
    if vr == "US":
        return [int(word) for word in words]
    return words.astype(f"{order}u2").tobytes()


def letter(stored: np.ndarray, value: int) -> np.ndarray:
    """A side marker with smooth edges, burned into the pixels."""
    ink = np.zeros(stored.shape, np.uint8)
    cv2.putText(ink, "L", (8, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3, cv2.LINE_AA)
    share = ink / 255
    lettered: np.ndarray = np.rint(stored * (1 - share) + value * share).astype(np.int64)
    return lettered


def clip(stored: np.ndarray, bits: int) -> np.ndarray:
    """Stored values as shown with white at 2^bits - 1."""
    return np.clip(stored / ((1 << bits) - 1), 0, 1)


def read(
    name: str,
    build: Callable[[], bytes],
    answer: str,
    expected: Callable[[], np.ndarray] = pixels,
    flags: frozenset[str] = frozenset(),
    tolerance: float = 1e-6,
) -> Situation:
    """A situation of a film that is read; by default to the 12-bit film itself, without a flag."""
    return Situation(
        name=name, build=build, answer=answer, expected=expected, flags=flags, tolerance=tolerance
    )


def refuse(name: str, build: Callable[[], bytes], cause: str) -> Situation:
    """A situation of a film that is refused with this cause."""
    return Situation(name=name, build=build, answer=f"Refused: “{cause}”.", refused=cause)
