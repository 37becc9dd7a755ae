"""The grey pipeline, against pydicom's own implementation of PS3.3 C.11 and against the formulas of the standard."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from tests.film.dicom_files import write_dicom

RNG = np.random.default_rng(11)
UNSIGNED = RNG.integers(0, 4096, (24, 20)).astype(np.uint16)
SIGNED = RNG.integers(-2048, 2048, (24, 20)).astype(np.int16)


def lut(entries: np.ndarray, first: int, bits: int, signed: bool = False) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return Sequence([item])


def reference(data: bytes) -> np.ndarray:
    """pydicom: modality LUT, then VOI LUT or window, then its output range onto [0, 1], then MONOCHROME1."""
    dataset = dcmread(io.BytesIO(data))
    modality = apply_modality_lut(dataset.pixel_array, dataset)
    shown = apply_voi_lut(modality, dataset).astype(float)
    if "VOILUTSequence" in dataset:
        low, high = 0.0, float((1 << dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    elif "ModalityLUTSequence" in dataset:
        low, high = 0.0, float((1 << dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    else:
        stored = [0, (1 << dataset.BitsStored) - 1]
        if dataset.PixelRepresentation:
            stored = [-(1 << (dataset.BitsStored - 1)), (1 << (dataset.BitsStored - 1)) - 1]
        slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
        low, high = sorted(float(value * slope + intercept) for value in stored)
    shown = np.clip((shown - low) / (high - low), 0, 1)
    return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "window": {"WindowCenter": 1800, "WindowWidth": 900},
    "several windows": {"WindowCenter": [1800, 40], "WindowWidth": [900, 400]},
    "exact window": {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
    "narrow window": {"WindowCenter": 2000, "WindowWidth": 2},
    "rescale": {"RescaleSlope": 2.5, "RescaleIntercept": -1000},
    "rescale and window": {
        "RescaleSlope": 0.5,
        "RescaleIntercept": 100,
        "WindowCenter": 900,
        "WindowWidth": 700,
    },
    "inverted": {
        "PhotometricInterpretation": "MONOCHROME1",
        "WindowCenter": 1800,
        "WindowWidth": 900,
    },
    "VOI LUT": {"VOILUTSequence": lut(np.sqrt(np.arange(4096)) * 1023 / 64, 0, 10)},
    "short VOI LUT": {"VOILUTSequence": lut(np.arange(500) * 2, 1500, 10)},
    "modality LUT": {"ModalityLUTSequence": lut(np.arange(4096)[::-1] * 16, 0, 16)},
    "modality LUT and window": {
        "ModalityLUTSequence": lut(np.arange(4096) * 16, 0, 16),
        "WindowCenter": 30000,
        "WindowWidth": 20000,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_unsigned_films_look_as_pydicom_shows_them(case: dict[str, Any]) -> None:
    data = write_dicom(UNSIGNED, BitsStored=12, **case)
    assert np.abs(decode_film(data).pixels - reference(data)).max() < 1e-5


@pytest.mark.parametrize(
    "name", ["nothing", "window", "rescale", "rescale and window", "inverted", "sigmoid"]
)
def test_signed_films_look_as_pydicom_shows_them(name: str) -> None:
    data = write_dicom(SIGNED, BitsStored=12, **CASES[name])
    assert np.abs(decode_film(data).pixels - reference(data)).max() < 1e-5


@pytest.mark.parametrize("written", [-2048, 65536 - 2048])
def test_a_signed_modality_lut_starts_below_zero(written: int) -> None:
    table = lut(np.arange(4096) * 16, written, 16, signed=written < 0)
    film = decode_film(write_dicom(SIGNED, BitsStored=12, ModalityLUTSequence=table))
    assert np.allclose(film.pixels, (SIGNED.astype(float) + 2048) * 16 / 65535, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    centre=st.floats(-3000, 5000),
    width=st.floats(1.01, 5000),
    slope=st.floats(0.01, 10),
    intercept=st.floats(-2000, 2000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_any_window_is_the_standards_formula(
    centre: float, width: float, slope: float, intercept: float, function: str
) -> None:
    tags = {
        "WindowCenter": centre,
        "WindowWidth": width,
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
    }
    written = {keyword: float(f"{value:.8g}") for keyword, value in tags.items()}
    c, w, m, b = written.values()
    x = UNSIGNED * m + b
    expected = {
        "LINEAR": np.clip((x - (c - 0.5)) / (w - 1) + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((x - c) / w + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(np.clip(-4 * (x - c) / w, -500, 500))),
    }[function]
    film = decode_film(write_dicom(UNSIGNED, BitsStored=12, VOILUTFunction=function, **written))
    assert np.allclose(film.pixels, expected, atol=1e-5)
    assert film.pixels.min() >= 0
    assert film.pixels.max() <= 1


def test_without_a_window_8_bits_are_those_of_a_png() -> None:
    grey = RNG.integers(20, 101, (24, 20), dtype=np.uint8)  # never near 0 or 255
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    assert np.array_equal(
        decode_film(write_dicom(grey)).pixels, decode_film(buffer.getvalue()).pixels
    )


def test_without_a_window_all_16_bits_mean_as_many_as_are_used() -> None:
    unsigned = decode_film(write_dicom(UNSIGNED))  # BitsStored 16, values below 4096
    assert np.allclose(unsigned.pixels, UNSIGNED / 4095, atol=1e-6)
    signed = decode_film(write_dicom(SIGNED))
    assert np.allclose(signed.pixels, (SIGNED.astype(float) + 2048) / 4095, atol=1e-6)


def test_both_ways_to_say_inverted_are_one_inversion() -> None:
    straight = decode_film(write_dicom(UNSIGNED, BitsStored=12)).pixels
    for tags in (
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"PresentationLUTShape": "INVERSE"},
    ):
        assert np.allclose(
            decode_film(write_dicom(UNSIGNED, BitsStored=12, **tags)).pixels,
            1 - straight,
            atol=1e-6,
        )
    assert np.array_equal(
        decode_film(write_dicom(UNSIGNED, BitsStored=12, PresentationLUTShape="IDENTITY")).pixels,
        straight,
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_whatever_it_is_and_does_not_widen_the_range(photometric: str) -> None:
    padded = UNSIGNED.copy()
    padded[:5] = 65535
    film = decode_film(
        write_dicom(padded, PhotometricInterpretation=photometric, PixelPaddingValue=65535)
    )
    assert (film.pixels[:5] == 0).all()
    shown = UNSIGNED[5:] / 4095
    assert np.allclose(
        film.pixels[5:], 1 - shown if photometric == "MONOCHROME1" else shown, atol=1e-6
    )


def test_a_range_of_padding_and_a_signed_one() -> None:
    film = decode_film(
        write_dicom(SIGNED, BitsStored=12, PixelPaddingValue=-2048, PixelPaddingRangeLimit=-1000)
    )
    assert (film.pixels[SIGNED <= -1000] == 0).all()
    assert (film.pixels[SIGNED > -1000] > 0).all()


def test_bits_beside_the_value_are_cut_off() -> None:
    overlay = UNSIGNED | (RNG.integers(0, 16, UNSIGNED.shape).astype(np.uint16) << 12)
    straight = decode_film(write_dicom(UNSIGNED, BitsStored=12)).pixels
    assert np.array_equal(decode_film(write_dicom(overlay, BitsStored=12)).pixels, straight)
    shifted = UNSIGNED << 4
    assert np.array_equal(
        decode_film(write_dicom(shifted, BitsStored=12, HighBit=15)).pixels, straight
    )


def test_a_window_that_the_standard_forbids_is_left_out() -> None:
    straight = decode_film(write_dicom(UNSIGNED, BitsStored=12)).pixels
    for width in (0, -5, 0.5):
        assert np.array_equal(
            decode_film(
                write_dicom(UNSIGNED, BitsStored=12, WindowCenter=7, WindowWidth=width)
            ).pixels,
            straight,
        )


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": 0, "RescaleIntercept": 1},
        {"VOILUTFunction": "CUBIC", "WindowCenter": 1, "WindowWidth": 5},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"ModalityLUTSequence": lut(np.arange(10), 0, 40)},
        {"HighBit": 15, "BitsStored": 17},
        {"HighBit": 3, "BitsStored": 11},
    ],
)
def test_tables_that_make_no_sense_are_refused(tags: dict[str, Any]) -> None:
    with pytest.raises(UndecodableFilm):
        decode_film(write_dicom(UNSIGNED, **{"BitsStored": 12, **tags}))
