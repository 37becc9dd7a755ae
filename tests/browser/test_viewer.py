"""The film viewer in a real browser, on films and maps whose truth is known."""

import base64
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cxr_core.reading.report import colormap
from tests.browser.served_app import serve
from tests.browser.viewer_page import COLUMNS, ROWS, SPACING, make_slope
from tests.hearts import SLENDER, segment_drawing
from tests.pages.fake_reader import FakeReader

pytestmark = pytest.mark.browser

VIEWERS = ["-m", "streamlit", "run", "tests/browser/viewer_page.py", "--server.port", "{port}"]
CORRECTIONS = {
    "Invert the greyscale": "invert",
    "Turn by 90° clockwise": "rotate",
    "Mirror": "mirror",
}
# Windows of the presets, in per cent of the film's grey values.
PRESETS = {"1": (0, 100), "2": (0, 60), "3": (40, 100), "4": (45, 85)}


@pytest.fixture(scope="module")
def viewers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with nothing but viewers."""
    yield from serve(VIEWERS, tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def still_viewer(browser: Browser, viewers: str) -> Iterator[Locator]:
    """The viewer of a slender heart, for tests that leave it as it was."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        yield open_viewer(context.new_page(), viewers)


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


def open_viewer(page: Page, address: str) -> Locator:
    page.goto(address)
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]").first
    viewer.wait_for()
    return viewer


def to_film(viewer: Locator, x: float, y: float) -> tuple[float, float]:
    """A point of the window as a point (x, y) of the film."""
    box: Any = viewer.locator(".stage").bounding_box()
    at = viewer.evaluate(
        "(e, at) => e.filmViewer.geometry.toFilm(at)", [x - box["x"], y - box["y"]]
    )
    return at[0], at[1]


def center_of(locator: Locator) -> tuple[float, float]:
    box: Any = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], button: Any = "left"):
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up(button=button)


def count_what_is_sent(page: Page) -> None:
    page.wait_for_timeout(500)  # what the page itself still sends
    page.evaluate("""() => { window.__sent = 0; const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (...a) { window.__sent++; return send.apply(this, a); }; }""")


