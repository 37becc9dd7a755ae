"""Reads the directories of a TIFF and checks that the file holds all that they point at (TIFF 6.0; BigTIFF)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxr_core.errors import UndecodableFilm

SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

# Tags, TIFF 6.0 section 8 and appendix A; 330 and 13 from Adobe's supplement 1; 34665 and 34853 from EXIF 2.32.
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES_PER_PIXEL = 266, 273, 274, 277
ROWS_PER_STRIP, STRIP_BYTE_COUNTS, PLANAR_CONFIGURATION, PREDICTOR = 278, 279, 284, 317
COLOR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS = 320, 322, 323, 324, 325
SUB_DIRECTORIES, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 330, 338, 339, 347
EXIF_DIRECTORY, GPS_DIRECTORY = 34665, 34853

# Section 2: the NumPy code of each field type; 13 is a directory's offset, 16 to 18 are BigTIFF's.
FIELD_TYPES = {
    1: "u1",
    2: "u1",
    3: "u2",
    4: "u4",
    5: "u8",
    6: "i1",
    7: "u1",
    8: "i2",
    9: "i4",
    10: "i8",
    11: "f4",
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
MOST_DIRECTORIES = 1000
PADDING = b"\x00\xff\r\n "

DAMAGED = "This TIFF is damaged or cut short: {}. Export or copy the film again."


@dataclass(frozen=True, kw_only=True)
class Field:
    """One entry of a directory: where its values lie, and of which type they are."""

    code: str
    count: int
    offset: int

    @property
    def end(self) -> int:
        """The first byte behind the values."""
        return self.offset + self.count * int(self.code[1])


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One directory: a page, a thumbnail, or facts about a page. order: "<" or ">"."""

    data: bytes
    order: Literal["<", ">"]
    fields: dict[int, Field]

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The whole numbers of a tag; the default where the directory does not have it. Raises UndecodableFilm."""
        field = self.fields.get(tag)
        if field is None:
            return default
        values = np.frombuffer(self.data, self.order + field.code, field.count, field.offset)
        if field.code[0] == "f" or field.count == 0 or values.min() < 0:
            raise UndecodableFilm(DAMAGED.format(f"its tag {tag} holds no whole numbers from 0 on"))
        return tuple(values.tolist())

    def number(self, tag: int, default: int | None = None) -> int:
        """The first number of a tag. Raises UndecodableFilm where it is missing and has no default."""
        values = self.numbers(tag)
        if values:
            return values[0]
        if default is None:
            raise UndecodableFilm(DAMAGED.format(f"its tag {tag} is missing"))
        return default

    def content(self, tag: int) -> bytes:
        """The bytes of a tag's values; empty where the directory does not have it."""
        field = self.fields.get(tag)
        return b"" if field is None else self.data[field.offset : field.end]

    @property
    def is_page(self) -> bool:
        """Whether this is a picture of full size: no thumbnail, no mask (tags 254 and 255)."""
        smaller_or_mask = self.number(NEW_SUBFILE_TYPE, 0) & 0b101
        return not smaller_or_mask and self.number(SUBFILE_TYPE, 1) != 2

    def segments(self) -> list[tuple[int, int]]:
        """Offset and number of bytes of every strip or tile. Raises UndecodableFilm when the file ends before one."""
        tags = (STRIP_OFFSETS, STRIP_BYTE_COUNTS)
        if TILE_OFFSETS in self.fields:
            tags = (TILE_OFFSETS, TILE_BYTE_COUNTS)
        offsets, counts = (self.numbers(tag) for tag in tags)
        if len(offsets) != len(counts):
            raise UndecodableFilm(DAMAGED.format("a strip or tile has no length"))
        for offset, count in zip(offsets, counts, strict=True):
            if offset + count > len(self.data):
                raise UndecodableFilm(DAMAGED.format("it ends before its last strip or tile"))
        return list(zip(offsets, counts, strict=True))


def read_page(data: bytes) -> Directory:
    """The directory of the only page. Raises UndecodableFilm for several pages, and where the file is not whole."""
    pages, end = [], 0
    for directory, is_main, directory_end in _read_directories(data):
        end = max(end, directory_end, *(field.end for field in directory.fields.values()))
        end = max(end, *(offset + count for offset, count in [(0, 0), *directory.segments()]))
        if is_main and directory.is_page:
            pages.append(directory)
    if not pages:
        raise UndecodableFilm(DAMAGED.format("it holds no picture"))
    if len(pages) > 1:
        raise UndecodableFilm(
            f"This TIFF holds {len(pages)} pages; a chest film is one. Export a single page."
        )
    rest = data[end:]
    if rest.strip(PADDING):
        # An archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This TIFF is followed by {len(rest)} bytes of something else. Export the film again as a plain TIFF."
        )
    return pages[0]


def _read_directories(data: bytes) -> Iterator[tuple[Directory, bool, int]]:
    """Every directory of the file, whether it is of the main chain, and where it ends.

    Raises UndecodableFilm when a directory lies outside of the file or is met twice.
    """
    order: Literal["<", ">"] = "<" if data.startswith(b"II") else ">"
    is_big = data[2:4] in (b"+\x00", b"\x00+")
    if is_big and struct.unpack_from(order + "HH", data.ljust(16, b"\x00"), 4) != (8, 0):
        raise UndecodableFilm(DAMAGED.format("its header is not that of a BigTIFF"))
    first = _read_offset(data, 8 if is_big else 4, order, is_big)
    waiting: list[tuple[int, bool]] = [(first, True)]
    visited: set[int] = set()
    while waiting:
        at, is_main = waiting.pop()
        if at == 0:
            continue
        if at in visited or len(visited) >= MOST_DIRECTORIES:
            raise UndecodableFilm(DAMAGED.format("its directories lead in a circle"))
        visited.add(at)
        directory, end = _read_directory(data, at, order, is_big)
        following = end - (8 if is_big else 4)
        waiting.append((_read_offset(data, following, order, is_big), is_main))
        for tag in (SUB_DIRECTORIES, EXIF_DIRECTORY, GPS_DIRECTORY):
            waiting += [(offset, False) for offset in directory.numbers(tag)]
        yield directory, is_main, end


def _read_directory(
    data: bytes, at: int, order: Literal["<", ">"], is_big: bool
) -> tuple[Directory, int]:
    """The directory at an offset, and where it ends: behind the offset of the next one."""
    head, entry, inline = (8, 20, 8) if is_big else (2, 12, 4)
    _require_bytes(data, at + head)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
    end = at + head + count * entry + inline
    _require_bytes(data, end)
    fields = {}
    for start in range(at + head, end - inline, entry):
        tag, kind = struct.unpack_from(order + "HH", data, start)
        (length,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, start + 4)
        code = FIELD_TYPES.get(kind)
        if (
            code is None
        ):  # "Readers should skip over fields containing an unexpected field type", section 2
            continue
        offset = start + entry - inline
        if length * int(code[1]) > inline:
            offset = _read_offset(data, offset, order, is_big)
        field = Field(code=code, count=length, offset=offset)
        _require_bytes(data, field.end)
        fields[tag] = field
    return Directory(data=data, order=order, fields=fields), end


def _read_offset(data: bytes, at: int, order: str, is_big: bool) -> int:
    _require_bytes(data, at + (8 if is_big else 4))
    offset: int = struct.unpack_from(order + ("Q" if is_big else "I"), data, at)[0]
    return offset


def _require_bytes(data: bytes, end: int) -> None:
    if end > len(data):
        raise UndecodableFilm(DAMAGED.format("its tags lie behind its end"))
