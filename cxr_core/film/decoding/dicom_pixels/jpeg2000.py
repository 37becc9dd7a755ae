"""Checks that a JPEG 2000 codestream is complete before a decoder sees it (ITU-T T.800, annexes A and I)."""

import struct
from dataclasses import dataclass

from cxr_core.errors import UndecodableFilm
from cxr_core.film.limits import require_pixels

MAGIC = b"\xff\x4f\xff\x51"  # SOC and SIZ
JP2_MAGIC = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
# Markers, T.800 table A.2.
COD, SOT, EOC = 0xFF52, 0xFF90, 0xFFD9
SOT_BYTES = 12
MAX_BOXES = 1000
# Fills a codestream up to an even length; PS3.5 A.4 asks for 0, some writers take 0xFF.
PADDING = b"\x00\xff"

INCOMPLETE = (
    "This DICOM file is damaged or cut short: its compressed pixels are not complete: {}. "
    "Export the film again."
)


@dataclass(frozen=True, kw_only=True)
class CodestreamHeader:
    """What the main header says. transformed: whether three channels were coded as differences of RGB (G.2, G.3)."""

    width: int
    height: int
    components: int
    precision: int
    signed: bool
    transformed: bool


def unwrap_jp2(data: bytes) -> bytes:
    """The codestream of a JP2 file (annex I); anything else as it is. PS3.5 A.4.4 allows the codestream alone.

    Raises UndecodableFilm when no codestream is found, or the samples are places in a palette.
    """
    if not data.startswith(JP2_MAGIC):
        return data
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            break
        length, name = struct.unpack(">I4s", data[at : at + 8])
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = len(data) if length == 0 else at + length
        if not start <= end <= len(data):
            break
        if name == b"jp2h" and b"pclr" in data[start:end]:
            raise UndecodableFilm(
                "The compressed pixels of this DICOM file are places in a palette. Export the film in grey."
            )
        if name == b"jp2c":
            return data[start:end]
        at = end
    raise UndecodableFilm(INCOMPLETE.format("a JP2 file without a codestream"))


def read_jpeg_2000_header(stream: bytes) -> CodestreamHeader:
    """The header of a codestream that holds every tile and ends properly.

    Raises UndecodableFilm when a tile or the end is missing, or something else lies between or after them, and
    OversizedFilm for a size above the limits.
    """
    try:
        return _read_codestream(stream)
    except struct.error:
        raise UndecodableFilm(INCOMPLETE.format("its header is cut short")) from None


def _read_codestream(stream: bytes) -> CodestreamHeader:
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = struct.unpack(
        ">8I", stream[8:40]
    )
    (components,) = struct.unpack(">H", stream[40:42])
    require_pixels(right - left, bottom - top, components)
    depths = set(stream[42 : 42 + 3 * components : 3])
    if len(depths) != 1 or not tile_width or not tile_height:
        raise UndecodableFilm(INCOMPLETE.format("its header makes no sense"))
    transformed, at = _read_main_header(stream)
    columns = -(-(right - tile_left) // tile_width)
    rows = -(-(bottom - tile_top) // tile_height)
    _require_every_tile(stream, at, columns * rows)
    depth = depths.pop()
    return CodestreamHeader(
        width=right - left,
        height=bottom - top,
        components=components,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        transformed=transformed,
    )


def _read_main_header(stream: bytes) -> tuple[bool, int]:
    """Whether COD asks for a colour transform, and where the first tile begins (A.3)."""
    transformed = False
    at = 2
    while True:
        (marker,) = struct.unpack(">H", stream[at : at + 2])
        if marker in (SOT, EOC):
            return transformed, at
        (length,) = struct.unpack(">H", stream[at + 2 : at + 4])
        if marker < 0xFF00 or length < 2:
            raise UndecodableFilm(INCOMPLETE.format("a marker is missing"))
        if marker == COD:
            transformed = stream[at + 8 : at + 9] == b"\x01"
        at += 2 + length


def _require_every_tile(stream: bytes, at: int, tiles: int) -> None:
    """Follow the lengths of the tile-parts (A.4.2) from the first to the end marker."""
    seen: set[int] = set()
    while True:
        (marker,) = struct.unpack(">H", stream[at : at + 2])
        if marker == EOC:
            break
        if marker != SOT:
            raise UndecodableFilm(INCOMPLETE.format("a tile is longer or shorter than it says"))
        _, tile, length = struct.unpack(">HHI", stream[at + 2 : at + 10])
        seen.add(tile)
        if length == 0:  # up to the end marker
            end = stream.rstrip(PADDING).rfind(b"\xff\xd9")
            length = end - at
        if length < SOT_BYTES or at + length + 2 > len(stream):
            raise UndecodableFilm(INCOMPLETE.format("it ends inside a tile"))
        at += length
    if stream[at + 2 :].strip(PADDING):
        raise UndecodableFilm(INCOMPLETE.format("something else follows its end"))
    if len(seen) != tiles:
        raise UndecodableFilm(
            INCOMPLETE.format(f"{tiles - len(seen)} of its {tiles} tiles are missing")
        )
