"""Clicks on the tabs of a page."""

from playwright.sync_api import Page, expect


def click_through_tabs(page: Page, names: list[str]) -> None:
    """Open every tab, from left to right, back and forth again; each click opens what it names, and only that."""
    for name in (*names, *reversed(names), *names):
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=60_000
        )
        for each in names:
            tab = page.get_by_role("tab", name=each, exact=True)
            expect(tab).to_have_attribute("aria-selected", "true" if each == name else "false")
