"""Decompresses the strips and tiles of a TIFF: each must hold exactly the samples that its page needs (TIFF 6.0).

libtiff, through Pillow, only undoes LZW; byte order and predictors are undone here, so that 12 and 16 bits stay.
"""

import io
import struct

import numpy as np
from isal import igzip_lib, isal_zlib
from PIL import Image

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding import jpeg
from cxr_core.film.decoding.tiff_parts import directory as tags
from cxr_core.film.decoding.tiff_parts.directory import DAMAGED
from cxr_core.film.decoding.tiff_parts.layout import (
    BLACK_IS_ZERO,
    DEFLATE,
    FLOAT_DIFFERENCE,
    HORIZONTAL_DIFFERENCE,
    JPEG,
    LZW,
    NO_COMPRESSION,
    OLD_DEFLATE,
    PACKBITS,
    RGB,
    Layout,
)

# An APP14 segment that says that no colour was transformed: RGB stays RGB (Adobe technical note 5116).
ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

UNPACKED_SAMPLES = 1 << 20  # samples that are unpacked from odd bit depths at a time


def decode_segment(
    stored: bytes, layout: Layout, size: tuple[int, int], tables: bytes
) -> np.ndarray:
    """One strip or tile: (rows, columns, samples that lie together). size: (rows, columns)."""
    rows, columns = size
    if layout.compression == JPEG:
        return _decode_jpeg_segment(stored, layout, size, tables)
    row_bytes = -(-columns * layout.per_plane * layout.bits // 8)
    if layout.reversed_bits:
        octets = np.frombuffer(stored, np.uint8)
        stored = np.packbits(np.unpackbits(octets, bitorder="little")).tobytes()
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        content = _inflate(stored, rows * row_bytes)
    elif layout.compression == NO_COMPRESSION:
        content = stored
    elif layout.compression == PACKBITS:
        content = _unpack_bytes(stored, rows * row_bytes)
    else:
        content = _decompress_lzw(stored, rows, row_bytes)
    if len(content) < rows * row_bytes:
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer pixels than it should"))
    lines = np.frombuffer(content, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    samples = _unpack_samples(lines, layout, columns * layout.per_plane)
    samples = samples.reshape(rows, columns, layout.per_plane)
    if layout.predictor == HORIZONTAL_DIFFERENCE:
        # Section 14: each sample is stored as its difference to the one on its left, modulo 2^bits.
        # Of floating-point samples, as libtiff does it, the bits.
        integers = samples.view(f"u{samples.dtype.itemsize}")
        samples = np.add.accumulate(integers, axis=1, dtype=integers.dtype).view(samples.dtype)
    return samples


def _decode_jpeg_segment(
    stored: bytes, layout: Layout, size: tuple[int, int], tables: bytes
) -> np.ndarray:
    """A strip or tile of JPEG (TIFF technical note 2): its tables stand once for all, in a tag of the page."""
    if not stored.startswith(jpeg.SIGNATURE):
        raise UndecodableFilm(DAMAGED.format("a strip or tile is not JPEG"))
    is_rgb = layout.photometric == RGB and layout.per_plane >= 3
    stream = stored[:2] + (ADOBE_RGB if is_rgb else b"") + tables[2:-2] + stored[2:]
    markers = jpeg.read_markers(stream)
    if markers.precision != 8 or markers.components != layout.per_plane:
        raise UndecodableFilm(DAMAGED.format("a strip or tile has other colours than its page"))
    if (markers.height, markers.width) != size:
        raise UndecodableFilm(DAMAGED.format("a strip or tile has another size than it should"))
    samples = jpeg.decode_samples(b"".join(markers.kept), markers.components)
    return samples.reshape(*size, layout.per_plane)


def _inflate(stored: bytes, size: int) -> bytes:
    """The inflated bytes, which must end properly after the given number."""
    inflater = isal_zlib.decompressobj()
    try:
        content = inflater.decompress(stored, size + 1)  # one more, so that a bomb stops there
    except igzip_lib.IsalError:  # type: ignore[misc]  # its stub has no base class
        raise UndecodableFilm(DAMAGED.format("its compressed pixels cannot be opened")) from None
    if len(content) != size or not inflater.eof:
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer or more pixels"))
    return content


def _unpack_bytes(stored: bytes, size: int) -> bytes:
    """The bytes of PackBits (section 9), which must be exactly so many; libtiff would leave out what is too many."""
    content, at = bytearray(), 0
    while at < len(stored) and len(content) < size:
        count = stored[at]
        if count < 128:
            content += stored[at + 1 : at + count + 2]
            at += count + 2
        else:
            if count > 128:  # 128 itself means nothing
                content += stored[at + 1 : at + 2] * (257 - count)
            at += 1 if count == 128 else 2
    if len(content) != size or at > len(stored):
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer or more pixels"))
    return bytes(content)


def _decompress_lzw(stored: bytes, rows: int, row_bytes: int) -> bytes:
    """The bytes of LZW, by libtiff from a TIFF made of them alone: grey of 8 bits, a byte a pixel, one strip."""
    numbers = {
        tags.IMAGE_WIDTH: row_bytes,
        tags.IMAGE_LENGTH: rows,
        tags.BITS_PER_SAMPLE: 8,
        tags.COMPRESSION: LZW,
        tags.PHOTOMETRIC: BLACK_IS_ZERO,
        tags.STRIP_OFFSETS: 8,
        tags.SAMPLES_PER_PIXEL: 1,
        tags.ROWS_PER_STRIP: rows,
        tags.STRIP_BYTE_COUNTS: len(stored),
    }
    directory = struct.pack("<H", len(numbers))
    for tag, number in numbers.items():
        directory += struct.pack("<HHII", tag, 4, 1, number)
    stored += b"\x00" * (len(stored) % 2)  # a directory begins at an even byte
    head = struct.pack("<4sI", b"II*\x00", 8 + len(stored))
    try:
        with Image.open(
            io.BytesIO(head + stored + directory + bytes(4)), formats=["TIFF"]
        ) as strip:
            return strip.tobytes()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UndecodableFilm(DAMAGED.format("its compressed pixels cannot be opened")) from None


def _unpack_samples(lines: np.ndarray, layout: Layout, count: int) -> np.ndarray:
    """The samples of each row, in this machine's byte order: (rows, count). lines: (rows, bytes of a row) uint8."""
    bits = layout.bits
    if layout.predictor == FLOAT_DIFFERENCE:
        # Adobe's technical note 3 of 2005: rows of bytes, the highest of every sample first, as differences.
        summed = np.add.accumulate(lines, axis=1, dtype=np.uint8)
        by_sample = summed.reshape(len(lines), bits // 8, count).transpose(0, 2, 1)
        stored = np.ascontiguousarray(by_sample).view(layout.dtype.newbyteorder(">"))
        return stored[..., 0].astype(layout.dtype)
    if bits % 8 == 0 and bits != 24:
        stored = lines.view(layout.dtype.newbyteorder(layout.order))
        return stored.astype(layout.dtype)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    samples = np.empty((len(lines), count), np.uint16)
    step = max(1, UNPACKED_SAMPLES // count)
    for start in range(0, len(lines), step):
        # Samples of odd depths follow each other bit by bit; only rows begin at a byte.
        unpacked = np.unpackbits(lines[start : start + step], axis=1, count=count * bits)
        samples[start : start + step] = unpacked.reshape(-1, count, bits) @ weights
    return samples.astype(layout.dtype)
