"""The film viewer in a real browser, on films and maps whose truth is known."""

import base64
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from cxr_core.reading.report import colormap
from tests.pages.fake_reader import FakeReader

pytestmark = pytest.mark.browser

ROWS, COLUMNS = 500, 300


def film(brightness: float = 0.5) -> bytes:
    """A film taller than wide, a slope of grey from left to right, its mean as asked."""
    slope = np.linspace(-60, 60, COLUMNS)[None] + 255 * brightness + np.zeros((ROWS, 1))
    return cv2.imencode(".png", np.clip(slope, 0, 255).astype(np.uint8))[1].tobytes()


def open_film(page: Page, address: str, data: bytes) -> Locator:
    page.goto(address)
    drop(page, ("film.png", data))
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]")
    viewer.wait_for()
    return viewer


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("input[type=file]").set_input_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
    )


def state(viewer: Locator) -> dict[str, str]:
    settle(viewer)
    found: dict[str, str] = viewer.evaluate("e => ({...e.dataset})")
    return found


def settle(viewer: Locator) -> None:
    """Let the browser draw what was asked for."""
    viewer.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def pixels(viewer: Locator, canvas: str) -> np.ndarray:
    """A stage canvas as (H, W, 4) uint8."""
    settle(viewer)
    url: str = viewer.evaluate("(e, name) => e.querySelector(`canvas.${name}`).toDataURL()", canvas)
    png = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


