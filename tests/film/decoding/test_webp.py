"""WebP films against the arrays that they were written from, by Pillow."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from cxr_core.errors import FilmRefused, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom

UNIT = draw_phantom(PhantomSpec(height=131, width=117)).pixels.astype(np.float64)
GREY = np.rint(UNIT * 255).astype(np.uint8)
PICTURE = Image.fromarray(GREY)


def saved(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def with_pixels(data: bytes, body: bytes) -> bytes:
    """The same simple WebP with other pixels, and lengths that fit them."""
    chunk = data[12:16] + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_lossless_films_are_read_exactly(mode: str) -> None:
    film = decode_film(saved(PICTURE.convert(mode), lossless=True))
    assert (film.container, film.bits, film.colour) == ("webp", 8, 0.0)
    np.testing.assert_allclose(film.pixels, GREY / 255, atol=1e-7)


@pytest.mark.parametrize("quality", [60, 90])
def test_lossy_films_are_read_as_pillow_reads_them(quality: int) -> None:
    data = saved(PICTURE, quality=quality)
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(picture.convert("RGB")) / 255 @ [0.299, 0.587, 0.114]
    film = decode_film(data)
    assert np.abs(film.pixels - expected).max() < 0.005
    assert np.abs(film.pixels - GREY / 255).mean() < 0.02
    assert film.colour < 0.005


@pytest.mark.parametrize("lossless", [False, True])
def test_alpha_is_laid_over_black(lossless: bool) -> None:
    alpha = np.where(np.arange(117) < 60, 255, 0).astype(np.uint8)
    picture = PICTURE.convert("RGB")
    picture.putalpha(Image.fromarray(np.tile(alpha, (131, 1))))
    film = decode_film(saved(picture, lossless=lossless, quality=95))
    assert film.pixels[:, 60:].max() == 0
    assert np.abs(film.pixels[:, :60] - GREY[:, :60] / 255).mean() < 0.01


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_turns_the_film(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(PICTURE, lossless=True, exif=exif)
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    np.testing.assert_allclose(decode_film(data).pixels, expected / 255, atol=1e-7)


def test_an_animation_is_refused() -> None:
    with pytest.raises(UndecodableFilm, match="animated; a chest film is one picture"):
        decode_film(saved(PICTURE, save_all=True, append_images=[PICTURE.rotate(90)]))


@pytest.mark.parametrize("lossless", [False, True])
def test_cuts_are_refused_with_their_lengths_mended_or_not(lossless: bool) -> None:
    data = saved(PICTURE, lossless=lossless)
    body = data[20 : 20 + struct.unpack("<I", data[16:20])[0]]
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        kept = body[: int(len(body) * share)]
        unwritten = bytes(len(body) - len(kept))
        broken = [data[: int(len(data) * share)], with_pixels(data, kept)]
        if share < 0.95:
            broken.append(with_pixels(data, kept + unwritten))
        for cut in broken:
            with pytest.raises(FilmRefused):
                decode_film(cut)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF\x04\x00\x00\x00WEBP", "not those of one picture"),
        (saved(PICTURE) + b"PK\x03\x04" + bytes(40), "followed by 44 bytes"),
        (with_pixels(saved(PICTURE), b"\x00" * 4 + b"\x01" * 40), "header of its pixels"),
        (with_pixels(saved(PICTURE, lossless=True), b"\x2f\x00\x00\x00\x00\x01"), "damaged"),
    ],
)
def test_a_refusal_names_what_was_found(data: bytes, message: str) -> None:
    with pytest.raises(UndecodableFilm, match=message):
        decode_film(data)
