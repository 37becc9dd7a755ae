"""Decodes a PNG to a film, after checking every chunk before a decoder sees it (W3C PNG, third edition, 2025).

The decoder gets a file rebuilt from the chunks that carry pixels; texts, profiles and anything else in the file
(compressed bombs among them) stay unopened.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from isal import igzip_lib, isal_zlib

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.grey_range import find_full_scale
from cxr_core.film.decoding.raster import (
    apply_orientation,
    read_exif_orientation,
    split_opencv_alpha,
    to_pixels,
)
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
# Section 11.2.1, table 12: the bit depths that each colour type allows, and its samples per pixel.
DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
# Section 8.1, Adam7: first column, first row, column step and row step of each pass.
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)

STORED_BLOCK = 65_535  # bytes; RFC 1951, 3.2.4

DAMAGED = "This PNG is damaged or cut short: {}. Export or copy the film again."


@dataclass(frozen=True, kw_only=True)
class Header:
    """A checked IHDR chunk. depth: bits per sample.  kind: the colour type."""

    width: int
    height: int
    depth: int
    kind: int
    interlaced: bool

    @property
    def raw_bytes(self) -> int:
        """Bytes that the inflated image data must have: filtered scan lines of every pass (section 7.2)."""
        passes = ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        bits_per_pixel = self.depth * SAMPLES[self.kind]
        for left, top, across, down in passes:
            columns, rows = -(-(self.width - left) // across), -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                total += rows * (1 + -(-columns * bits_per_pixel // 8))
        return total


def decode_png(data: bytes) -> Radiograph:
    """One PNG as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    chunks = _read_chunks(data)
    header = _read_header(chunks)
    channels = 3 if header.kind == PALETTE else SAMPLES[header.kind]
    require_pixels(header.width, header.height, channels)
    lines = _inflate_lines(chunks, header)
    samples, alpha = _split_alpha(_decode_samples(chunks, lines), chunks, header)
    samples, top, bits, irregularities = _find_scale(samples, chunks, header)
    grey = to_pixels(samples, top, alpha)
    pixels = grey.pixels
    exif = [body for name, body in chunks if name == b"eXIf"]
    if exif:
        pixels = apply_orientation(pixels, read_exif_orientation(exif[0]))
    return Radiograph(
        pixels=pixels,
        container="png",
        bits=bits,
        colour=grey.colour,
        irregularities=(*irregularities, *grey.irregularities),
    )


def _read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every chunk as (name, body), each with a correct checksum, from IHDR to IEND and nothing after it."""
    chunks = []
    at = len(SIGNATURE)
    while True:
        head = data[at : at + 8]
        if len(head) < 8:
            raise UndecodableFilm(DAMAGED.format("it ends before its last chunk"))
        length, name = struct.unpack(">I4s", head)
        body, checksum = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if len(checksum) < 4:
            raise UndecodableFilm(DAMAGED.format("it ends inside a chunk"))
        if isal_zlib.crc32(body, isal_zlib.crc32(name)) != int.from_bytes(checksum, "big"):
            raise UndecodableFilm(DAMAGED.format("a checksum does not fit"))
        chunks.append((name, body))
        at += 12 + length
        if name == b"IEND":
            break
    if at != len(data):
        # A page, an archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This PNG is followed by {len(data) - at} bytes of something else. Export the film again as a plain PNG."
        )
    return chunks


def _read_header(chunks: list[tuple[bytes, bytes]]) -> Header:
    name, body = chunks[0]
    if name != b"IHDR" or len(body) != 13:
        raise UndecodableFilm(DAMAGED.format("its header is missing"))
    width, height, depth, kind, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if depth not in DEPTHS.get(kind, ()) or compression or filtering or interlace > 1:
        raise UndecodableFilm(DAMAGED.format("its header names a form that PNG does not have"))
    names = [name for name, _ in chunks]
    if any(name in (b"acTL", b"fcTL", b"fdAT") for name in names):
        raise UndecodableFilm(
            "This PNG is animated; a chest film is one picture. Export a single image."
        )
    return Header(width=width, height=height, depth=depth, kind=kind, interlaced=interlace == 1)


def _inflate_lines(chunks: list[tuple[bytes, bytes]], header: Header) -> bytes:
    """The inflated image data, which must end properly after exactly the bytes that IHDR implies."""
    names = [name for name, _ in chunks]
    unknown = [
        name
        for name in names
        if not name[0] & 0x20 and name not in (b"IHDR", b"PLTE", b"IDAT", b"IEND")
    ]
    where = [index for index, name in enumerate(names) if name == b"IDAT"]
    if (
        unknown
        or names.count(b"IHDR") != 1
        or not where
        or where != list(range(where[0], where[-1] + 1))
    ):
        raise UndecodableFilm(DAMAGED.format("its chunks are not those of one picture"))
    palette = names.index(b"PLTE") if names.count(b"PLTE") == 1 else None
    if header.kind == PALETTE and (palette is None or palette > where[0]):
        raise UndecodableFilm(DAMAGED.format("its palette is missing"))
    inflater = isal_zlib.decompressobj()
    try:
        # At most one byte more than there should be, so that a bomb stops there.
        lines = inflater.decompress(
            b"".join(chunks[index][1] for index in where), header.raw_bytes + 1
        )
    except igzip_lib.IsalError:  # type: ignore[misc]  # its stub has no base class
        raise UndecodableFilm(DAMAGED.format("its compressed pixels cannot be opened")) from None
    if len(lines) != header.raw_bytes or not inflater.eof:
        raise UndecodableFilm(DAMAGED.format("it holds fewer or more pixels than its header says"))
    return lines


def _decode_samples(chunks: list[tuple[bytes, bytes]], lines: bytes) -> np.ndarray:
    """Samples as OpenCV's libpng gives them: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16.

    lines: the inflated image data. libpng gets it stored, not compressed, so that nothing is inflated twice.
    """
    kept = {name: body for name, body in chunks if name in (b"IHDR", b"PLTE", b"tRNS")}
    file: list[bytes | memoryview] = [SIGNATURE]
    for name, body in kept.items():
        file += _build_chunk(name, [body])
    file += _build_chunk(b"IDAT", _wrap_stored(lines)) + _build_chunk(b"IEND", [])
    try:
        samples = cv2.imdecode(np.frombuffer(b"".join(file), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        samples = None
    width, height = struct.unpack(">II", kept[b"IHDR"][:8])
    if samples is None or samples.shape[:2] != (height, width):
        # libpng does not say whether memory ran out. If so, there is none for the film's pixels either.
        np.empty((height, width), np.float32)
        raise UndecodableFilm(DAMAGED.format("its pixels cannot be decoded"))
    return samples


def _build_chunk(name: bytes, body: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Length, name, body in pieces, checksum (section 5.3)."""
    checksum = isal_zlib.crc32(name)
    for piece in body:
        checksum = isal_zlib.crc32(piece, checksum)
    return [struct.pack(">I4s", sum(map(len, body)), name), *body, struct.pack(">I", checksum)]


