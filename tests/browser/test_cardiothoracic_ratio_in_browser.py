"""The heart's width in a real browser: ends dragged, moved by keys and typed in, the ratio read off wherever it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cxr_core.film.phantom.phantom import PhantomSpec
from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.ratio import measure_width, suggest_diameters
from tests.browser.served_app import HEART_OUTLINES, serve
from tests.hearts import MISSED, SLENDER, file_of, segment_drawing

pytestmark = pytest.mark.browser

AUTOMATIC = segment_drawing(SLENDER)
assert AUTOMATIC.heart is not None
assert AUTOMATIC.thorax is not None
HEART, THORAX = AUTOMATIC.heart, AUTOMATIC.thorax
POSITION = "(e, end) => e.filmViewer.calipers.lines[end.split('-')[0]][Number(end.split('-')[1])]"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app whose reader outlines drawn chests."""
    yield from serve(HEART_OUTLINES, tmp_path_factory.mktemp("workspace"))


def open_film(page: Page, address: str, spec: PhantomSpec = SLENDER) -> Locator:
    page.goto(address)
    page.locator("input[type=file]").set_input_files(
        {"name": "heart.png", "mimeType": "image/png", "buffer": file_of(spec)}
    )
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]")
    viewer.wait_for()
    expect(page.get_by_role("button", name="Report (JSON)")).to_be_visible()
    return viewer


def card(page: Page) -> Locator:
    return page.locator("[class*=st-key-heart]")


def expect_ratio(page: Page, ratio: float) -> None:
    """The same ratio in the card and on the film."""
    expect(card(page)).to_contain_text(f"CTR {format_ratio(ratio)}")
    expect(page.locator(".ratio b")).to_have_text(format_ratio(ratio))


def scale_of(viewer: Locator) -> float:
    return float(viewer.evaluate("e => e.filmViewer.geometry.scale"))


def position(viewer: Locator, end: str) -> tuple[float, float]:
    x, y = viewer.evaluate(POSITION, end)
    return x, y


def middle(handle: Locator) -> tuple[float, float]:
    box: Any = handle.locator(".hit").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, viewer: Locator, end: str, dx: float, dy: float = 0) -> None:
    """Drag an end by so many film pixels, and hold it there."""
    x, y = middle(viewer.locator(f"[data-end={end}]"))
    scale = scale_of(viewer)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx * scale / 2, y + dy * scale / 2)
    page.mouse.move(x + dx * scale, y + dy * scale)


def download(page: Page, kind: str) -> str:
    with page.expect_download() as loaded:
        page.get_by_role("button", name=f"Report ({kind})").click()
    return Path(loaded.value.path()).read_text(encoding="utf-8")


def count_what_is_sent(page: Page) -> None:
    page.evaluate("""() => { window.__sent = 0; const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (...a) { window.__sent++; return send.apply(this, a); }; }""")


