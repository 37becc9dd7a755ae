"""BMP films against the arrays that they were written from, by Pillow, by OpenCV and by hand."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_core.errors import FilmRefused, OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from tests.film.bmp_files import GREY_PALETTE, encode_runs, pad_rows, write_bmp

UNIT = draw_phantom(PhantomSpec(height=131, width=117)).pixels.astype(np.float64)
GREY = np.rint(UNIT * 255).astype(np.uint8)
SIZE = GREY.shape
COLOURED = np.dstack([GREY, GREY // 2, 255 - GREY])
LUMA = np.array([0.299, 0.587, 0.114])


def saved(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "BMP")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_pillows_grey_films_are_read_exactly(mode: str) -> None:
    film = decode_film(saved(Image.fromarray(GREY).convert(mode)))
    assert (film.container, film.bits, film.colour) == ("bmp", 8, 0.0)
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


def test_opencvs_films_are_read_exactly() -> None:
    for values in (GREY, np.dstack([GREY] * 3), np.dstack([GREY] * 3 + [255 + 0 * GREY])):
        film = decode_film(cv2.imencode(".bmp", values)[1].tobytes())
        np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


def test_colour_is_read_as_luma() -> None:
    film = decode_film(saved(Image.fromarray(COLOURED)))
    np.testing.assert_allclose(film.pixels, COLOURED / 255 @ LUMA, atol=1e-6)
    spread = float(np.ptp(COLOURED.astype(float), axis=2).mean() / 255)
    assert film.colour == pytest.approx(spread, abs=1e-6)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes_of_every_depth(bits: int) -> None:
    indices = np.rint(UNIT / UNIT.max() * ((1 << bits) - 1)).astype(np.uint8)
    shifts = np.arange(8 - bits, -1, -bits)
    wide = np.pad(indices, ((0, 0), (0, -indices.shape[1] % len(shifts))))
    packed = (wide.reshape(len(wide), -1, len(shifts)) << shifts).sum(axis=2).astype(np.uint8)
    palette = GREY_PALETTE[:: 255 // ((1 << bits) - 1)][::-1]  # white first
    film = decode_film(write_bmp(pad_rows(packed[::-1]), SIZE, bits, palette=palette))
    np.testing.assert_allclose(film.pixels, palette[indices, 0] / 255, atol=1e-7)
    assert film.bits == bits


def test_rows_from_the_top() -> None:
    data = write_bmp(pad_rows(GREY), (-SIZE[0], SIZE[1]), 8, palette=GREY_PALETTE)
    np.testing.assert_allclose(decode_film(data).pixels, GREY / 255, atol=1e-7)


def test_masks_of_5_bits_and_alpha() -> None:
    five = np.rint(UNIT / UNIT.max() * 31).astype(np.uint16)
    words = (five << 10 | five << 5 | five)[::-1].astype("<u2")
    rows = pad_rows(np.ascontiguousarray(words).view(np.uint8))
    film = decode_film(write_bmp(rows, SIZE, 16))
    np.testing.assert_allclose(film.pixels, five / 31, atol=1 / 255)  # Pillow widens 5 bits to 8
    half = np.where(np.arange(SIZE[1]) < 60, 255, 128).astype(np.uint8)
    alpha = np.broadcast_to(half, SIZE)
    data = cv2.imencode(".bmp", np.dstack([GREY, GREY, GREY, alpha]))[1].tobytes()
    np.testing.assert_allclose(decode_film(data).pixels, GREY / 255 * alpha / 255, atol=1e-5)
    # Without masks the fourth byte means nothing, whatever it holds.
    eight = GREY.astype(np.uint32)
    words = (np.uint32(128) << 24 | eight << 16 | eight << 8 | eight)[::-1].astype("<u4")
    film = decode_film(write_bmp(words.tobytes(), SIZE, 32))
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


def test_run_lengths_are_read_and_must_fill_the_picture() -> None:
    flat = np.where(GREY < 60, 0, GREY).astype(np.uint8)
    stream = encode_runs(flat)
    data = write_bmp(stream, SIZE, 8, compression=1, palette=GREY_PALETTE)
    film = decode_film(data)
    np.testing.assert_allclose(film.pixels, flat / 255, atol=1e-7)
    # Independent of this file's writer: Pillow reads the same.
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), flat)
    cut = write_bmp(stream[:-400] + b"\x00\x01", SIZE, 8, compression=1, palette=GREY_PALETTE)
    with pytest.raises(UndecodableFilm, match="damaged"):
        decode_film(cut)
    with pytest.raises(UndecodableFilm, match="something else"):
        decode_film(data + b"PK\x03\x04" + bytes(20))


def test_runs_of_4_bits() -> None:
    indices = np.tile(np.array([3, 12], np.uint8), (64, 40))
    stream = (bytes([80, 0x3C]) + b"\x00\x00") * 63 + bytes([80, 0x3C]) + b"\x00\x01"
    data = write_bmp(stream, (64, 80), 4, compression=2, palette=GREY_PALETTE[::17])
    np.testing.assert_allclose(decode_film(data).pixels, indices * 17 / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"BM" + bytes(80), "length that BMP does not have"),
        (
            write_bmp(pad_rows(GREY), SIZE, 8, palette=GREY_PALETTE[:40][::-1]),
            "colour that its palette",
        ),
        (write_bmp(pad_rows(GREY)[:-40], SIZE, 8, palette=GREY_PALETTE), "fewer pixels"),
        (write_bmp(pad_rows(GREY), SIZE, 8, compression=4, palette=GREY_PALETTE), "by method 4"),
        (write_bmp(pad_rows(GREY), SIZE, 7, palette=GREY_PALETTE), "form that is not read"),
        (
            write_bmp(
                pad_rows(GREY), SIZE, 8, palette=GREY_PALETTE, behind=b"PK\x03\x04" + bytes(9)
            ),
            "followed by 13 bytes",
        ),
        (
            write_bmp(bytes(SIZE[0] * SIZE[1] * 4), SIZE, 32, compression=3, masks=(5, 1, 2)),
            "form that is not read",
        ),
    ],
)
def test_a_refusal_names_what_was_found(data: bytes, message: str) -> None:
    with pytest.raises(UndecodableFilm, match=message):
        decode_film(data)


def test_every_cut_is_refused() -> None:
    data = saved(Image.fromarray(GREY))
    for length in np.linspace(2, len(data) - 1, 60).astype(int):
        with pytest.raises(FilmRefused):
            decode_film(data[:length])


def test_a_size_beyond_the_limit_is_refused() -> None:
    with pytest.raises(OversizedFilm, match="megapixels"):
        decode_film(write_bmp(b"\x00\x01", (60000, 60000), 8, compression=1, palette=GREY_PALETTE))
