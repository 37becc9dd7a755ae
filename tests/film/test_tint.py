"""Films with a tint against their grey twins; colour photographs and false-colour scales against both."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.raster import to_pixels
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph

pytestmark = pytest.mark.corpus

GREY = np.rint(draw_phantom(PhantomSpec(height=300, width=280)).pixels * 255).astype(np.uint8)
# Red, green and blue at even steps from black to white, straight in between.
TINTS = {
    "blue base": [(0, 0, 0), (0.72, 0.83, 1)],
    "strong blue base": [(0, 0, 0), (0.55, 0.75, 1)],
    "light box": [(0.05, 0.07, 0.1), (0.5, 0.55, 0.62), (0.88, 0.94, 1)],
    "blue export": [(0, 0, 0.02), (0.1, 0.25, 0.45), (0.5, 0.7, 0.9), (0.95, 1, 1)],
    "sepia": [(0, 0, 0), (1, 0.88, 0.7)],
    "old paper": [(0.08, 0.04, 0), (0.5, 0.4, 0.28), (1, 0.95, 0.84)],
    "green": [(0, 0, 0), (0.8, 1, 0.85)],
    "pink": [(0, 0, 0), (1, 0.88, 0.9)],
}
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "coral_dragonfly.jpg", "retina.jpg")
SCALES = {
    "magma": cv2.COLORMAP_MAGMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
    "hot": cv2.COLORMAP_HOT,
    "jet": cv2.COLORMAP_JET,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "turbo": cv2.COLORMAP_TURBO,
}


def tinted(values: np.ndarray, tint: str) -> np.ndarray:
    """Grey values (H, W) uint8 in a tint: (H, W, 3) uint8."""
    points = np.array(TINTS[tint], float)
    steps = np.linspace(0, 255, len(points))
    rgb = [np.interp(values, steps, points[:, channel]) for channel in range(3)]
    return np.rint(np.stack(rgb, axis=-1) * 255).astype(np.uint8)


def as_jpeg(values: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def codes(film: Radiograph) -> set[str]:
    return {flag.code for flag in find_quality_flags(film)}


@pytest.mark.parametrize("tint", sorted(TINTS))
@pytest.mark.parametrize("quality", [60, 95])
def test_a_tinted_film_is_read_as_grey_and_flagged(tint: str, quality: int) -> None:
    film = decode_film(as_jpeg(tinted(GREY, tint), quality))
    assert film.irregularities == ("tinted",)
    flags = find_quality_flags(film)
    assert "colour" not in {flag.code for flag in flags}
    (flag,) = [flag for flag in flags if flag.code == "tinted"]
    assert not flag.withholds_reading
    assert not flag.withholds_call
    # The same order of greys as the twin's, to the noise of JPEG.
    smooth = cv2.blur(film.pixels, (9, 9)).ravel()
    twin = cv2.blur(GREY / 255.0, (9, 9)).ravel()
    assert np.corrcoef(smooth, twin)[0, 1] > 0.97


def test_a_tint_that_only_weakens_channels_gives_the_twins_own_grey() -> None:
    for tint in ("blue base", "strong blue base", "green", "pink", "sepia"):
        grey = to_pixels(tinted(GREY, tint), 255)
        assert grey.irregularities == ("tinted",)
        np.testing.assert_allclose(grey.pixels, GREY / 255, atol=0.012)


def test_16_bits_and_alpha_are_measured_alike() -> None:
    wide = tinted(GREY, "blue base").astype(np.uint16) * 257
    assert to_pixels(wide, 65535).irregularities == ("tinted",)
    alpha = np.ones(GREY.shape, np.float32)
    alpha[:, 200:] = 0
    grey = to_pixels(tinted(GREY, "blue base"), 255, alpha)
    assert grey.irregularities == ("tinted",)
    assert grey.pixels[:, 200:].max() == 0


def test_uneven_light_and_a_white_frame_are_allowed() -> None:
    rgb = tinted(GREY, "light box").astype(float)
    rgb[..., 0] *= np.linspace(1, 0.9, rgb.shape[1])
    rgb[..., 2] *= np.linspace(0.95, 1, rgb.shape[0])[:, None]
    framed = np.pad(rgb.astype(np.uint8), ((9, 9), (9, 9), (0, 0)), constant_values=255)
    assert decode_film(as_jpeg(framed, 85)).irregularities == ("tinted",)


def test_grey_films_get_no_flag() -> None:
    for quality in (60, 95):
        film = decode_film(as_jpeg(np.dstack([GREY] * 3), quality))
        assert film.irregularities == ()


@pytest.mark.parametrize("tint", [None, "blue base"])
def test_an_arrow_is_named_and_large_marks_are_refused(tint: str | None) -> None:
    values = np.dstack([GREY] * 3) if tint is None else tinted(GREY, tint)
    marked = values.copy()
    cv2.arrowedLine(marked, (190, 200), (150, 160), (255, 0, 0), 3, tipLength=0.3)
    film = decode_film(as_jpeg(marked, 90))
    assert film.irregularities == (
        ("coloured_marks",) if tint is None else ("tinted", "coloured_marks")
    )
    assert "colour" not in codes(film)
    covered = values.copy()
    covered[40:120, 40:120] = (255, 40, 40)
    assert "colour" in codes(decode_film(as_jpeg(covered, 90)))


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_false_colours_are_no_tint(scale: str) -> None:
    full = np.rint(GREY / GREY.max() * 255).astype(np.uint8)
    film = decode_film(as_jpeg(cv2.applyColorMap(full, SCALES[scale])[..., ::-1], 95))
    assert film.irregularities == ()
    assert "colour" in codes(film)


def test_a_colour_too_strong_for_a_tint_is_refused() -> None:
    for weights in ((1, 0.2, 0.2), (0.3, 0.3, 1)):
        film = decode_film(
            as_jpeg(np.rint(GREY[..., None] * np.array(weights)).astype(np.uint8), 95)
        )
        assert film.irregularities == ()
        assert "colour" in codes(film)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_colour_photographs_are_no_tinted_films(real_data: Path, name: str) -> None:
    film = decode_film((real_data / "not_chest" / "natural" / name).read_bytes())
    assert film.irregularities == ()
    assert "colour" in codes(film)


def test_real_films_in_a_tint_are_read(real_data: Path) -> None:
    films = sorted((real_data / "nih_boxes_256" / "images").iterdir())[::40]
    assert len(films) >= 12
    refused = []
    for index, path in enumerate(films):
        tint = sorted(TINTS)[index % len(TINTS)]
        with Image.open(path) as opened:
            values = np.asarray(opened.convert("L"))
        film = decode_film(as_jpeg(tinted(values, tint), 60 + 3 * index))
        if film.irregularities != ("tinted",) or "colour" in codes(film):
            refused.append((path.name, tint))
    assert not refused


def test_any_colours_give_a_measure() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    thin = np.dstack([np.arange(64 * 400, dtype=np.uint8).reshape(64, 400)] * 3)
    thin[..., 2] //= 2
    white = np.full((80, 80, 3), 255, np.uint8)
    white[..., 2] = 200
    for values in (noise, red, thin, thin.swapaxes(0, 1), white, red[:3, :3]):
        grey = to_pixels(values, 255)
        assert np.isfinite(grey.pixels).all()
        assert 0 <= grey.pixels.min() <= grey.pixels.max() <= 1
