"""Small files that claim a large picture, or ask for much more work than it takes, are refused before any of it."""

import io
import re
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.limits import MAX_SAMPLES, require_pixels

AT_MOST_S = 1.0  # of computing; each took 2 to 20 s


def save(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def claim_size(data: bytes, side: int) -> bytes:
    """A JPEG whose frame header says another size."""
    frame = re.search(b"\xff[\xc0\xc2]\x00.\x08", data, re.DOTALL)
    assert frame is not None
    at = frame.end()
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def refuse(data: bytes) -> str:
    """The sentence with which a file is refused, without much work."""
    started = time.process_time()
    with pytest.raises((UndecodableFilm, OversizedFilm)) as refusal:
        decode_film(data)
    assert time.process_time() - started < AT_MOST_S
    return str(refusal.value)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_cannot_hold_its_pixels_is_not_decoded(mode: str, progressive: bool) -> None:
    data = save(Image.new(mode, (640, 640)), "JPEG", progressive=progressive)
    assert len(data) < 30_000
    assert re.search("break off|megapixels", refuse(claim_size(data, 8000)))


def test_jpeg_with_thousands_of_scans_is_not_decoded() -> None:
    data = save(Image.new("L", (2000, 2000), 99), "JPEG", progressive=True, optimize=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert "more scans than" in refuse(data[:-2] + last_scan * 5000 + data[-2:])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_nearly_constant_jpegs_are_read(mode: str) -> None:
    for options in ({}, {"progressive": True}, {"subsampling": 2}, {"subsampling": 0}):
        data = save(Image.new(mode, (1500, 1000)), "JPEG", optimize=True, **options)
        assert decode_film(data).shape == (1000, 1500)


def test_frame_header_with_impossible_sampling_is_damaged() -> None:
    data = save(Image.new("RGB", (64, 64)), "JPEG")
    frame = data.index(b"\xff\xc0")
    assert "frame header" in refuse(data[: frame + 11] + b"\x00" + data[frame + 12 :])


def test_png_in_colour_of_too_many_samples_is_not_decoded() -> None:
    body = struct.pack(">IIBBBBB", 8000, 8000, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", body), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    pieces = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    assert "megapixels" in refuse(b"\x89PNG\r\n\x1a\n" + b"".join(pieces))


def test_webp_of_too_many_samples_is_not_decoded() -> None:
    side = 8000
    size = struct.pack("<I", (side - 1) | (side - 1) << 14)
    body = b"\x2f" + size + bytes(20) + b"\x01"
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)
    assert "megapixels" in refuse(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)


def test_tiff_whose_strips_are_larger_than_its_page_is_not_decoded() -> None:
    data = save(Image.fromarray(np.zeros((64, 64), np.uint8)), "TIFF", compression="jpeg")
    assert "another size" in refuse(claim_size(data, 160))


def test_the_largest_film_is_read_in_any_colour() -> None:
    for channels in (1, 2, 3, 4):
        require_pixels(4300, 4300, channels)
    with pytest.raises(OversizedFilm, match="20 megapixels"):
        require_pixels(MAX_SAMPLES // 4, 2, 4)
