"""The Evaluate page as a sceptic uses it, on what a shipped model says of a few drawn chests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.served_app import STREAMLIT, serve
from tests.evaluation.synthetic_films import write_films
from train.evaluate import main

pytestmark = pytest.mark.browser

WAIT_MS = 120_000  # a busy machine computes the bands slowly


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app as it is, with an evaluation of a model that ships."""
    workspace, films = (
        tmp_path_factory.mktemp("workspace"),
        write_films(tmp_path_factory.mktemp("data") / "drawn"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(workspace))
        assert main(["cardiomegaly-adults", "--data", str(films)]) == 0
    yield from serve(STREAMLIT, workspace)


def open_tab(page: Page, address: str, tab: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="Evaluate", exact=True).click()
    expect(page.get_by_text("of them labelled present")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("tab", name=tab, exact=True).click()


def click_false_positives(page: Page) -> None:
    """The lower left of the four cells, beside its words; a click waits until the chart stands still."""
    layer = page.locator(".js-plotly-plot").first.locator(".nsewdrag")
    box = layer.bounding_box()
    assert box is not None
    layer.click(position={"x": 0.1 * box["width"], "y": 0.6 * box["height"]})


def cards(page: Page) -> Locator:
    return page.locator(".gallery button.card")


def test_click_on_a_cell_shows_its_films_and_their_heatmaps(page: Page, app: str) -> None:
    open_tab(page, app, "Threshold")
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible(timeout=WAIT_MS)
    slider.focus()
    page.keyboard.press("Home")  # threshold 0: every film is called
    expect(page.get_by_role("row", name="Specificity")).to_contain_text("0.000", timeout=WAIT_MS)
    click_false_positives(page)
    expect(page.get_by_role("tab", name="Films")).to_have_attribute(
        "aria-selected", "true", timeout=WAIT_MS
    )
    expect(cards(page).first).to_contain_text("labelled absent", timeout=WAIT_MS)
    assert "labelled present" not in " ".join(cards(page).all_inner_texts())
    cards(page).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".gallery.large img")).to_be_visible(timeout=WAIT_MS)
    dialog.get_by_text("Heatmap", exact=True).click()
    expect(dialog.locator("[data-testid=film-viewer][data-ready=true]")).to_be_visible(
        timeout=WAIT_MS
    )
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Back to Threshold").click()
    expect(page.get_by_role("row", name="Sensitivity")).to_contain_text("1.000", timeout=WAIT_MS)


def test_chart_saves_its_numbers_and_every_tab_opens(page: Page, app: str) -> None:
    open_tab(page, app, "Curves")
    curve = page.locator(".js-plotly-plot").first
    expect(curve).to_be_visible(timeout=WAIT_MS)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "threshold,false_positive_rate,sensitivity"
    assert lines[-1].endswith(",1,1")
    for tab in (
        "Calibration",
        "Prevalence and benefit",
        "Subgroups",
        "Coverage",
        "Localisation",
        "Compare",
        "Readers",
        "Training",
    ):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute(
            "aria-selected", "true"
        )
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=WAIT_MS
        )
        expect(page.get_by_test_id("stException")).to_have_count(0)
