"""A slip loses nothing: Clear and Remove can be undone, and a reloaded tab finds its study again."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_read_page_in_browser import drop, film

pytestmark = pytest.mark.browser


def test_a_cleared_study_is_brought_back_by_undo(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("calm.png", film(0.2)), ("grave.png", film(0.6))).wait_for()
    age = page.get_by_role("spinbutton", name="Age in years")
    age.fill("63")
    age.press("Enter")
    expect(page.get_by_text("age from the sidebar")).to_be_visible()
    page.get_by_role("button", name="Clear this study").click()
    expect(page.get_by_text("Removed the study.")).to_be_visible()
    expect(page.get_by_test_id("film-viewer")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Add films (2 in this study)")).to_be_visible()
    page.locator("[data-testid=film-viewer][data-ready=true]").wait_for()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(age).to_have_value("63")


def test_a_removed_film_is_brought_back_by_undo(page: Page, fake_app: str) -> None:
    drop(page, fake_app, ("only.png", film(0.5))).wait_for()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Removed only.png.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.locator("[data-testid=film-viewer][data-ready=true]").wait_for()
    expect(page.get_by_text("only.png", exact=True).first).to_be_attached()


def test_a_reloaded_tab_finds_its_study_and_another_tab_does_not(
    page: Page, browser: Browser, fake_app: str
) -> None:
    drop(page, fake_app, ("mine.png", film(0.5))).wait_for()
    age = page.get_by_role("spinbutton", name="Age in years")
    age.fill("63")
    age.press("Enter")
    page.get_by_text("Strict", exact=False).first.click()
    expect(page.get_by_text("age from the sidebar")).to_be_visible()
    page.reload()
    page.locator("[data-testid=film-viewer][data-ready=true]").wait_for()
    expect(page.get_by_text("Add films (1 in this study)")).to_be_visible()
    expect(age).to_have_value("63")
    expect(page.get_by_role("radio", name="Strict")).to_be_checked()
    expect(page.get_by_text("age from the sidebar")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Add films (1 in this study)")).to_be_visible()
    with browser.new_context() as elsewhere:
        other = elsewhere.new_page()
        other.goto(fake_app)
        expect(other.get_by_role("heading", name="Read chest films")).to_be_visible()
        other.wait_for_timeout(1500)
        expect(other.get_by_text("in this study")).to_have_count(0)
