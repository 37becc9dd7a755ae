"""Decodes a WebP of one picture to a film, after checking its chunks before a decoder sees it (RFC 9649).

The decoder gets a file rebuilt from the chunks that carry pixels; EXIF, profiles and XMP are left out, after the
orientation has been read.
"""

import struct

import cv2
import numpy as np

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.raster import (
    apply_orientation,
    read_exif_orientation,
    split_opencv_alpha,
    to_pixels,
)
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"WEBP"  # at byte 8, behind "RIFF" and the file's length

LOSSY, LOSSLESS = b"VP8 ", b"VP8L"
LOSSY_START = b"\x9d\x01\x2a"  # RFC 6386, 9.1
LOSSLESS_START = 0x2F  # RFC 9649, 3.4
ALPHA_FLAG = 0x10  # of VP8X, section 2.7
# Compressed pixels do not end like this; what a broken download leaves behind does.
EMPTY_TAIL = bytes(128)
PADDING = b"\x00\xff\r\n "

DAMAGED = "This WebP is damaged or cut short: {}. Export or copy the film again."


def decode_webp(data: bytes) -> Radiograph:
    """One WebP as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    chunks = _read_chunks(data)
    kind, body = _find_pixels(chunks)
    width, height = _read_size(kind, body)
    alpha_chunk = dict(chunks).get(b"ALPH") if kind == LOSSY else None
    require_pixels(width, height, 3 if alpha_chunk is None else 4)
    file = _rebuild_file(kind, body, alpha_chunk, (width, height))
    samples, alpha = split_opencv_alpha(_decode_samples(file, (height, width)))
    grey = to_pixels(samples, 255, alpha)
    exif = dict(chunks).get(b"EXIF", b"").removeprefix(b"Exif\x00\x00")
    return Radiograph(
        pixels=apply_orientation(grey.pixels, read_exif_orientation(exif)),
        container="webp",
        bits=8,
        colour=grey.colour,
        irregularities=grey.irregularities,
    )


def _read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every chunk as (name, body) to the end of the file that its header states, with nothing behind it."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if not 12 <= end <= len(data):
        raise UndecodableFilm(DAMAGED.format("it does not have the length that it states"))
    rest = data[end:]
    if rest.strip(PADDING):
        # A page, an archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This WebP is followed by {len(rest)} bytes of something else. Export the film again as a plain WebP."
        )
    chunks, at = [], 12
    while at < end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            raise UndecodableFilm(DAMAGED.format("it ends inside a chunk"))
        chunks.append((name, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2  # chunks begin at even bytes, section 2.3
    return chunks


def _find_pixels(chunks: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Name and body of the one chunk that holds the picture."""
    names = [name for name, _ in chunks]
    if b"ANIM" in names or b"ANMF" in names:
        raise UndecodableFilm(
            "This WebP is animated; a chest film is one picture. Export a single image."
        )
    pixels = [chunk for chunk in chunks if chunk[0] in (LOSSY, LOSSLESS)]
    if len(pixels) != 1 or names.count(b"ALPH") > 1:
        raise UndecodableFilm(DAMAGED.format("its chunks are not those of one picture"))
    if pixels[0][1].endswith(EMPTY_TAIL):
        raise UndecodableFilm(DAMAGED.format("the end of its pixels was never written"))
    return pixels[0]


def _read_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """(width, height) from the header of the pixels (RFC 6386, 9.1; RFC 9649, 3.4)."""
    if kind == LOSSY and len(body) >= 10 and body[3:6] == LOSSY_START:
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == LOSSLESS and len(body) >= 5 and body[0] == LOSSLESS_START:
        (packed,) = struct.unpack("<I", body[1:5])
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    raise UndecodableFilm(DAMAGED.format("the header of its pixels is missing"))


def _rebuild_file(
    kind: bytes, body: bytes, alpha: bytes | None, size: tuple[int, int]
) -> np.ndarray:
    """A WebP with nothing but its pixels and, where it has them, its alpha values; size: (width, height)."""
    content = SIGNATURE
    if alpha is not None:
        width, height = size
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        content += _build_chunk(b"VP8X", bytes([ALPHA_FLAG, 0, 0, 0]) + sides)
        content += _build_chunk(b"ALPH", alpha)
    return np.frombuffer(_build_chunk(b"RIFF", content + _build_chunk(kind, body)), np.uint8)


def _build_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def _decode_samples(file: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) BGR or (H, W, 4) BGRA uint8. size: (height, width). libwebp refuses pixels that break off."""
    try:
        samples = cv2.imdecode(file, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        samples = None
    if samples is None or samples.shape[:2] != size:
        raise UndecodableFilm(DAMAGED.format("its pixels cannot be decoded"))
    return samples
