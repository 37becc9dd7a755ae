"""The Data page as a researcher uses it: a folder named, bars and films clicked, a choice put on record."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock
from playwright.sync_api import Locator, Page, expect

from tests.browser.served_app import FAKE_READER, serve
from tests.browser.tabs import click_through_tabs

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
FILMS = 30


@pytest.fixture(scope="module")
def app_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def app(app_workspace: Path) -> Iterator[str]:
    """The address of the app with the fake reader and a workspace of its own."""
    yield from serve(FAKE_READER, app_workspace)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films by class in two parts; half of them with the finding, one of a hostile name."""
    root = tmp_path_factory.mktemp("data") / "by-class"
    for number in range(FILMS):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        place = root / ("train" if number < 20 else "test") / label
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(30, 220, (60, 90)).astype(np.uint8)
        name = HOSTILE if number == 0 else f"person{number}_1"
        cv2.imwrite(str(place / f"{name}.png"), pixels)
    return root


def open_page(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()


def prepare(page: Page, address: str, folder: Path) -> None:
    """Have the folder registered, unless it is."""
    open_page(page, address)
    field = page.get_by_label("Folders on this computer, one per line")
    verdict = page.get_by_text("Ready for training")
    # A field that is folded away stays in the page, hidden.
    expect(field.or_(verdict).filter(visible=True).first).to_be_visible()
    if not verdict.is_visible():
        field.fill(str(folder))
        page.get_by_role("button", name="Prepare").click()
    expect(verdict).to_be_visible(timeout=150_000)  # a busy machine starts its decoders slowly


def explore(page: Page, address: str, folder: Path) -> Locator:
    """The films' cards."""
    prepare(page, address, folder)
    wait_until_drawn(page)
    page.get_by_role("tab", name="Explore").click()
    cards = page.locator(".st-key-dataset-films .gallery button.card")
    expect(cards).to_have_count(24)
    return cards


def wait_until_drawn(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=60_000
    )


def test_registered_folder_survives_a_refresh_and_each_click_on_a_tab_opens_it(
    page: Page, app: str, folder: Path
) -> None:
    prepare(page, app, folder)
    assert "dataset=by-class" in page.url
    expect(page.get_by_role("row", name="train 20")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (JSON)").click()
    assert json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    wait_until_drawn(page)
    click_through_tabs(page, ["Checks", "Labels", "Explore", "Splits"])


def test_missing_folder_is_explained(page: Page, app: str, folder: Path) -> None:
    prepare(page, app, folder)
    page.get_by_text("Add a dataset").click()
    page.get_by_label("Folders on this computer, one per line").fill(f"/no/{HOSTILE}")
    page.get_by_role("button", name="Prepare").click()
    expect(page.get_by_role("alert").filter(has_text=f"/no/{HOSTILE}")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert").filter(has_text="/no/")).to_have_count(0)


def test_a_preparation_with_odd_files_is_cancelled_and_then_done(
    page: Page, app: str, app_workspace: Path, folder: Path
) -> None:
    prepare(page, app, folder)
    odd = folder.with_name("odd")
    shutil.copytree(folder, odd)
    os.mkfifo(odd / "test" / "NORMAL" / "pipe.png")
    (odd / "test" / "NORMAL" / "zero.png").symlink_to("/dev/zero")
    page.get_by_text("Add a dataset").click()
    field = page.get_by_label("Folders on this computer, one per line")
    with FileLock(app_workspace / "datasets" / ".lock"):
        field.fill(str(odd))
        page.get_by_role("button", name="Prepare").click()
        expect(page.get_by_text("Waiting for another preparation")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text(f"Stopped: {odd}")).to_be_visible()
    page.get_by_role("button", name="Prepare").click()
    expect(page.get_by_text("of them 2 unreadable")).to_be_visible(timeout=60_000)


def click_bar(page: Page, chart: int, bar: int) -> None:
    """Click the bar of a chart, by its place among all of them."""
    path = page.locator(".js-plotly-plot").nth(chart).locator(".trace.bars .point path").nth(bar)
    expect(path).to_be_visible()
    path.evaluate("e => e.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)  # Plotly answers once the page stands still
    box = path.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)


def test_charts_filter_one_another_and_a_selection_is_saved(
    page: Page, app: str, app_workspace: Path, folder: Path
) -> None:
    cards = explore(page, app, folder)
    click_bar(page, 0, 1)  # the test split
    expect(page.get_by_text("10 films of 10 patients")).to_be_visible()
    expect(cards).to_have_count(10)
    assert "split=test" in page.url
    click_bar(page, 1, 1)  # pneumonia, of test
    expect(page.get_by_text("5 films of 5 patients")).to_be_visible()
    expect(cards).to_have_count(5)
    page.locator("input.pick").nth(0).check()
    page.locator("input.pick").nth(3).check()
    expect(page.get_by_text("2 films picked")).to_be_visible()
    page.get_by_role("button", name="Save as a subset").click()
    page.get_by_label("Name", exact=True).fill("two-films")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("2 films are kept as two-films.")).to_be_visible()
    assert (app_workspace / "subsets" / "two-films.json").is_file()
    page.keyboard.press("Escape")
    address = page.url
    page.get_by_role("button", name="pneumonia positive").click()
    expect(page.get_by_text("10 films of 10 patients")).to_be_visible()
    page.get_by_role("button", name="split test").click()
    expect(page.get_by_text("30 films of 30 patients")).to_be_visible()
    # Streamlit asks below the page's path for its settings first, which the console of `page` would show as an error.
    other = page.context.new_page()
    other.goto(address)
    expect(other.get_by_text("5 films of 5 patients")).to_be_visible(timeout=60_000)
    other.close()


def test_same_seed_shuffles_films_in_the_same_order_and_one_opens_large_with_a_hostile_name_as_text(
    page: Page, app: str, folder: Path
) -> None:
    cards = explore(page, app, folder)
    plain = cards.first.get_attribute("title")
    page.get_by_text("Shuffled").click()
    expect(cards.first).not_to_have_attribute("title", plain or "")
    shuffled = cards.first.get_attribute("title")
    page.get_by_text("Shuffled").click()
    expect(cards.first).to_have_attribute("title", plain or "")
    page.get_by_text("Shuffled").click()
    expect(cards.first).to_have_attribute("title", shuffled or "")
    page.get_by_text("Shuffled").click()
    expect(cards.first).to_have_attribute("title", plain or "")

    named = cards.filter(has_text=HOSTILE)
    if not named.count():
        page.get_by_role("button", name="2", exact=True).click()
    expect(named.first).to_be_visible()
    named.first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".gallery.large img")).to_be_visible()
    expect(dialog.get_by_text("The patient has no other film.")).to_be_visible()
    expect(dialog.get_by_text(f"{HOSTILE}.png", exact=True)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    aspect = dialog.locator(".gallery.large .frame").evaluate("e => e.clientWidth / e.clientHeight")
    assert aspect == pytest.approx(90 / 60, rel=0.02)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
