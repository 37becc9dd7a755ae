"""Decodes a BMP to a film with Pillow, after checking that the file holds all of its pixels and nothing else.

The layout is that of Windows (BITMAPINFOHEADER and its successors) and of OS/2, as Microsoft's documentation of
bitmap storage gives it. A BMP has no checksum, so only lengths and palette indices can be checked.
"""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.raster import to_pixels
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"BM"

CORE_HEADER, V5_HEADER = (
    12,
    124,
)  # bytes of BITMAPCOREHEADER and of BITMAPV5HEADER, the shortest and the longest
NO_COMPRESSION, RLE8, RLE4, BIT_FIELDS = 0, 1, 2, 3
END_OF_RUNS = b"\x00\x01"
PADDING = b"\x00\xff\r\n "

READ_BITS = frozenset({1, 4, 8, 16, 24, 32})  # per pixel

NOT_READ = "This BMP is damaged, or of a form that is not read. Export the film as PNG."
DAMAGED = "This BMP is damaged or cut short: {}. Export or copy the film again."


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the header says.

    start: the first byte of the pixels.  profile_end: the end of the profile that a V5 header names, else 0.
    """

    width: int
    height: int
    bits: int
    compression: int
    start: int
    profile_end: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of uncompressed pixels, whose rows are filled up to multiples of four."""
        return self.height * ((self.width * self.bits + 31) // 32 * 4)


def decode_bmp(data: bytes) -> Radiograph:
    """One BMP as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    header = _read_header(data)
    require_pixels(header.width, header.height, 3)
    _require_end(data, header)
    try:
        with Image.open(io.BytesIO(data), formats=("BMP",)) as picture:
            samples, alpha = _split_alpha(picture)
    except (OSError, ValueError, SyntaxError, struct.error):
        raise UndecodableFilm(NOT_READ) from None
    grey = to_pixels(samples, 255, alpha)
    return Radiograph(
        pixels=grey.pixels,
        container="bmp",
        bits=min(header.bits, 8),
        colour=grey.colour,
        irregularities=grey.irregularities,
    )


def _read_header(data: bytes) -> Header:
    """The header, checked as far as Pillow does not. Raises UndecodableFilm."""
    if len(data) < 54:
        raise UndecodableFilm(DAMAGED.format("it ends inside its header"))
    file_bytes, _, start, size = struct.unpack("<IIII", data[2:18])
    if file_bytes > len(data):
        raise UndecodableFilm(DAMAGED.format("it ends before the length that it states"))
    if not CORE_HEADER <= size <= V5_HEADER:
        raise UndecodableFilm(DAMAGED.format("its header has a length that BMP does not have"))
    compression = profile_end = 0
    if size == CORE_HEADER:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", data[18:34])
    if size == V5_HEADER and len(data) >= 14 + V5_HEADER:
        offset, length = struct.unpack_from("<II", data, 14 + 112)
        profile_end = 14 + offset + length
    if compression > BIT_FIELDS:
        raise UndecodableFilm(
            f"This BMP is compressed by method {compression}; none and run lengths are read. Export the film as PNG."
        )
    if bits not in READ_BITS:
        raise UndecodableFilm(NOT_READ)
    return Header(
        width=width,
        height=abs(height),
        bits=bits,
        compression=compression,
        start=start,
        profile_end=profile_end,
    )


def _require_end(data: bytes, header: Header) -> None:
    """Refuse a file with fewer pixels than its header says, or with anything but padding or its profile behind them."""
    end = header.start + header.pixel_bytes
    if header.compression in (RLE8, RLE4):
        end = data.rfind(END_OF_RUNS, header.start) + len(END_OF_RUNS)
    if not header.start < end <= len(data):
        raise UndecodableFilm(DAMAGED.format("it holds fewer pixels than its header says"))
    rest = data[max(end, header.profile_end) :]
    if rest.strip(PADDING):
        # A page, an archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This BMP is followed by {len(rest)} bytes of something else. Export the film again as a plain BMP."
        )


def _split_alpha(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey (H, W) or RGB (H, W, 3) uint8, and alpha (H, W) float32 in [0, 1] or None when all is opaque."""
    picture.load()
    if picture.mode == "P" and picture.palette is not None:
        colours = len(picture.palette.palette) // len(picture.palette.mode)
        if int(np.asarray(picture).max()) >= colours:
            raise UndecodableFilm(DAMAGED.format("it has a colour that its palette lacks"))
        return np.asarray(picture.convert("RGB")), None
    if picture.mode != "RGBA":
        return np.asarray(picture.convert("L" if picture.mode == "1" else picture.mode)), None
    samples = np.asarray(picture)
    opacity = samples[..., 3].astype(np.float32) / 255
    return samples[..., :3], opacity if opacity.min() < 1 else None
