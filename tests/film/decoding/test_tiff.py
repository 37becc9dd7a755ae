"""TIFF films against the arrays that they were written from, by Pillow, by OpenCV and by hand."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from cxr_core.errors import FilmRefused, OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from tests.film.tiff_files import write_tiff

UNIT = draw_phantom(PhantomSpec(height=131, width=117)).pixels.astype(np.float64)
GREY = np.rint(UNIT * 255).astype(np.uint8)
TWELVE = np.rint(UNIT / UNIT.max() * 4095).astype(np.uint16)
COLOURED = np.dstack([GREY, GREY // 2, 255 - GREY])
LUMA = np.array([0.299, 0.587, 0.114])


def saved(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_pillows_grey_films_are_read_exactly(mode: str, compression: str | None) -> None:
    film = decode_film(saved(Image.fromarray(GREY).convert(mode), compression=compression))
    assert (film.container, film.bits, film.colour) == ("tiff", 8, 0.0)
    assert film.irregularities == ()
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


@pytest.mark.parametrize("compression", [1, 5, 8, 32946, 32773])
@pytest.mark.parametrize("predictor", [1, 2])
def test_opencvs_films_are_read_exactly(compression: int, predictor: int) -> None:
    options = [
        cv2.IMWRITE_TIFF_COMPRESSION,
        compression,
        cv2.IMWRITE_TIFF_PREDICTOR,
        predictor,
        cv2.IMWRITE_TIFF_ROWSPERSTRIP,
        16,
    ]
    for values, top in ((GREY, 255), (TWELVE, 4095), (UNIT.astype(np.float32), 1)):
        film = decode_film(cv2.imencode(".tif", values, options)[1].tobytes())
        np.testing.assert_allclose(film.pixels, values / top, atol=1e-7)
        three = np.dstack([values, values, values])
        if top > 1:
            film = decode_film(cv2.imencode(".tif", three, options)[1].tobytes())
            np.testing.assert_allclose(film.pixels, values / top, atol=1e-7)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tile", [0, 48])
def test_byte_order_offsets_and_tiles_change_nothing(order: str, big: bool, tile: int) -> None:
    film = decode_film(write_tiff(TWELVE, 16, order=order, big=big, tile=tile, rows_per_strip=10))
    assert film.bits == 12
    np.testing.assert_allclose(film.pixels, TWELVE / 4095, atol=1e-7)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16, 32])
@pytest.mark.parametrize("photometric", [0, 1])
def test_every_depth_of_grey_with_black_or_white_as_zero(bits: int, photometric: int) -> None:
    top = (1 << bits) - 1
    values = np.rint(UNIT / UNIT.max() * top).astype(np.uint32)
    film = decode_film(write_tiff(values, bits, photometric=photometric, rows_per_strip=50))
    expected = values / top if photometric == 1 else 1 - values / top
    np.testing.assert_allclose(film.pixels, expected, atol=1e-6)
    assert film.bits == bits


def test_colour_is_read_chunky_planar_and_tiled() -> None:
    expected = COLOURED / 255 @ LUMA
    spread = float(np.ptp(COLOURED.astype(float), axis=2).mean() / 255)
    for options in ({}, {"planar": True}, {"tile": 64}, {"planar": True, "tile": 64}):
        film = decode_film(write_tiff(COLOURED, 8, photometric=2, **options))
        np.testing.assert_allclose(film.pixels, expected, atol=1e-6)
        assert film.colour == pytest.approx(spread, abs=1e-6)


def test_a_jpeg_inside_is_read_as_its_colours_say() -> None:
    for picture in (Image.fromarray(GREY), Image.fromarray(COLOURED)):
        for quality in (95, 100):
            film = decode_film(saved(picture, compression="jpeg", quality=quality))
            shown = np.asarray(picture) / 255
            expected = shown if shown.ndim == 2 else shown @ LUMA
            assert np.abs(film.pixels - expected).mean() < 0.01


def test_a_jpeg_inside_whose_colours_are_rgb() -> None:
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 7, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 16]
    data = cv2.imencode(".tif", np.ascontiguousarray(COLOURED[..., ::-1]), options)[1].tobytes()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.tag_v2[262] == 2
        expected = np.asarray(picture) / 255 @ LUMA
    np.testing.assert_allclose(decode_film(data).pixels, expected, atol=0.01)


def test_a_jpeg_in_rgb_whose_stream_does_not_say_so() -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURED).save(buffer, "JPEG", quality=95, keep_rgb=True)
    stream = bytearray(buffer.getvalue())
    frame, scan = stream.index(b"\xff\xc0"), stream.index(b"\xff\xda")
    for component in range(3):  # R, G and B become 1, 2 and 3, as in a stream of YCbCr
        stream[frame + 10 + 3 * component] = component + 1
        stream[scan + 5 + 2 * component] = component + 1
    stream = (
        stream[:2] + stream[stream.index(b"\xff\xdb") :]
    )  # without the markers of JFIF and Adobe
    begin = len(write_tiff(COLOURED, 8, photometric=2))
    tags = {259: [7], 273: [begin], 279: [len(stream)]}
    data = write_tiff(COLOURED, 8, photometric=2, tags=tags) + bytes(stream)
    film = decode_film(data)
    with Image.open(buffer) as picture:
        expected = np.asarray(picture) / 255 @ LUMA
    np.testing.assert_allclose(film.pixels, expected, atol=0.01)


def test_a_palette_is_looked_up() -> None:
    palette = np.stack([np.arange(256)[::-1], np.arange(256)[::-1], np.arange(256)[::-1]])
    for scale, flags in ((257, ()), (256, ()), (1, ("lut_depth",))):
        tags = {320: (palette * scale).reshape(-1).tolist()}
        film = decode_film(write_tiff(GREY, 8, photometric=3, tags=tags))
        np.testing.assert_allclose(film.pixels, 1 - GREY / 255, atol=1e-6)
        assert film.irregularities == flags
    with pytest.raises(UndecodableFilm, match="palette"):
        decode_film(write_tiff(GREY, 8, photometric=3, tags={320: [0] * 100}))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_tag_turns_the_film(orientation: int) -> None:
    data = write_tiff(GREY, 8, tags={274: [orientation]})
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_allclose(decode_film(data).pixels, expected / 255, atol=1e-7)


def test_alpha_is_laid_over_black_unless_the_colours_hold_it_already() -> None:
    alpha = np.tile(np.linspace(0, 255, 117).astype(np.uint8), (131, 1))
    values = np.dstack([GREY, alpha])
    for kind, expected in ((0, GREY / 255), (1, GREY / 255), (2, GREY / 255 * (alpha / 255))):
        film = decode_film(write_tiff(values, 8, tags={338: [kind]}))
        np.testing.assert_allclose(film.pixels, expected, atol=1e-6)


def test_values_that_say_what_white_is_are_read_and_others_are_not() -> None:
    def floating(values: np.ndarray) -> bytes:
        return write_tiff(values.astype(np.float32), 32, tags={339: [3]})

    np.testing.assert_allclose(decode_film(floating(UNIT)).pixels, UNIT, atol=1e-6)
    np.testing.assert_allclose(decode_film(floating(TWELVE)).pixels, TWELVE / 4095, atol=1e-6)
    for values in (UNIT * 300, UNIT - 0.5, np.where(UNIT > 0.5, np.nan, UNIT)):
        with pytest.raises(UndecodableFilm, match="floating-point values from"):
            decode_film(floating(values))
    signed = write_tiff(TWELVE.astype(np.int16), 16, tags={339: [2]})
    np.testing.assert_allclose(decode_film(signed).pixels, TWELVE / 4095, atol=1e-6)
    with pytest.raises(UndecodableFilm, match="without a sign"):
        decode_film(write_tiff(TWELVE.astype(np.int16) - 1024, 16, tags={339: [2]}))


def test_several_pages_are_refused_and_a_thumbnail_is_none() -> None:
    picture = Image.fromarray(GREY)
    with pytest.raises(UndecodableFilm, match="2 pages; a chest film is one"):
        decode_film(saved(picture, save_all=True, append_images=[picture]))
    thumbnail = picture.resize((30, 30))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    film = decode_film(saved(picture, save_all=True, append_images=[thumbnail]))
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (write_tiff(GREY, 8, tags={259: [4]}), "CCITT fax"),
        (write_tiff(GREY, 8, tags={259: [34712]}), "JPEG 2000"),
        (write_tiff(GREY, 8, photometric=8), "CIE L\\*a\\*b"),
        (write_tiff(GREY, 8, photometric=32803), "camera's raw values"),
        (write_tiff(GREY, 8, tags={258: [24]}), "not read"),
        (write_tiff(GREY, 8, tags={257: [200]}), "fewer pixels|fewer or more strips"),
        (write_tiff(GREY, 8, tags={279: [10**6]}), "ends before its last strip"),
        (write_tiff(GREY, 8, tags={273: [8, 8]}), "has no length"),
        (write_tiff(GREY, 8) + b"PK\x03\x04" + bytes(40), "followed by"),
        (b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00", "circle|no picture"),
        (write_tiff(GREY, 8, tags={330: [8]}), "tags lie behind|circle"),
        (write_tiff(GREY, 8, tags={258: []}), "tag 258 holds no whole numbers"),
        (write_tiff(GREY, 8, photometric=3, tags={320: [70000] * 768}), "palette is not what"),
        (
            write_tiff(GREY, 8).replace(
                struct.pack("<HHIi", 258, 4, 1, 8), struct.pack("<HHIi", 258, 9, 1, -8)
            ),
            "tag 258 holds no whole numbers",
        ),
    ],
)
def test_a_refusal_names_what_was_found(data: bytes, message: str) -> None:
    with pytest.raises(UndecodableFilm, match=message):
        decode_film(data)


def test_a_size_beyond_the_limit_is_refused_before_any_pixel_is_read() -> None:
    with pytest.raises(OversizedFilm, match="megapixels"):
        decode_film(write_tiff(GREY, 8, tags={256: [40000], 257: [40000]}))


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"]
)
def test_every_cut_is_refused(compression: str | None) -> None:
    data = saved(Image.fromarray(GREY), compression=compression)
    for length in np.linspace(4, len(data) - 1, 60).astype(int):
        with pytest.raises(FilmRefused):
            decode_film(data[:length])


def test_a_strip_without_its_checksum_is_refused() -> None:
    data = saved(Image.fromarray(GREY), compression="tiff_adobe_deflate")
    with Image.open(io.BytesIO(data)) as picture:
        offset, size = picture.tag_v2[273][0], picture.tag_v2[279][0]
    length = data.index(size.to_bytes(4, "little"), offset + size)  # of the strip, in the directory
    shorter = data[:length] + (size - 4).to_bytes(4, "little") + data[length + 4 :]
    wrong = data[: offset + size - 1] + bytes([data[offset + size - 1] ^ 1]) + data[offset + size :]
    for broken in (shorter, wrong):
        with pytest.raises(UndecodableFilm, match="damaged"):
            decode_film(broken)


def test_a_broken_strip_is_refused_although_the_file_is_whole() -> None:
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        data = bytearray(saved(Image.fromarray(GREY), compression=compression))
        middle = len(data) // 2
        data[middle : middle + 200] = bytes(200)
        with pytest.raises(UndecodableFilm, match="damaged"):
            decode_film(bytes(data))
