"""Photographs and screenshots of films are told from films, with collimation and plain borders among these."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.film.artefacts.photographed import (
    PATTERN_ABOVE,
    find_sheet,
    is_in_perspective,
    measure_pattern,
    was_photographed,
)
from cxr_core.film.artefacts.screenshot import is_screenshot, measure_even_grey
from cxr_core.film.phantom.phantom import SAMPLES, PhantomSpec, draw_phantom
from tests.film.artefacts.rates import list_films, load_film
from tests.film.artefacts.retaken import SURROUNDS, photograph, take_screenshot

pytestmark = pytest.mark.corpus

PIXELS = draw_phantom(PhantomSpec(height=512, width=448)).pixels


def collimate(degrees: float, level: float = 0.0) -> np.ndarray:
    """The phantom's middle in a turned rectangle; black or white beyond."""
    height, width = PIXELS.shape
    box = ((width / 2, height / 2), (0.84 * width, 0.84 * height), degrees)
    inside = np.zeros_like(PIXELS)
    cv2.fillConvexPoly(inside, np.rint(cv2.boxPoints(box)).astype(np.int32), 1.0)
    return inside * (0.15 + 0.8 * PIXELS) + (1 - inside) * np.float32(level)


@pytest.mark.parametrize("spec", SAMPLES.values(), ids=SAMPLES)
def test_phantoms_are_films(spec: PhantomSpec) -> None:
    pixels = draw_phantom(spec).pixels
    assert not was_photographed(pixels)
    assert not is_screenshot(pixels)


@pytest.mark.parametrize("surround", SURROUNDS)
def test_photographs_are_found(surround: str) -> None:
    rng = np.random.default_rng(2)
    found = [was_photographed(photograph(PIXELS, rng, surround)) for _ in range(20)]
    assert np.mean(found) >= 0.8


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("degrees", [-4.0, 0.0, 2.5])
def test_collimation_is_a_rectangle(degrees: float, level: float) -> None:
    film = collimate(degrees, level)
    sheet = find_sheet(film)
    assert sheet is not None
    assert min(sheet.supports) > 0.8
    assert sheet.skew_degrees < 1
    assert not is_in_perspective(sheet)
    assert not is_screenshot(film)


def test_the_skew_of_a_sheet_is_measured_in_degrees() -> None:
    height, width = PIXELS.shape
    lean = np.tan(np.deg2rad(5))
    corners = [
        [0.1 * width, 0.1 * height],
        [0.9 * width, 0.1 * height],
        [0.9 * width - 0.8 * height * lean, 0.9 * height],
        [0.1 * width, 0.9 * height],
    ]
    inside = np.zeros_like(PIXELS)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 1.0)
    sheet = find_sheet(0.6 * inside + 0.2)
    assert sheet is not None
    assert sheet.skew_degrees == pytest.approx(5, abs=0.5)
    assert is_in_perspective(sheet)


@pytest.mark.parametrize("period_px", [4, 9, 20])
def test_a_pattern_is_found_and_tissue_is_none(period_px: int) -> None:
    large = cv2.resize(PIXELS, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    film = np.clip(large + rng.normal(0, 0.01, large.shape), 0, 1).astype(np.float32)
    assert measure_pattern(film) < 0.5 * PATTERN_ABOVE
    rows, columns = np.mgrid[:1024, :1024]
    wave = np.sin(2 * np.pi * (0.8 * columns + 0.6 * rows) / period_px)
    assert measure_pattern((film * (1 + 0.08 * wave)).astype(np.float32)) > PATTERN_ABOVE


@pytest.mark.parametrize("theme", [35, 60, 210])
def test_screenshots_are_found(theme: int) -> None:
    rng = np.random.default_rng(theme)
    assert np.mean([is_screenshot(take_screenshot(PIXELS, rng, theme)) for _ in range(12)]) >= 0.9


def test_the_share_of_an_even_grey_is_measured() -> None:
    framed = cv2.copyMakeBorder(PIXELS, 0, 0, 0, 448, cv2.BORDER_CONSTANT, value=0.25)
    assert measure_even_grey(framed) == pytest.approx(0.5, abs=0.02)
    for level in (0.0, 1.0):
        plain = cv2.copyMakeBorder(PIXELS, 0, 0, 0, 448, cv2.BORDER_CONSTANT, value=level)
        assert measure_even_grey(plain) < 0.002


@pytest.mark.parametrize("folder", ["nih_boxes_256", "heart_ctr/images", "kermany_pneumonia/test"])
def test_real_films(real_data: Path, folder: str) -> None:
    """Of the whole folders at most 1.5 % are flagged, and 93 % of photographs are found (photographed.py)."""
    films = [load_film(path) for path in list_films(real_data / folder, 14, 3)]
    rng = np.random.default_rng(1)
    flagged = [was_photographed(film) or is_screenshot(film) for film in films]
    assert sum(flagged) <= 1
    assert np.mean([was_photographed(photograph(film, rng)) for film in films]) >= 0.8
