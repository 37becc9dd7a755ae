"""The Read page as a person uses it: files dropped, rows clicked, results read off the page."""

import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
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


def row_of(page: Page, finding: str) -> Locator:
    return page.get_by_test_id("stTable").locator("tr", has_text=finding)


def test_results_are_shown_on_the_page(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    expect(row_of(page, "Cardiomegaly")).to_contain_text("Present")
    expect(row_of(page, "Cardiomegaly")).to_contain_text("70 %")
    expect(page.get_by_text("Not a medical device")).to_be_visible()
    page.locator("input[aria-label='Age in years']").fill("63")
    page.keyboard.press("Enter")
    expect(row_of(page, "Pneumonia")).to_contain_text("No model for this patient")
    page.get_by_text("Specific", exact=True).click()
    expect(row_of(page, "Cardiomegaly")).to_contain_text("Absent")


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


def test_clearing_shows_the_empty_page(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    page.get_by_role("button", name="Clear this study").click()
    expect(page.get_by_test_id("film-viewer")).to_have_count(0)
    expect(page.get_by_text("or try a synthetic sample:")).to_be_visible()


def test_streamlit_keeps_no_copy_of_an_upload(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("heart.png", film(0.5))).wait_for()
    expect(page.get_by_text("Add films (1 in this study)")).to_be_visible()
    assert "UploadedFileManager" not in httpx.get(f"{fake_app}/_stcore/metrics").text


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
