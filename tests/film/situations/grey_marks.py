"""Situations of pixels that are not film, such as a marker or a fill, where no window says the range."""

import struct
import zlib

import cv2
import numpy as np

from tests.film.corpus import Situation
from tests.film.dicom_files import write_dicom
from tests.film.situations.grey_films import (
    AS_WRITTEN,
    MARKED,
    STORED,
    clip,
    letter,
    pixels,
    read,
    values,
    write,
)

MARK = (slice(16, 36), slice(12, 36))
FRAME_PX = 6
FILM_ONLY = "The film keeps its range, the mark is clipped; flagged."
FILLED = "The film keeps its range, the fill is black; flagged."


def mark(stored: np.ndarray, value: int) -> np.ndarray:
    """A marker of 20 × 24 px, as a workstation draws it."""
    marked = stored.copy()
    marked[MARK] = value
    return marked


def frame(stored: np.ndarray, value: float) -> np.ndarray:
    """A fill around the film, as a shutter leaves it."""
    framed = stored.copy()
    framed[:FRAME_PX] = framed[-FRAME_PX:] = value
    framed[:, :FRAME_PX] = framed[:, -FRAME_PX:] = value
    return framed


def strew(stored: np.ndarray, value: int) -> np.ndarray:
    """Three dead pixels."""
    strewn = stored.copy()
    for row, column, part in ((20, 200, 1.0), (130, 30, 0.8), (200, 60, 0.4)):
        strewn[row, column] = int(value * part)
    return strewn


def in_colour(stored: np.ndarray) -> np.ndarray:
    """Grey values as equal red, green and blue: (H, W, 3) uint16."""
    return np.stack([stored] * 3, axis=2).astype(np.uint16)


def write_png(stored: np.ndarray, stated: int | None = None) -> bytes:
    """A 16-bit grey PNG. stated: the significant bits that an sBIT chunk gives."""
    data: bytes = cv2.imencode(".png", stored.astype(np.uint16))[1].tobytes()
    if stated is None:
        return data
    body = b"sBIT" + bytes([stated])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # behind IHDR


