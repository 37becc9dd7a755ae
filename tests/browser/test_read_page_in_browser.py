"""The Read page as a person uses it: files dropped, rows clicked, results read off the page."""

import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import FloatRect, Locator, Page, WebSocketRoute, expect
from pypdf import PdfReader

pytestmark = pytest.mark.browser

HOSTILE_NAME = "<img src=x onerror=alert(1)>.dcm"


def film(brightness: float) -> bytes:
    return cv2.imencode(".png", np.full((120, 100), round(255 * brightness), np.uint8))[1].tobytes()


def drop(page: Page, address: str, *files: tuple[str, bytes]) -> Locator:
    """Open the page and drop files on it; the viewer it will show."""
    page.goto(address)
    page.locator("input[type=file]").set_input_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
    )
    return page.locator("[data-testid=film-viewer][data-ready=true]")


def card_of(page: Page, finding: str) -> Locator:
    """The card of a finding. finding: its key."""
    # The first, as a card that is drawn anew stands before the stale one for a moment.
    return page.locator(f"[class*=st-key-finding-{finding}]").first


def explanation_of(page: Page, finding: str) -> Locator:
    """What the verdict on a finding rests on."""
    return page.locator(f"[class*=st-key-explained-{finding}]").first


def choose_adult(page: Page) -> None:
    page.get_by_role("button", name="Adult", exact=True).click()


def test_no_page_around_this_one_can_send_it_messages(fake_app: str) -> None:
    assert httpx.get(f"{fake_app}/_stcore/host-config").json()["allowedOrigins"] == []


