"""The structure of JPEG 2000 codestreams and of JP2 files around them, with files that Pillow's OpenJPEG writes."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.dicom_pixels.jpeg2000 import (
    JP2_MAGIC,
    read_jpeg_2000_header,
    unwrap_jp2,
)
from tests.film.codestreams import EOI
from tests.film.corpus import base_values

GREY = (base_values() >> 4).astype(np.uint8)


def encoded(samples: np.ndarray = GREY, **options: Any) -> bytes:
    """A JPEG 2000 file as Pillow writes it; no_jp2 leaves the codestream alone."""
    buffer = BytesIO()
    Image.fromarray(samples).save(buffer, "JPEG2000", **{"no_jp2": True, **options})
    return buffer.getvalue()


TILED = encoded(tile_size=(64, 64))
SOT = b"\xff\x90\x00\x0a"


@pytest.mark.parametrize(
    "options", [{}, {"tile_size": (64, 64)}, {"tile_size": (100, 80)}, {"progression": "RPCL"}]
)
def test_the_header_says_what_was_written(options: dict[str, Any]) -> None:
    header = read_jpeg_2000_header(encoded(**options))
    assert (header.width, header.height, header.components) == (224, 256, 1)
    assert (header.precision, header.signed, header.transformed) == (8, False, False)


@pytest.mark.parametrize("transform", [0, 1])
def test_a_colour_transform_is_told(transform: int) -> None:
    header = read_jpeg_2000_header(encoded(np.dstack([GREY] * 3), mct=transform))
    assert (header.components, header.transformed) == (3, bool(transform))


@pytest.mark.parametrize("padding", [b"\x00", b"\xff", b"\x00\x00"])
def test_padding_to_an_even_length_is_no_damage(padding: bytes) -> None:
    assert read_jpeg_2000_header(encoded() + padding).width == 224


def tile_starts() -> list[int]:
    places = [TILED.index(SOT)]
    while TILED[places[-1] : places[-1] + 4] == SOT:
        places.append(places[-1] + struct.unpack(">I", TILED[places[-1] + 6 : places[-1] + 10])[0])
    return places


def test_a_missing_tile_is_counted() -> None:
    starts = tile_starts()
    assert len(starts) == 16 + 1
    without_one = TILED[: starts[5]] + TILED[starts[6] :]
    with pytest.raises(UndecodableFilm, match="1 of its 16 tiles are missing"):
        read_jpeg_2000_header(without_one)
    with pytest.raises(UndecodableFilm, match="13 of its 16 tiles are missing"):
        read_jpeg_2000_header(TILED[: starts[3]] + EOI)


@pytest.mark.parametrize("change", [1, -1, 40])
def test_a_tile_of_another_length_is_damage(change: int) -> None:
    at = tile_starts()[4] + 100
    changed = TILED[:at] + b"\x55" * change + TILED[at - min(change, 0) :]
    with pytest.raises(UndecodableFilm, match="not complete"):
        read_jpeg_2000_header(changed)


def test_every_prefix_is_refused() -> None:
    stream = encoded()
    for length in (*range(4, 120), 1000, len(stream) // 2, len(stream) - 2):
        with pytest.raises(UndecodableFilm):
            read_jpeg_2000_header(stream[:length])


def test_what_follows_the_end_is_damage() -> None:
    with pytest.raises(UndecodableFilm, match="something else follows its end"):
        read_jpeg_2000_header(encoded() + encoded())


def test_a_huge_size_is_refused_from_the_header() -> None:
    stream = encoded()
    with pytest.raises(OversizedFilm, match="50000 × 50000"):
        read_jpeg_2000_header(stream[:8] + struct.pack(">II", 50_000, 50_000) + stream[16:])


def test_the_codestream_of_a_jp2_file_is_found() -> None:
    wrapped = encoded(no_jp2=False)
    assert wrapped.startswith(JP2_MAGIC)
    assert unwrap_jp2(wrapped) == encoded()
    assert unwrap_jp2(encoded()) == encoded()


def test_broken_boxes_end_in_a_refusal() -> None:
    wrapped = encoded(no_jp2=False)
    for broken in (
        JP2_MAGIC,
        wrapped[:40],
        wrapped.replace(b"jp2c", b"free"),
        JP2_MAGIC + b"\x00\x00\x00\x00free",
        JP2_MAGIC + b"\x00\x00\x00\x01free" + bytes(8),
        JP2_MAGIC + b"\x00\x00\x00\x08free" * 5000,
        JP2_MAGIC + b"\xff\xff\xff\xffjp2c",
    ):
        with pytest.raises(UndecodableFilm, match="JP2 file without a codestream"):
            unwrap_jp2(broken)


def test_a_palette_is_refused() -> None:
    wrapped = encoded(no_jp2=False)
    at = wrapped.index(b"colr")
    with pytest.raises(UndecodableFilm, match="palette"):
        unwrap_jp2(wrapped[:at] + b"pclr" + wrapped[at + 4 :])
