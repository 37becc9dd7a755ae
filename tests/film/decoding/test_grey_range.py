"""The range of a film without a window, with marks in it and without; the drawn situations are in the corpus."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.grey_range import find_full_scale, find_grey_range
from tests.film.dicom_files import write_dicom

RNG = np.random.default_rng(5)
MARK = (slice(20, 40), slice(30, 54))


@settings(deadline=None, max_examples=60)
@given(highest=st.integers(1, 65535), seed=st.integers(0, 1000))
def test_the_range_of_a_film_without_marks_is_the_power_of_two_that_holds_it(
    highest: int, seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(0, highest + 1, (40, 30)).astype(np.uint16)
    found = find_full_scale(samples)
    assert not found.marks
    assert found.low == 0
    assert found.high == 2 ** int(np.ceil(np.log2(int(samples.max()) + 1))) - 1


@settings(deadline=None, max_examples=60)
@given(bits=st.integers(9, 14), mark=st.integers(0, 65535), share=st.floats(0, 0.02))
def test_few_pixels_never_darken_a_film_fourfold(bits: int, mark: int, share: float) -> None:
    samples = RNG.integers(0, 1 << bits, (60, 50)).astype(np.uint16)
    rows = int(share * 60 * 50 / 5)
    samples[:rows, :5] = mark
    assert find_full_scale(samples).bits <= bits + 1


@pytest.mark.parametrize("lowest", [-32768, -2048, -1, 0])
def test_a_signed_range_lies_around_0(lowest: int) -> None:
    positions = RNG.integers(0, 1000, (40, 30)).astype(np.uint16)
    positions[0, 0] = 0
    found = find_grey_range(positions, lowest)
    values = positions.astype(int) + lowest
    bits = 1
    while not -(1 << (bits - 1)) <= values.min() <= values.max() < 1 << (bits - 1):
        bits += 1
    expected = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if lowest < 0 else (0, 1023)
    assert (found.low, found.high) == expected


def test_padding_alone_has_a_range() -> None:
    positions = np.full((4, 4), 7, np.uint16)
    padding = np.zeros(16, bool)
    padding[7] = True
    assert find_grey_range(positions, 0, padding).high == 1


@pytest.mark.parametrize("bits", [12, 14])
def test_a_marker_leaves_real_films_as_they_are(real_data: Path, bits: int) -> None:
    paths = sorted((real_data / "nih_originals_1024" / "images").glob("*.png"))
    assert len(paths) == 13
    top = (1 << bits) - 1
    for path in paths:
        grey = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (256, 256))
        values = np.rint(grey / 255 * top).astype(np.uint16)
        marked = values.copy()
        marked[MARK] = 65535
        beside = np.ones(values.shape, bool)
        beside[MARK] = False
        for write in (write_dicom, lambda samples: cv2.imencode(".png", samples)[1].tobytes()):
            sound, film = decode_film(write(values)), decode_film(write(marked))
            assert sound.irregularities == ()
            assert film.irregularities == ("outlying_values",)
            assert np.array_equal(film.pixels[beside], sound.pixels[beside])
            assert (film.pixels[MARK] == 1).all()
