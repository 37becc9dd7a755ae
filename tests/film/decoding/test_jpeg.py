"""JPEG decoding, against Pillow."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.raster import read_exif_orientation

SPOTS = np.random.default_rng(3).integers(0, 256, (6, 8), dtype=np.uint8)
GREY = np.asarray(Image.fromarray(SPOTS).resize((128, 96), Image.Resampling.BICUBIC))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **{"quality": 95, **options})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"quality": 40}]
)
def test_grey_is_what_pillow_decodes(options: dict[str, object]) -> None:
    data = jpeg(Image.fromarray(GREY), **options)
    film = decode_film(data)
    reference = np.asarray(Image.open(io.BytesIO(data)), np.float32) / np.float32(255)
    assert np.array_equal(film.pixels, reference)
    assert (film.container, film.bits, film.colour) == ("jpeg", 8, 0.0)


def test_colour_is_measured_and_grey_kept_as_rgb_has_none() -> None:
    assert decode_film(jpeg(Image.fromarray(GREY).convert("RGB"))).colour < 0.01
    red = np.dstack([GREY, GREY // 3, GREY // 3])
    assert decode_film(jpeg(Image.fromarray(red))).colour > 0.2


def test_cmyk_is_read_as_light_with_and_without_adobes_marker() -> None:
    cmyk = Image.merge("CMYK", [Image.new("L", (128, 96), 0)] * 3 + [Image.fromarray(255 - GREY)])
    data = jpeg(cmyk, quality=100)
    assert b"Adobe" in data
    film = decode_film(data)
    assert np.abs(film.pixels - GREY / 255).max() < 0.03
    assert film.colour < 0.01
    start = data.index(b"\xff\xee")
    plain = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    # The same stored samples, read as ink and not as Adobe's inverted ink: full ink in C, M and Y is black.
    assert decode_film(plain).pixels.max() < 0.03


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_are_undone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(Image.fromarray(GREY), exif=exif)
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    pixels = decode_film(data).pixels
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, np.asarray(reference, np.float32) / np.float32(255))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert np.array_equal(
        decode_film(jpeg(Image.fromarray(GREY), exif=exif)).pixels,
        decode_film(jpeg(Image.fromarray(GREY))).pixels,
    )


@pytest.mark.parametrize(
    "block",
    [b"", b"II*\x00", b"MM\x00*\x00\x00\x00\x08\xff\xff", b"II*\x00\xff\xff\xff\xff", b"nonsense"],
)
def test_a_broken_exif_block_asks_for_nothing(block: bytes) -> None:
    assert read_exif_orientation(block) == 1
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00"
    assert (
        read_exif_orientation(b"II*\x00\x08\x00\x00\x00\x01\x00" + entry + b"\x08\x00\x00\x00") == 8
    )
    assert (
        read_exif_orientation(b"II*\x00\x08\x00\x00\x00\x01\x00" + entry + b"\x09\x00\x00\x00") == 1
    )


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0.02, 0.999), progressive=st.booleans(), colour=st.booleans())
def test_a_cut_jpeg_is_refused(share: float, progressive: bool, colour: bool) -> None:
    data = jpeg(Image.fromarray(GREY).convert("RGB" if colour else "L"), progressive=progressive)
    with pytest.raises(UndecodableFilm):
        decode_film(data[: max(3, int(len(data) * share))])


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.95])
def test_a_cut_jpeg_that_was_closed_again_is_refused(mode: str, share: float) -> None:
    data = jpeg(Image.fromarray(GREY).convert(mode))
    with pytest.raises(UndecodableFilm, match="break off"):
        decode_film(data[: int(len(data) * share)] + b"\xff\xd9")


@pytest.mark.parametrize("share", [0.5, 0.7, 0.95])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(share: float) -> None:
    """The whole picture is there, coarsely, so only the decoder can tell."""
    data = jpeg(Image.fromarray(GREY), progressive=True)
    with pytest.raises(UndecodableFilm, match="damaged or cut short"):
        decode_film(data[: int(len(data) * share)].rstrip(b"\xff") + b"\xff\xd9")


def test_a_jpeg_with_a_hole_is_refused() -> None:
    data = bytearray(jpeg(Image.fromarray(GREY)))
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    with pytest.raises(UndecodableFilm, match="damaged or cut short"):
        decode_film(bytes(data))


@pytest.mark.parametrize("side", ["below", "beside", "both", "all"])
def test_a_grey_margin_is_not_mistaken_for_missing_pixels(side: str) -> None:
    framed = np.full((160, 192), 128, np.uint8)
    height, width = {"below": (96, 192), "beside": (160, 128), "both": (96, 128), "all": (0, 0)}[
        side
    ]
    framed[:height, :width] = np.resize(GREY, (160, 192))[:height, :width]
    assert decode_film(jpeg(Image.fromarray(framed))).shape == (160, 192)


@pytest.mark.parametrize("payload", [b"<html>", b"PK\x03\x04", b"\xff\xd8\xff\xe0"])
def test_only_padding_may_follow(payload: bytes) -> None:
    data = jpeg(Image.fromarray(GREY))
    with pytest.raises(UndecodableFilm, match="followed by"):
        decode_film(data + payload)
    assert np.array_equal(decode_film(data + b"\x00" * 511).pixels, decode_film(data).pixels)


def test_several_pictures_in_one_file_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(GREY)])
    with pytest.raises(UndecodableFilm, match="several pictures"):
        decode_film(buffer.getvalue())


def test_the_size_is_refused_from_the_header_alone() -> None:
    data = bytearray(jpeg(Image.fromarray(GREY)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(OversizedFilm, match="65535 × 65535"):
        decode_film(bytes(data))


def test_12_bits_are_refused_in_words() -> None:
    data = bytearray(jpeg(Image.fromarray(GREY)))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UndecodableFilm, match="12 bits"):
        decode_film(bytes(data))


def test_no_kermany_film_is_taken_for_broken(real_data: Path) -> None:
    files = sorted((real_data / "kermany_pneumonia" / "test").glob("*/*"))[::8]
    assert all(decode_film(path.read_bytes()).shape == (224, 224) for path in files)
