"""The worklist as a reader uses it: rows clicked, keys pressed, films marked and filtered."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_read_page_in_browser import HOSTILE_NAME, drop, film

pytestmark = pytest.mark.browser


@pytest.fixture
def worklist(page: Page, fake_app: str) -> Locator:
    files = (("calm.png", film(0.2)), ("broken", b"x"), ("grave.png", film(0.6)))
    page.goto(fake_app)
    page.locator("input[aria-label='Age in years']").fill("63")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    )
    page.locator("[data-testid=film-viewer][data-ready=true]").wait_for()
    return page.get_by_test_id("worklist")


def row(worklist: Locator, name: str) -> Locator:
    return worklist.locator("tbody tr", has_text=name)


def expect_chosen(worklist: Locator, name: str) -> None:
    expect(row(worklist, name)).to_have_attribute("aria-selected", "true")


def test_clicking_anywhere_on_a_row_shows_its_film(page: Page, worklist: Locator) -> None:
    expect_chosen(worklist, "grave.png")
    first = page.get_by_test_id("film-viewer").get_attribute("data-film")
    row(worklist, "calm.png").get_by_text("not suspected").click()
    expect_chosen(worklist, "calm.png")
    expect(page.get_by_test_id("film-viewer")).not_to_have_attribute("data-film", first or "")
    row(worklist, "broken").click()
    expect_chosen(worklist, "broken")
    expect(page.get_by_role("alert").first).to_contain_text("no PNG, JPEG or DICOM image")


def test_j_and_k_show_the_next_and_the_previous_film(page: Page, worklist: Locator) -> None:
    page.get_by_role("heading", name="Read chest films").click()
    page.keyboard.press("j")
    expect_chosen(worklist, "calm.png")
    page.keyboard.press("k")
    expect_chosen(worklist, "grave.png")
    row(worklist, "grave.png").focus()
    page.keyboard.press("ArrowDown")
    expect_chosen(worklist, "calm.png")


def test_a_film_is_marked_as_read_and_filtered_away(page: Page, worklist: Locator) -> None:
    mark = row(worklist, "grave.png").get_by_role("checkbox")
    mark.click()
    expect(mark).to_have_attribute("aria-checked", "true")
    worklist.get_by_role("button", name="Not yet read").click()
    expect(row(worklist, "grave.png")).to_be_hidden()
    worklist.get_by_role("button", name="Not yet read").click()
    worklist.get_by_role("button", name="Suspected", exact=True).click()
    expect(row(worklist, "grave.png")).to_be_visible()
    expect(row(worklist, "calm.png")).to_be_hidden()
    worklist.get_by_label("Filter the worklist").fill("calm")
    expect(worklist.get_by_text("No film fits the filter.")).to_be_visible()


def test_names_are_shown_as_text_and_typing_chooses_nothing(page: Page, fake_app: str) -> None:
    drop(page, fake_app, (HOSTILE_NAME, film(0.6)), ("calm.png", film(0.2))).wait_for()
    worklist = page.get_by_test_id("worklist")
    expect(row(worklist, HOSTILE_NAME)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    chosen = worklist.locator("tr[aria-selected=true]").get_attribute("data-key")
    worklist.get_by_label("Filter the worklist").press_sequentially("jjk")
    page.wait_for_timeout(500)
    assert worklist.locator("tr[aria-selected=true]").get_attribute("data-key") == chosen