def middle_of(viewer: Locator) -> tuple[int, int]:
    box: Any = viewer.locator(".stage").bounding_box()
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def test_film_keeps_its_aspect_and_grey_values(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=grey")
    shown = pixels(viewer, "film")
    rows, columns = (np.flatnonzero((shown[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    assert (len(rows) / len(columns)) == pytest.approx(ROWS / COLUMNS, rel=0.01)
    line = shown[len(shown) // 2, columns[0] : columns[-1] + 1, 0].astype(float)
    expected = np.interp(np.linspace(0, 1, len(line)), [0, 1], [127.5 - 60, 127.5 + 60])
    assert np.abs(line - expected).max() <= 2


def test_invert_window_and_level_change_grey_values_without_a_rerun(
    page: Page, viewers: str
) -> None:
    viewer = open_viewer(page, f"{viewers}?film=grey")
    count_what_is_sent(page)
    before = pixels(viewer, "film")
    inside = before[..., 3] == 255
    viewer.get_by_label("Invert").click()
    assert (
        np.abs(pixels(viewer, "film")[inside].astype(int)[:, 0] + before[inside][:, 0] - 255).max()
        <= 1
    )
    viewer.get_by_label("Invert").click()
    viewer.get_by_role("button", name="Window and level", exact=True).click()
    viewer.get_by_label("Window in per cent").fill("50")
    narrowed = pixels(viewer, "film")[inside].astype(float)[:, 0]
    expected = np.clip((before[inside].astype(float)[:, 0] / 2.55 - 25) / 50 * 255, 0, 255)
    assert np.abs(narrowed - expected).max() <= 4
    viewer.get_by_label("Reset window and level").click()
    viewer.locator("[data-do=heat]").click()
    assert state(viewer) | {
        "window": "100",
        "level": "50",
        "inverted": "false",
        "heat": "off",
    } == state(viewer)
    assert np.array_equal(pixels(viewer, "film"), before)
    assert page.evaluate("window.__sent") == 0


def test_zoom_keeps_the_point_under_the_pointer_and_fit_returns(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=grey")
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


def test_heatmap_has_the_values_and_colours_of_the_core(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=bright")
    evidence = FakeReader().examine(make_slope("bright")).outputs[0].attributions["cardiomegaly"]
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


def test_heatmap_is_undefined_outside_the_models_input(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=bright")
    viewer.get_by_role("radio", name="Pneumonia").click()  # its model crops the film's middle
    assert state(viewer)["layer"] == "pneumonia"
    top, middle = (
        "(e) => e.filmViewer.valueAt([150, 20])",
        "(e) => e.filmViewer.valueAt([150, 250])",
    )
    assert viewer.evaluate(f"e => Number.isNaN(({top})(e))")
    assert not viewer.evaluate(f"e => Number.isNaN(({middle})(e))")


def test_film_without_evidence_has_a_transparent_heatmap(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=dark")
    assert pixels(viewer, "heat")[..., 3].max() <= 2
    expect(viewer.locator(".unit")).to_contain_text("evidence, logits per cell")


def test_other_method_is_computed_on_request_and_labelled_relative(
    page: Page, viewers: str
) -> None:
    viewer = open_viewer(page, f"{viewers}?film=bright")
    viewer.get_by_label("Invert").click()
    viewer.get_by_role("button", name="Opacity and method").click()
    viewer.locator("select").select_option("layercam")
    expect(viewer).to_have_attribute("data-method", "layercam")
    expect(viewer.locator(".unit")).to_contain_text("relative")
    assert state(viewer)["inverted"] == "true", "the view outlives the rerun"
    viewer.locator("select").select_option("evidence")
    expect(viewer.locator(".unit")).to_contain_text("logits per cell")


def test_right_drag_sets_window_and_level(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    x, y = middle_of(viewer)
    matrix = viewer.evaluate("e => e.filmViewer.geometry.matrix")
    drag(page, (x, y - 90), (x - 90, y - 65), button="right")
    assert (state(viewer)["window"], state(viewer)["level"]) == ("70", "55")
    assert viewer.evaluate("e => e.filmViewer.geometry.matrix") == matrix, "the film stays"
    viewer.get_by_role("button", name="Window and level", exact=True).click()
    expect(viewer.get_by_label("Window in per cent")).to_have_value("70")
    viewer.get_by_label("Level in per cent").fill("120")
    assert state(viewer)["level"] == "100"
    page.keyboard.press("Tab")
    expect(viewer.get_by_label("Level in per cent")).to_have_value("100")


def test_presets_spread_the_greys_they_name(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?film=bright")
    before = pixels(viewer, "film").astype(float)
    inside = before[..., 3] == 255
    viewer.focus()
    for key, (low, high) in PRESETS.items():
        page.keyboard.press(key)
        shown = pixels(viewer, "film")[inside][:, 0]
        expected = np.clip((before[inside][:, 0] / 2.55 - low) / (high - low), 0, 1) * 255
        assert np.abs(shown - expected).max() <= 8  # eight bits before and after
        assert viewer.locator("[data-do^=preset][aria-pressed=true]").text_content()[-1] == key


def test_magnifier_shows_the_film_under_the_pointer_two_and_a_half_times_larger(
    page: Page, viewers: str
) -> None:
    viewer = open_viewer(page, viewers)
    x, y = middle_of(viewer)
    page.mouse.move(x - 60, y - 40)
    viewer.focus()
    page.keyboard.press("g")
    lens = pixels(viewer, "lens")[..., 0].astype(float)
    stage: Any = viewer.locator(".stage").bounding_box()
    left, top = round(x - 60 - stage["x"]), round(y - 40 - stage["y"])
    seen = pixels(viewer, "film")[top - 24 : top + 25, left - 24 : left + 25, 0].astype(float)
    inner = cv2.resize(lens[30:150, 30:150], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(inner.ravel(), seen[:48, :48].ravel())[0, 1] > 0.97
    assert center_of(viewer.locator(".lens")) == pytest.approx((x - 60, y - 40), abs=1)
    page.mouse.move(5, 5)
    expect(viewer.locator(".lens")).to_be_hidden()
    page.keyboard.press("g")
    assert state(viewer)["magnifier"] == "off"
    page.keyboard.down("g")
    assert state(viewer)["magnifier"] == "on"
    page.wait_for_timeout(600)
    page.keyboard.up("g")
    assert state(viewer)["magnifier"] == "off", "a key that was held magnifies only so long"


@pytest.mark.parametrize("spacing", [None, SPACING])
def test_length_is_measured_deleted_and_gone_with_the_film(
    page: Page, viewers: str, spacing: tuple[float, float, str] | None
) -> None:
    viewer = open_viewer(page, viewers + ("?spacing" if spacing else ""))
    x, y = middle_of(viewer)
    start, end = (x - 120.0, y - 80.0), (x + 90.0, y - 20.0)
    (x0, y0), (x1, y1) = to_film(viewer, *start), to_film(viewer, *end)
    matrix = viewer.evaluate("e => e.filmViewer.geometry.matrix")
    viewer.get_by_role("button", name="Length", exact=True).click()
    drag(page, start, end)
    label = viewer.locator(".measure-label span")
    if spacing is None:
        expect(label).to_have_text(f"{math.hypot(x1 - x0, y1 - y0):.0f} px")
        expect(viewer.locator(".note")).to_have_text("Lengths in px, as no pixel size is known")
    else:
        row, column, source = spacing
        expect(label).to_have_text(f"{math.hypot((x1 - x0) * column, (y1 - y0) * row):.1f} mm")
        expect(viewer.locator(".note")).to_have_text(f"Lengths in mm {source}")
    assert viewer.evaluate("e => e.filmViewer.geometry.matrix") == matrix, "the film stays"
    viewer.get_by_role("button", name="Delete this length").click()
    expect(label).to_have_count(0)
    viewer.focus()
    page.keyboard.press("l")
    for place in (start, end):
        page.mouse.click(*place)
    expect(label).to_have_count(1)
    drag(page, (x, y + 100), (x + 30, y + 100))
    assert viewer.evaluate("e => e.filmViewer.geometry.matrix") != matrix, "one length, then move"
    page.get_by_text("wide", exact=True).click()
    expect(viewer).to_have_attribute("data-film", "wide")
    expect(label).to_have_count(0)
    expect(viewer.locator(".measure")).to_have_count(0)


def test_angle_takes_three_clicks_and_its_points_can_be_dragged(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    x, y = middle_of(viewer)
    viewer.focus()
    page.keyboard.press("a")
    for dx, dy in ((-80, -60), (0, -60), (0, 20)):
        page.mouse.click(x + dx, y + dy)
    label = viewer.locator(".measure-label span")
    expect(label).to_have_text("90.0°")
    handle = viewer.get_by_role("slider", name="Angle, end 2")
    drag(page, center_of(handle), (x + 80, y + 20))
    expect(label).to_have_text("135.0°")
    page.keyboard.press("Delete")
    expect(label).to_have_count(0)
    assert viewer.evaluate("e => e.getRootNode().activeElement === e"), "keys go on working"


def test_length_without_a_mouse(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    viewer.focus()
    page.keyboard.press("l")
    expect(viewer.locator(".note")).to_contain_text("click its two ends")
    page.keyboard.press("Escape")
    expect(viewer.locator(".note")).to_have_text("")
    for key in ("l", "Enter", "Shift+ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    scale = viewer.evaluate("e => e.filmViewer.geometry.scale")
    expect(viewer.locator(".measure-label span")).to_have_text(f"{120 / scale + 11:.0f} px")
    expect(viewer.get_by_role("slider", name="Length, end 1")).to_be_focused()


def test_one_to_one_shows_a_pixel_of_the_film_on_one_of_the_screen(still_viewer: Locator) -> None:
    viewer = still_viewer
    fitted = state(viewer)["zoom"]
    viewer.get_by_label("1 to 1").click()
    assert float(state(viewer)["zoom"]) == 1
    expect(viewer.locator(".zoom")).to_have_text("100 %")
    viewer.press("z")
    assert float(state(viewer)["zoom"]) == 1
    viewer.press("0")
    assert state(viewer)["zoom"] == fitted != "1.0000"


def test_question_mark_lists_every_key_of_every_button(still_viewer: Locator) -> None:
    viewer, page = still_viewer, still_viewer.page
    viewer.focus()
    page.keyboard.press("?")
    keys = viewer.get_by_role("dialog", name="Keys of the film viewer")
    expect(keys).to_be_visible()
    listed = set(keys.locator("kbd").all_text_contents())
    named = viewer.locator("[data-do][title]").evaluate_all(
        "buttons => buttons.map(b => b.title.match(/\\((.+)\\)$/)?.[1]).filter(Boolean)"
    )
    shown = viewer.locator(".panel kbd").all_text_contents()
    assert len(named) >= 10
    assert {name.replace("−", "-") for name in named} | set(shown) <= listed
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_corrections_are_requested_by_menu_and_by_key(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    received = page.get_by_test_id("stCode").first
    for choice, change in CORRECTIONS.items():
        viewer.get_by_role("button", name="Correct and read again").click()
        viewer.get_by_role("menuitem", name=choice).click()
        expect(received).to_have_text(f"{change} of slender")
        expect(viewer.get_by_role("menu")).to_be_hidden()
    assert state(viewer)["inverted"] == "false", "the display itself is left alone"
    page.get_by_text("wide", exact=True).click()
    expect(viewer).to_have_attribute("data-film", "wide")
    for key, change in zip("ITF", CORRECTIONS.values(), strict=True):
        viewer.focus()
        page.keyboard.press(f"Shift+{key}")
        expect(received).to_have_text(f"{change} of wide")


def test_no_correction_is_offered_where_nothing_reads_again(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, f"{viewers}?fixed")
    expect(viewer.get_by_role("button", name="Correct and read again")).to_be_hidden()
    count_what_is_sent(page)
    viewer.focus()
    page.keyboard.press("Shift+I")
    page.keyboard.press("?")
    expect(viewer.get_by_text("Shift+I").last).to_be_hidden()
    assert page.evaluate("window.__sent") == 0


def test_heatmap_is_strongest_at_the_centre_of_the_strongest_cell(still_viewer: Locator) -> None:
    viewer = still_viewer
    row, column = 5.5 / 8 * SLENDER.height, 4.5 / 8 * SLENDER.width
    values = viewer.evaluate(
        """(e, [height, width]) => Array.from({length: height * width}, (_, i) =>
            e.filmViewer.valueAt([i % width + 0.5, Math.floor(i / width) + 0.5]))""",
        [SLENDER.height, SLENDER.width],
    )
    drawn = np.array(values).reshape(SLENDER.height, SLENDER.width)
    found = np.unravel_index(drawn.argmax(), drawn.shape)
    assert np.allclose(np.add(found, 0.5), (row, column), atol=1)
    assert 0.449 < drawn.max() <= 0.45
    assert drawn.min() >= -0.02


def test_labels_stand_outside_the_film(still_viewer: Locator) -> None:
    viewer, page = still_viewer, still_viewer.page
    page.mouse.move(*middle_of(viewer))
    stage: Any = viewer.locator(".stage").bounding_box()
    for name, text in ((".badge", "Synthetic"), (".ratio", "CTR 0.43"), (".readout", "grey")):
        expect(viewer.locator(name)).to_contain_text(text)
        box: Any = viewer.locator(name).bounding_box()
        assert box["y"] >= stage["y"] + stage["height"]


def test_handles_lie_on_their_line_and_the_line_moves_as_a_whole(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    handles = [viewer.locator(f"[data-end=heart-{end}] .hit") for end in (0, 1)]
    line = viewer.locator(".across.heart.stroke")
    level = center_of(line)[1]
    assert [center_of(handle)[1] for handle in handles] == pytest.approx([level, level], abs=1)
    heart = viewer.evaluate("e => structuredClone(e.filmViewer.calipers.lines.heart)")
    assert heart[0][1] != heart[1][1], "the outermost points differ in height"
    x, y = center_of(handles[1])
    drag(page, (x, y), (x + 28, y + 40))
    moved = viewer.evaluate("e => structuredClone(e.filmViewer.calipers.lines.heart)")
    scale = viewer.evaluate("e => e.filmViewer.geometry.scale")
    assert moved[1] == pytest.approx([heart[1][0] + 28 / scale, heart[1][1]], abs=0.02)
    assert center_of(handles[1])[1] == pytest.approx(level, abs=1)
    received = page.get_by_test_id("stCode").nth(1)
    thorax = segment_drawing(SLENDER).thorax
    sent = tuple((float(x), float(y)) for x, y in moved)
    expect(received).to_have_text(f"{sent} {thorax}")
    drag(page, (x - 30, level), (x - 10, level - 40))
    raised = viewer.evaluate("e => structuredClone(e.filmViewer.calipers.lines.heart)")
    for before, after in zip(moved, raised, strict=True):
        assert after == pytest.approx([before[0], before[1] - 40 / scale], abs=0.02)
    assert center_of(handles[0])[1] == pytest.approx(level - 40, abs=1)


def test_handles_are_named_by_the_patients_sides(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    left = viewer.get_by_role("slider", name="Heart, end on the patient's left")
    assert left.get_attribute("data-end") == "heart-1"
    viewer = open_viewer(page, f"{viewers}?mirrored")
    expect(
        viewer.get_by_role("slider", name="Heart, end on the right of the picture")
    ).to_have_count(1)


def test_linked_viewers_show_the_same_part_with_the_same_window(page: Page, viewers: str) -> None:
    left = open_viewer(page, f"{viewers}?two")
    right = page.locator("[data-testid=film-viewer][data-ready=true]").nth(1)
    right.wait_for()
    count_what_is_sent(page)
    view = "e => e.filmViewer.geometry.view"
    x, y = middle_of(right)
    page.mouse.move(x + 20, y - 30)
    page.mouse.wheel(0, -500)
    drag(page, (x, y), (x - 25, y + 40))
    drag(page, (x, y - 60), (x - 30, y - 60), button="right")
    assert state(left)["window"] == state(right)["window"] == "90"
    seen, shown = right.evaluate(view), left.evaluate(view)
    assert shown["zoom"] == pytest.approx(seen["zoom"])
    assert seen["zoom"] > 1.5
    assert shown["middle"] == pytest.approx(seen["middle"])
    left.focus()
    page.keyboard.press("2")
    assert state(right)["window"] == "60"
    page.keyboard.press("i")
    assert state(right)["inverted"] == "false", "each film may have its own polarity"
    assert page.evaluate("window.__sent") == 0
    page.get_by_text("wide", exact=True).click()
    expect(left).to_have_attribute("data-film", "wide")
    assert left.evaluate(view)["zoom"] == pytest.approx(seen["zoom"]), "another film joins the view"
    assert right.evaluate(view)["zoom"] == pytest.approx(seen["zoom"])


def test_toolbar_is_one_row(page: Page, viewers: str) -> None:
    viewer = open_viewer(page, viewers)
    for width in (900, 620, 358):
        viewer.evaluate("(e, width) => { e.style.width = `${width}px`; }", width)
        require_one_row(viewer, bars=2 if width > 600 else 1)


def require_one_row(viewer: Locator, bars: int) -> None:
    settle(viewer)
    for bar in viewer.locator(".bar").all()[:bars]:
        boxes: Any = [group.bounding_box() for group in bar.locator(":scope > .group").all()]
        middles = [box["y"] + box["height"] / 2 for box in boxes if box]
        assert len(middles) >= 4
        assert max(middles) - min(middles) < 4
        right: Any = bar.bounding_box()
        assert all(box["x"] + box["width"] <= right["x"] + right["width"] for box in boxes if box)
