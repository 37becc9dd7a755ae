"""The HTML report as Chromium shows and prints it."""

import io

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from cxr_core.reading.report.html import render_html_report
from tests.hearts import WIDE
from tests.reading.report.test_measurement import report

pytestmark = pytest.mark.browser


def print_page(page: Page) -> list[str]:
    """The text of each page that Chromium prints."""
    printed = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    return [" ".join(sheet.extract_text().split()) for sheet in printed.pages]


def test_a_report_prints_on_one_page_and_its_appendix_only_when_unfolded(page: Page) -> None:
    made = report()
    page.set_content(render_html_report(made))
    (sheet,) = print_page(page)
    assert "Signature" in sheet
    assert "Appendix" not in sheet
    assert made.reading.sha256 not in sheet
    page.get_by_text("Appendix: heatmaps").click()
    first, *others = print_page(page)
    assert made.reading.sha256 not in first
    assert made.reading.sha256 in "".join(others).replace(" ", "")  # it breaks over lines


def test_on_a_narrow_screen_nothing_is_cut_off_and_the_findings_come_before_the_film(
    page: Page,
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.set_content(render_html_report(report(WIDE), report()))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    limitations = page.get_by_role("heading", name="Limitations", exact=True)
    film = page.locator("img.film").first
    expect(film).to_be_visible()
    above, below = limitations.bounding_box(), film.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] < below["y"]