def _wrap_stored(data: bytes) -> list[bytes | memoryview]:
    """A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4), in pieces: the data as it is, wrapped."""
    view = memoryview(data)
    pieces: list[bytes | memoryview] = [b"\x78\x01"]
    for start in range(0, len(data), STORED_BLOCK):
        block = view[start : start + STORED_BLOCK]
        last = start + STORED_BLOCK >= len(data)
        pieces += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return [*pieces, struct.pack(">I", isal_zlib.adler32(data))]


def _split_alpha(
    samples: np.ndarray, chunks: list[tuple[bytes, bytes]], header: Header
) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey (H, W) or RGB (H, W, 3) samples, and alpha (H, W) float32 in [0, 1] or None when all is opaque."""
    if samples.ndim == 2:
        return samples, _grey_alpha(samples, chunks, header)
    return split_opencv_alpha(samples)


def _grey_alpha(
    samples: np.ndarray, chunks: list[tuple[bytes, bytes]], header: Header
) -> np.ndarray | None:
    """Alpha of a grey PNG whose tRNS names one grey as transparent (section 11.3.1.1), which OpenCV leaves out."""
    key = [body for name, body in chunks if name == b"tRNS" and len(body) == 2]
    if not key:
        return None
    value = int.from_bytes(key[0], "big") & ((1 << header.depth) - 1)
    if header.depth < 16:
        value = value * 255 // ((1 << header.depth) - 1)  # as libpng stretches the samples
    alpha: np.ndarray = (samples != value).astype(np.float32)
    return alpha


def _find_scale(
    samples: np.ndarray, chunks: list[tuple[bytes, bytes]], header: Header
) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """The samples, the value that means 1.0, the bits per sample that the film uses, and irregularities.

    Up to 8 bits: 255, as libpng has already stretched 1, 2 and 4 bits. 16 bits: what sBIT says, else the smallest
    2^k - 1 that holds the film, because samples of 10 to 14-bit detectors are often written unscaled.
    """
    if header.depth <= 8:
        return samples, 255, header.depth, ()
    stated = [body[0] for name, body in chunks if name == b"sBIT" and body]
    if stated:
        return _scale_by_stated_bits(samples, stated[0] if 0 < stated[0] < 16 else 16)
    used = find_full_scale(samples)
    return samples, used.high, used.bits, used.irregularities


def _scale_by_stated_bits(
    samples: np.ndarray, bits: int
) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """What `_find_scale` returns, where sBIT states the bits of a sample (section 11.3.2.3)."""
    used = find_full_scale(samples)
    if used.states_too_many_bits(bits):
        return samples, used.high, used.bits, used.irregularities or ("stored_depth",)
    full = (1 << bits) - 1
    # PNG asks for samples scaled up to 16 bits (section 13.12); many writers leave them in the low bits instead.
    if used.bits > bits:
        return samples >> (16 - bits), full, bits, ()
    has_mark = int(samples.max()) > full
    return samples, full, bits, used.irregularities if has_mark else ()