def middle_of(viewer: Locator) -> tuple[int, int]:
    box: Any = viewer.locator(".stage").bounding_box()
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def test_film_keeps_its_aspect_and_grey_values(page: Page, fake_app: str) -> None:
    viewer = open_film(page, fake_app, film())
    shown = pixels(viewer, "film")
    rows, columns = (np.flatnonzero((shown[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    assert (len(rows) / len(columns)) == pytest.approx(ROWS / COLUMNS, rel=0.01)
    line = shown[len(shown) // 2, columns[0] : columns[-1] + 1, 0].astype(float)
    expected = np.interp(np.linspace(0, 1, len(line)), [0, 1], [127.5 - 60, 127.5 + 60])
    assert np.abs(line - expected).max() <= 2


def test_invert_window_and_level_change_grey_values_without_a_rerun(
    page: Page, fake_app: str
) -> None:
    viewer = open_film(page, fake_app, film())
    page.wait_for_timeout(500)
    before = pixels(viewer, "film")
    inside = before[..., 3] == 255
    page.evaluate("""() => { window.__sent = 0; const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (...a) { window.__sent++; return send.apply(this, a); }; }""")
    viewer.get_by_label("Invert").click()
    assert (
        np.abs(pixels(viewer, "film")[inside].astype(int)[:, 0] + before[inside][:, 0] - 255).max()
        <= 1
    )
    viewer.get_by_label("Invert").click()
    viewer.locator("[data-set=window]").fill("50")
    narrowed = pixels(viewer, "film")[inside].astype(float)[:, 0]
    expected = np.clip((before[inside].astype(float)[:, 0] / 2.55 - 25) / 50 * 255, 0, 255)
    assert np.abs(narrowed - expected).max() <= 4
    viewer.get_by_label("Heatmap", exact=True).first.focus()
    viewer.locator("[data-do=heat]").click()
    viewer.get_by_label("Reset window and level").click()
    assert state(viewer) | {
        "window": "100",
        "level": "50",
        "inverted": "false",
        "heat": "off",
    } == state(viewer)
    assert np.array_equal(pixels(viewer, "film"), before)
    assert page.evaluate("window.__sent") == 0


def test_zoom_keeps_the_point_under_the_pointer_and_fit_returns(page: Page, fake_app: str) -> None:
    viewer = open_film(page, fake_app, film())
    fitted = float(state(viewer)["zoom"])
    x, y = middle_of(viewer)
    page.mouse.move(x - 40, y + 30)
    under = "(e, [x, y]) => { const b = e.querySelector('.stage').getBoundingClientRect();"
    under += " return e.filmViewer.geometry.toFilm([x - b.left, y - b.top]); }"
    before = viewer.evaluate(under, [x - 40, y + 30])
    page.mouse.wheel(0, -400)
    assert float(state(viewer)["zoom"]) > 1.5 * fitted
    assert viewer.evaluate(under, [x - 40, y + 30]) == pytest.approx(before, abs=0.01)
    page.mouse.down()
    page.mouse.move(x - 20, y + 50, steps=3)
    page.mouse.up()
    assert viewer.evaluate(under, [x - 20, y + 50]) == pytest.approx(before, abs=0.01)
    viewer.focus()
    page.keyboard.press("0")
    assert float(state(viewer)["zoom"]) == fitted
    page.keyboard.press("+")
    assert float(state(viewer)["zoom"]) == pytest.approx(1.25 * fitted, rel=1e-3)


def test_heatmap_has_the_values_and_colours_of_the_core(page: Page, fake_app: str) -> None:
    data = film(0.6)
    viewer = open_film(page, fake_app, data)
    evidence = FakeReader().examine(data).outputs[0].attributions["cardiomegaly"]
    on_film = evidence.on_film()
    for row, column in [(0, 0), (320, 140), (345, 190), (410, 160), (499, 299)]:
        value = viewer.evaluate("(e, p) => e.filmViewer.valueAt(p)", [column + 0.5, row + 0.5])
        assert value == pytest.approx(float(on_film[row, column]), abs=2e-4)
    heat = pixels(viewer, "heat")
    scale, x, y = viewer.evaluate(
        "e => [e.filmViewer.geometry.scale, e.filmViewer.geometry.x, e.filmViewer.geometry.y]"
    )
    row, column = np.unravel_index(np.argmax(on_film), on_film.shape)
    seen = heat[int((row + 0.5) * scale + y), int((column + 0.5) * scale + x)].astype(int)
    share = on_film[row, column] / evidence.scale
    assert np.abs(seen[:3] - colormap.map_colours(np.array(share)).astype(int)).max() <= 6
    assert seen[3] == pytest.approx(255 * colormap.map_opacities(np.array(share), 1.0), abs=4)
    assert float(viewer.locator("canvas.heat").evaluate("c => c.style.opacity")) == colormap.OPACITY


def test_heatmap_is_undefined_outside_the_models_input(page: Page, fake_app: str) -> None:
    viewer = open_film(page, fake_app, film(0.6))
    viewer.get_by_role("radio", name="Pneumonia").click()  # its model crops the film's middle
    assert state(viewer)["layer"] == "lung-children/pneumonia"
    top, middle = (
        "(e) => e.filmViewer.valueAt([150, 20])",
        "(e) => e.filmViewer.valueAt([150, 250])",
    )
    assert viewer.evaluate(f"e => Number.isNaN(({top})(e))")
    assert not viewer.evaluate(f"e => Number.isNaN(({middle})(e))")


def test_film_without_evidence_has_a_transparent_heatmap(page: Page, fake_app: str) -> None:
    viewer = open_film(page, fake_app, film(-0.1))
    assert pixels(viewer, "heat")[..., 3].max() <= 2
    expect(viewer.locator(".unit")).to_contain_text("evidence, logits per cell")


def test_other_method_is_computed_on_request_and_labelled_relative(
    page: Page, fake_app: str
) -> None:
    viewer = open_film(page, fake_app, film(0.6))
    viewer.get_by_label("Invert").click()
    viewer.locator("select").select_option("layercam")
    expect(viewer).to_have_attribute("data-method", "layercam")
    expect(viewer.locator(".unit")).to_contain_text("relative")
    assert state(viewer)["inverted"] == "true", "the view outlives the rerun"
    viewer.locator("select").select_option("evidence")
    expect(viewer.locator(".unit")).to_contain_text("logits per cell")