SITUATIONS: tuple[Situation, ...] = (
    read(
        "A white marker of 65535 on 14 bits, BitsStored 16",
        lambda: write(mark(values(14), 65535), bits=16),
        FILM_ONLY,
        lambda: clip(mark(values(14), 65535), 14),
        MARKED,
    ),
    read(
        "A white marker of 65535 on 12 bits, BitsStored 16",
        lambda: write(mark(values(12), 65535), bits=16),
        FILM_ONLY,
        lambda: clip(mark(values(12), 65535), 12),
        MARKED,
    ),
    read(
        "A white marker of 65535 on 15 bits, BitsStored 16",
        lambda: write(mark(values(15), 65535), bits=16),
        FILM_ONLY,
        lambda: clip(mark(values(15), 65535), 15),
        MARKED,
    ),
    read(
        "A marker of 8000 on 12 bits, BitsStored 16",
        lambda: write(mark(values(12), 8000), bits=16),
        FILM_ONLY,
        lambda: clip(mark(values(12), 8000), 12),
        MARKED,
    ),
    read(
        "The marker on a film of 14 bits, rescaled by −1024",
        lambda: write(mark(values(14), 65535), bits=16, RescaleSlope=1, RescaleIntercept=-1024),
        FILM_ONLY,
        lambda: clip(mark(values(14), 65535), 14),
        MARKED,
    ),
    read(
        "The marker on a MONOCHROME1 film",
        lambda: write(
            mark(16383 - values(14), 65535), bits=16, PhotometricInterpretation="MONOCHROME1"
        ),
        FILM_ONLY,
        lambda: mark(pixels(14), 0),
        MARKED,
    ),
    read(
        "A marker of 32767 on signed values of 12 bits",
        lambda: write(mark(values() - 2048, 32767), bits=16),
        FILM_ONLY,
        lambda: mark(pixels(), 1),
        MARKED,
    ),
    read(
        "A fill of −32768 around signed values, no padding stated",
        lambda: write(frame(values() - 2048, -32768), bits=16),
        FILLED,
        lambda: frame(pixels(), 0),
        MARKED,
    ),
    read(
        "A fill of −32768 around values from 0 on, no padding stated",
        lambda: write(frame(values(), -32768), bits=16),
        FILLED,
        lambda: frame(pixels(), 0),
        MARKED,
    ),
    read(
        "A white fill of 65535 around 14 bits",
        lambda: write(frame(values(14), 65535), bits=16),
        FILM_ONLY,
        lambda: frame(pixels(14), 1),
        MARKED,
    ),
    read(
        "A burned-in letter of 65535 with smooth edges on 14 bits",
        lambda: write(letter(values(14), 65535), bits=16),
        FILM_ONLY,
        lambda: clip(letter(values(14), 65535), 14),
        MARKED,
    ),
    read(
        "Dead pixels on 14 bits, BitsStored 16",
        lambda: write(strew(values(14), 65535), bits=16),
        FILM_ONLY,
        lambda: clip(strew(values(14), 65535), 14),
        MARKED,
    ),
    read(
        "A marker of 16383 on 12 bits, BitsStored 14",
        lambda: write(mark(values(), 16383), bits=14),
        FILM_ONLY,
        lambda: clip(mark(values(), 16383), 12),
        MARKED,
    ),
    read(
        "A marker of the film's own white",
        lambda: write(mark(values(), 4095), bits=16),
        AS_WRITTEN,
        lambda: mark(pixels(), 1),
    ),
    read(
        "A dark film with a marker of 4095",
        lambda: write(mark(values(11) * 9 // 10, 4095), bits=16),
        "4095 is the white of 12 bits: no mark.",
        lambda: mark(values(11) * 9 // 10, 4095) / 4095,
    ),
    read(
        "A few values above 4095",
        lambda: write(strew(values(), 4400), bits=16),
        "No gap, no mark: the range of 13 bits holds them.",
        lambda: strew(values(), 4400) / 8191,
    ),
    read(
        "PNG of 16 bits, 14 used",
        lambda: write_png(values(14)),
        "White is the smallest 2^k − 1 that holds the film.",
        lambda: pixels(14),
    ),
    read(
        "PNG of 16 bits, 14 used, with a marker of 65535",
        lambda: write_png(mark(values(14), 65535)),
        FILM_ONLY,
        lambda: clip(mark(values(14), 65535), 14),
        MARKED,
    ),
    read(
        "PNG of 16 bits, 12 used, with a letter of 65535",
        lambda: write_png(letter(values(), 65535)),
        FILM_ONLY,
        lambda: clip(letter(values(), 65535), 12),
        MARKED,
    ),
    read(
        "PNG with sBIT 12, scaled up to 16 bits",
        lambda: write_png(values() << 4 | values() >> 8, 12),
        "Scaled down again.",
    ),
    read("PNG with sBIT 12, not scaled up", lambda: write_png(values(), 12), AS_WRITTEN),
    read(
        "PNG with sBIT 12, not scaled up, with a marker of 65535",
        lambda: write_png(mark(values(), 65535), 12),
        FILM_ONLY,
        lambda: mark(pixels(), 1),
        MARKED,
    ),
    read(
        "PNG with sBIT 16 and values of 12 bits",
        lambda: write_png(values(), 16),
        "White is 4095; flagged.",
        pixels,
        STORED,
    ),
    read(
        "DICOM in RGB, 16 bits, 12 used",
        lambda: write_dicom(in_colour(values())),
        "White is the smallest 2^k − 1 that holds the film.",
    ),
    read(
        "DICOM in RGB, 16 bits, 14 used, with a marker of 65535",
        lambda: write_dicom(in_colour(mark(values(14), 65535))),
        FILM_ONLY,
        lambda: clip(mark(values(14), 65535), 14),
        MARKED,
    ),
)
