"""Every codec gives what uncompressed cells give, bit for bit, however the values lie in their cells."""

import numpy as np
import pytest
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from tests.film.codestreams import encode_jpeg_2000, encode_jpeg_lossless, encode_jpeg_ls
from tests.film.corpus import base_values
from tests.film.dicom_files import write_dicom

CHEST = base_values()[64:160, 56:152].copy()  # (96, 96), 12 bits
ENCODERS = {
    JPEG2000Lossless: encode_jpeg_2000,
    JPEGLSLossless: encode_jpeg_ls,
    JPEGLosslessSV1: encode_jpeg_lossless,
}
# Bits Stored and High Bit in cells of 16.
PLACES = [(12, 11), (12, 15), (12, 13), (14, 13), (16, 15), (10, 15), (9, 8)]


def tags(bits: int, high: int, signed: bool) -> dict[str, int]:
    return {
        "BitsAllocated": 16,
        "BitsStored": bits,
        "HighBit": high,
        "PixelRepresentation": int(signed),
    }


def values_of(bits: int, signed: bool) -> np.ndarray:
    """The chest in some bits, around zero when it has a sign: int64."""
    values: np.ndarray = (CHEST.astype(np.int64) << 4) >> (16 - bits)
    return values - (1 << (bits - 1)) if signed else values


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_a_codec_gives_what_cells_give(syntax: UID, place: tuple[int, int], signed: bool) -> None:
    bits, high = place
    words = (values_of(bits, signed) & ((1 << bits) - 1)).astype(np.uint16)
    cells = words << np.uint16(high - bits + 1)
    native = decode_film(write_dicom(cells, **tags(bits, high, signed)))
    assert not native.irregularities
    encode = ENCODERS[syntax]
    for stream in (encode(cells, 16), encode(words, bits)):
        film = decode_film(write_dicom(cells, syntax, stream=stream, **tags(bits, high, signed)))
        assert np.array_equal(film.pixels, native.pixels)
        # JPEG 2000 alone has a sign of its own, which these streams lack.
        doubted = signed and syntax == JPEG2000Lossless
        assert film.irregularities == (("pixel_sign",) if doubted else ())


@pytest.mark.parametrize(("bits", "high"), [place for place in PLACES if place != (9, 8)])
def test_jpeg_2000_with_a_sign_and_rle_give_what_cells_give(bits: int, high: int) -> None:
    numbers = values_of(bits, signed=True).astype(np.int16)
    cells = (numbers << (high - bits + 1)).astype(np.int16)
    native = decode_film(write_dicom(cells, **tags(bits, high, True)))
    for stream in (encode_jpeg_2000(cells, 16), encode_jpeg_2000(numbers, bits)):
        data = write_dicom(cells, JPEG2000Lossless, stream=stream, **tags(bits, high, True))
        film = decode_film(data)
        assert np.array_equal(film.pixels, native.pixels)
        assert not film.irregularities
    rle = decode_film(write_dicom(cells, RLELossless, **tags(bits, high, True)))
    assert np.array_equal(rle.pixels, native.pixels)


@pytest.mark.parametrize("bits", [0, 17, 999])
def test_an_impossible_depth_is_that_of_the_stream_and_refused_where_it_has_none(bits: int) -> None:
    for syntax, encode in ENCODERS.items():
        data = write_dicom(CHEST, syntax, stream=encode(CHEST, 12), **tags(bits, 11, False))
        film = decode_film(data)
        assert film.bits == 12
        assert film.irregularities == ("stream_depth",)
        assert np.abs(film.pixels - CHEST / 4095).max() < 1e-6
    stated = b"\x28\x00\x01\x01US\x02\x00"
    data = write_dicom(CHEST, RLELossless, **tags(12, 11, False))
    changed = data.replace(stated + b"\x0c\x00", stated + bits.to_bytes(2, "little"))
    with pytest.raises(UndecodableFilm, match=f"{bits} bits in cells of 16"):
        decode_film(changed)


@pytest.mark.parametrize("high", [3, 15, 99])
def test_high_bit_says_nothing_of_a_stream_of_values(high: int) -> None:
    for syntax, encode in ENCODERS.items():
        data = write_dicom(CHEST, syntax, stream=encode(CHEST, 12), **tags(12, high, False))
        assert np.abs(decode_film(data).pixels - CHEST / 4095).max() < 1e-6


@pytest.mark.parametrize("precision", [8, 10, 11, 14])
def test_a_stream_of_fewer_bits_is_shown_over_its_own_range(precision: int) -> None:
    words = (CHEST.astype(np.int64) << 4 >> (16 - precision)).astype(np.uint16)
    cells = words.astype(np.uint8) if precision == 8 else words
    for syntax, encode in ENCODERS.items():
        data = write_dicom(
            CHEST, syntax, stream=encode(cells, precision), **tags(16, 15, signed=False)
        )
        film = decode_film(data)
        assert film.irregularities == ("stream_depth",)
        assert film.bits == precision
        assert np.abs(film.pixels - words / ((1 << precision) - 1)).max() < 1e-6


@pytest.mark.parametrize(
    ("window", "applies"),
    [
        ({"WindowCenter": 2048, "WindowWidth": 4096}, False),
        ({"WindowCenter": 128, "WindowWidth": 256}, True),
        (
            {"WindowCenter": 1128, "WindowWidth": 256, "RescaleIntercept": 1000, "RescaleSlope": 1},
            True,
        ),
        (
            {"WindowCenter": 2048, "WindowWidth": 9, "RescaleIntercept": 1000, "RescaleSlope": 1},
            False,
        ),
    ],
)
def test_a_window_above_every_value_is_left_out(window: dict[str, int], applies: bool) -> None:
    words = (CHEST >> 4).astype(np.uint8)
    stream = encode_jpeg_ls(words, 8)
    film = decode_film(
        write_dicom(CHEST, JPEGLSLossless, stream=stream, **tags(12, 11, False), **window)
    )
    # C.11.2.1.2.1 with the full window of 8 bits is (x - 127.5) / 255 + 0.5, which is x / 255.
    assert np.abs(film.pixels - words / 255).max() < 1e-6
    assert film.irregularities == ("stream_depth",)
    narrow = dict(window, WindowWidth=51) if applies else window
    narrowed = decode_film(
        write_dicom(CHEST, JPEGLSLossless, stream=stream, **tags(12, 11, False), **narrow)
    )
    assert np.array_equal(narrowed.pixels, film.pixels) != applies