def test_clinician_answers_the_age_once_and_sees_the_verdict(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    expect(card_of(page, "cardiomegaly")).to_contain_text("Age needed")
    expect(card_of(page, "cardiomegaly")).not_to_contain_text("%")
    choose_adult(page)
    heart = card_of(page, "cardiomegaly")
    expect(heart).to_contain_text("Suspected")
    expect(heart).to_contain_text("70 %")
    bar = heart.get_by_role("img", name="Cardiomegaly: suspected, 70 %; suspected from 40 %")
    expect(bar).to_be_visible()
    expect(page.get_by_text("Not assessed: pneumothorax")).to_be_visible()
    expect(page.get_by_text("Not a medical device")).to_be_visible()
    page.get_by_text("Single threshold", exact=True).click()
    page.get_by_text("Specific", exact=True).click()
    expect(heart).to_contain_text("Not suspected")


def test_age_is_corrected_beside_the_film(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    age = page.get_by_label("Age", exact=True)
    age.fill("18 months")
    age.press("Enter")
    expect(card_of(page, "pneumonia")).to_contain_text("Suspected")
    expect(page.get_by_text("cardiomegaly (no model for this patient)")).to_be_visible()
    age.fill("63")
    age.press("Enter")
    expect(card_of(page, "cardiomegaly")).to_contain_text("Suspected")
    expect(age).to_have_value("63 years")


def test_film_is_mirrored_in_the_viewer_and_read_again(page: Page, fake_app: str) -> None:
    half = np.zeros((120, 100), np.uint8)
    half[60:, 50:] = 200  # the fake reader finds the more, the brighter the lower right quarter is
    viewer = drop(page, fake_app, ("half.png", cv2.imencode(".png", half)[1].tobytes()))
    viewer.wait_for()
    choose_adult(page)
    expect(card_of(page, "cardiomegaly")).to_contain_text("Suspected")
    viewer.get_by_role("button", name="Correct and read again").click()
    viewer.get_by_role("menuitem", name="Mirror").click()
    expect(page.get_by_text("Changed: Mirrored left to right")).to_be_visible()
    expect(card_of(page, "cardiomegaly")).to_contain_text("Not suspected")
    page.get_by_role("button", name="Undo and read again").click()
    expect(page.get_by_text("Changed:")).to_have_count(0)
    expect(card_of(page, "cardiomegaly")).to_contain_text("● Suspected")


@pytest.mark.parametrize(("brightness", "shown"), [(0.2, "off"), (0.6, "on")])
def test_heatmap_is_shown_at_first_only_where_something_is_suspected(
    page: Page, fake_app: str, brightness: float, shown: str
) -> None:
    viewer = drop(page, fake_app, ("heart.png", film(brightness)))
    viewer.wait_for()
    expect(viewer).to_have_attribute("data-heat", "off")  # no verdict yet
    choose_adult(page)
    expect(viewer).to_have_attribute("data-heat", shown)
    expect(
        page.get_by_text("Heatmap of cardiomegaly (Evidence): whether it shows where")
    ).to_be_visible()


def test_on_a_laptop_all_is_seen_together_and_what_verdicts_rest_on_stands_below_them(
    page: Page, fake_app: str
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    viewer = drop(page, fake_app, ("heart.png", film(0.5)))
    viewer.wait_for()
    choose_adult(page)
    expect(card_of(page, "cardiomegaly")).to_contain_text("Suspected")
    for seen in (card_of(page, "cardiomegaly"), viewer.locator(".stage")):
        box = seen.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
    explanation = explanation_of(page, "cardiomegaly")
    expect(explanation).to_contain_text("For adults")
    verdict, basis = box_of(card_of(page, "cardiomegaly")), box_of(explanation)
    assert verdict["y"] + verdict["height"] <= basis["y"]
    assert basis["x"] + basis["width"] <= box_of(viewer)["x"]
    assert basis["y"] < 900


def box_of(part: Locator) -> FloatRect:
    """Where a part of the page lies."""
    box = part.bounding_box()
    assert box is not None
    return box


def test_on_a_phone_verdicts_and_film_begin_on_the_first_screen(page: Page, fake_app: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    viewer = drop(page, fake_app, ("heart.png", film(0.5)))
    viewer.wait_for()
    choose_adult(page)
    expect(card_of(page, "cardiomegaly")).to_contain_text("Suspected")
    not_assessed = page.get_by_text("Not assessed: pneumothorax")
    expect(not_assessed).to_be_visible()
    verdict, stage = box_of(card_of(page, "cardiomegaly")), box_of(viewer.locator(".stage"))
    assert verdict["y"] + verdict["height"] <= box_of(not_assessed)["y"] <= stage["y"]
    assert stage["y"] < 700
    assert stage["y"] + stage["height"] <= box_of(explanation_of(page, "cardiomegaly"))["y"]


def test_unreadable_file_with_a_hostile_name_is_refused_in_a_sentence(
    page: Page, fake_app: str
) -> None:
    drop(page, fake_app, (HOSTILE_NAME, b"<script>alert(2)</script>"))
    expect(page.get_by_role("alert")).to_contain_text("no PNG, JPEG or DICOM image")
    expect(page.get_by_text(HOSTILE_NAME, exact=True).first).to_be_attached()
    assert page.locator("img[src=x]").count() == 0


def test_reports_are_downloaded(page: Page, fake_app: str, tmp_path: Path) -> None:
    drop(page, fake_app, (HOSTILE_NAME, film(0.5))).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (JSON)").click()
    download.value.save_as(tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert HOSTILE_NAME in json.dumps(report)
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (HTML)").click()
    download.value.save_as(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (PDF)").click()
    download.value.save_as(tmp_path / "report.pdf")
    text = PdfReader(tmp_path / "report.pdf").pages[0].extract_text()
    assert "Impression" in text
    assert report["impression"] in " ".join(text.split())
    page.set_content(html)
    expect(page.get_by_text("Cardiomegaly").first).to_be_visible()


def test_streamlit_keeps_no_copy_of_an_upload_and_clearing_shows_the_empty_page(
    page: Page, fake_app: str
) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    expect(page.get_by_text("Add films (1 in this study)")).to_be_visible()
    assert "UploadedFileManager" not in httpx.get(f"{fake_app}/_stcore/metrics").text
    page.get_by_role("button", name="Clear this study").click()
    expect(page.get_by_test_id("film-viewer")).to_have_count(0)
    expect(page.get_by_text("or try a synthetic sample:")).to_be_visible()


def test_film_dropped_while_another_is_being_read_is_kept(page: Page, fake_app: str) -> None:
    held: list[tuple[WebSocketRoute, bytes | str]] = []
    holds = False

    def hold_news_of_the_page(socket: WebSocketRoute) -> None:
        def forward(message: bytes | str) -> None:
            is_news = isinstance(message, bytes) and b"_stcore/upload_file" not in message
            if holds and is_news:
                held.append((socket, message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(forward)

    page.route_web_socket("**/_stcore/stream", hold_news_of_the_page)
    page.goto(fake_app)
    field = page.locator("input[type=file]")
    for name, brightness in (("first.png", 0.5), ("second.png", 0.6)):
        upload = {"name": name, "mimeType": "image/png", "buffer": film(brightness)}
        with page.expect_event("requestfinished", lambda request: request.method == "PUT"):
            field.set_input_files([upload])
        holds = True  # the page does not learn yet that the first film was read
        page.wait_for_timeout(1500)
    assert held
    holds = False
    for socket, message in held:
        socket.send(message)
    expect(page.get_by_text("2 films, most suspicious first")).to_be_visible()
    page.get_by_text("Add films (2 in this study)").click()
    expect(page.get_by_test_id("stFileChip").first).to_be_hidden()


def test_keyboard_alone_reaches_the_viewer(page: Page, fake_app: str) -> None:
    viewer = drop(page, fake_app, ("heart.png", film(0.5)))
    viewer.wait_for()
    viewer.focus()
    page.keyboard.press("h")
    expect(viewer).to_have_attribute("data-heat", "off")
    page.keyboard.press("i")
    expect(viewer).to_have_attribute("data-inverted", "true")
    unnamed = viewer.evaluate(
        "e => [...e.querySelectorAll('button, input, select')].filter(c =>"
        " !(c.getAttribute('aria-label') || c.textContent.trim() || c.closest('label'))).length"
    )
    assert unnamed == 0