def test_dragged_endpoint_is_the_same_on_page_json_and_report(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    expect(viewer).to_have_attribute("data-hearts", "on")
    automatic = measure_width(HEART) / measure_width(THORAX)
    expect_ratio(page, automatic)
    page.wait_for_timeout(500)
    count_what_is_sent(page)
    film = viewer.evaluate("e => e.filmViewer.geometry.matrix")
    drag(page, viewer, "heart-1", 20, 6)
    ratio = (measure_width(HEART) + 20) / measure_width(THORAX)
    expect(page.locator(".ratio b")).to_have_text(format_ratio(ratio))
    assert page.evaluate("window.__sent") == 0, "a drag needs no server"
    assert position(viewer, "heart-1") == pytest.approx((HEART[1][0] + 20, HEART[1][1]), abs=0.02)
    page.mouse.up()
    expect(card(page)).to_contain_text("Edited by hand")
    expect_ratio(page, ratio)
    expect(card(page)).to_contain_text(f"Automatic: {format_ratio(automatic)} (95 % interval")
    assert viewer.evaluate("e => e.filmViewer.geometry.matrix") == film, (
        "the film stays where it is"
    )
    told = json.loads(download(page, "JSON"))["measurements"][0]
    assert told["value"] == pytest.approx(ratio, abs=2e-4)
    assert told["edited"] is True
    assert told["heart"][1] == pytest.approx([HEART[1][0] + 20, HEART[1][1]], abs=0.02)
    assert told["thorax"] == [pytest.approx(point, abs=0.01) for point in THORAX]
    assert told["automatic"]["value"] == pytest.approx(automatic, abs=1e-4)
    assert f"{format_ratio(ratio)}, edited by hand" in download(page, "HTML")
    page.get_by_role("button", name="Back to the automatic measurement").click()
    expect_ratio(page, automatic)
    assert position(viewer, "heart-1") == pytest.approx(HEART[1], abs=0.01)
    assert json.loads(download(page, "JSON"))["measurements"][0]["edited"] is False


def test_endpoints_moved_while_the_server_is_busy_stay(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    for end, dx in (("heart-1", 20), ("thorax-0", -15), ("heart-0", -12)):
        drag(page, viewer, end, dx)
        page.mouse.up()
    ratio = (measure_width(HEART) + 32) / (measure_width(THORAX) + 15)
    seen = set()
    for _ in range(30):
        seen.add(viewer.locator(".ratio b").text_content())
        page.wait_for_timeout(50)
    assert seen == {format_ratio(ratio)}, "an answer to an earlier move does not undo a later one"
    expect_ratio(page, ratio)


def test_keys_move_an_endpoint_and_the_fields_follow(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    handle = viewer.get_by_role("slider", name="Thorax, end on the patient's right")
    handle.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    ratio = measure_width(HEART) / (measure_width(THORAX) - 8)
    expect(page.locator(".ratio b")).to_have_text(format_ratio(ratio))
    expect_ratio(page, ratio)
    assert position(viewer, "thorax-0") == pytest.approx(
        (THORAX[0][0] + 8, THORAX[0][1] - 1), abs=0.02
    )
    assert position(viewer, "thorax-1") == pytest.approx(
        (THORAX[1][0], THORAX[1][1] - 1), abs=0.02
    ), "the line stays level"
    assert handle.evaluate("e => e.getRootNode().activeElement === e"), "keys go on where they were"
    expect(handle).to_have_attribute(
        "aria-valuetext",
        f"x {THORAX[0][0] + 8:.1f}, y {THORAX[0][1] - 1:.1f} pixels; ratio {format_ratio(ratio)}",
    )
    page.get_by_text("Endpoint coordinates").click()
    expect(page.get_by_label("Thorax, patient's right, x")).to_have_value(f"{THORAX[0][0] + 8:.1f}")
    expect(page.get_by_label("Thorax, patient's right, y")).to_have_value(f"{THORAX[0][1] - 1:.1f}")


def test_wrong_points_are_explained_and_the_handle_follows_the_field(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    drag(page, viewer, "heart-0", measure_width(HEART) + 15)
    expect(page.locator(".ratio b")).to_have_text("–")
    page.mouse.up()
    expect(card(page)).to_contain_text("The two ends of the heart are crossed.")
    page.get_by_text("Endpoint coordinates").click()
    field = page.get_by_label("Heart, patient's right, x")
    field.fill("-30")
    field.press("Enter")
    expect(card(page)).to_contain_text("outside the film of 400 × 420 px")
    assert position(viewer, "heart-0")[0] == -30
    expect(page.locator("[class*=st-key-finding-cardiomegaly]")).to_contain_text("Age needed")
    field.fill(str(HEART[0][0]))
    field.press("Enter")
    expect_ratio(page, measure_width(HEART) / measure_width(THORAX))


def test_handles_keep_their_size_at_any_zoom_and_can_be_hidden(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    handle = viewer.locator("[data-end=heart-0] .hit")
    for action in ("fit", "zoom-in", "zoom-out", "zoom-out"):
        viewer.evaluate("(e, name) => e.filmViewer.act(name)", action)
        viewer.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        box: Any = handle.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        stage: Any = viewer.locator(".stage").bounding_box()
        level = (HEART[0][1] + HEART[1][1]) / 2  # where the diameter is drawn
        shown = viewer.evaluate(
            "(e, at) => e.filmViewer.geometry.toScreen(at)", [HEART[0][0], level]
        )
        x, y = middle(viewer.locator("[data-end=heart-0]"))
        assert (x - stage["x"], y - stage["y"]) == pytest.approx(shown, abs=0.5)
    viewer.focus()
    page.keyboard.press("c")
    expect(viewer).to_have_attribute("data-hearts", "off")
    expect(handle).to_be_hidden()
    viewer.get_by_role("button", name="Outlines", exact=True).click()
    expect(handle).to_be_visible()


def test_finger_moves_an_endpoint_and_not_the_film(page: Page, app: str) -> None:
    viewer = open_film(page, app)
    film = viewer.evaluate("e => e.filmViewer.geometry.matrix")
    x, y = middle(viewer.locator("[data-end=thorax-1]"))
    scale = scale_of(viewer)
    fingers = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), ("touchMove", -10), ("touchMove", -20)):
        points = [{"x": x + dx * scale, "y": y}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_ratio(page, measure_width(HEART) / (measure_width(THORAX) - 20))
    assert viewer.evaluate("e => e.filmViewer.geometry.matrix") == film


def test_film_without_a_measurement_is_measured_by_hand(page: Page, app: str) -> None:
    viewer = open_film(page, app, MISSED)
    expect(viewer).to_have_attribute("data-hearts", "off")
    expect(card(page)).to_contain_text("No heart was found on this picture.")
    page.get_by_role("button", name="Measure by hand").click()
    expect(viewer).to_have_attribute("data-hearts", "on")
    expect(page.locator(".ratio")).to_contain_text("– drag the four endpoints")
    heart, thorax = suggest_diameters((420, 400))
    drag(page, viewer, "heart-0", -10)
    page.mouse.up()
    expect_ratio(page, (measure_width(heart) + 10) / measure_width(thorax))
    expect(card(page)).to_contain_text("Automatic: cannot be measured: No heart was found")


def test_without_a_segmentation_the_viewer_has_no_calipers(page: Page, app: str) -> None:
    viewer = open_film(page, app, PhantomSpec(height=420, width=400, seed=9))
    expect(viewer).to_have_attribute("data-hearts", "off")
    expect(viewer.get_by_role("button", name="Outlines", exact=True)).to_be_hidden()
    expect(card(page)).to_have_count(0)
    viewer.focus()
    page.keyboard.press("c")
    expect(viewer.locator("[data-end=heart-0] .hit")).to_be_hidden()
