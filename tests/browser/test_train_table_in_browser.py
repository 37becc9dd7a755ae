"""The table of runs in Chromium: figures of a living run follow by themselves, and a mark shows a run at once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.served_app import FAKE_READER, serve
from tests.pages.fake_runs import FakeRuns

pytestmark = pytest.mark.browser

TABLE = "[data-testid=selectable-table][data-ready=true]"
CELLS = f"{TABLE} td"


# Requested before the page, so that the page, which polls, is closed before its server ends.
@pytest.fixture
def address(workspace: Path, runs: FakeRuns) -> Iterator[str]:
    yield from serve(FAKE_READER, workspace)


def test_best_figure_of_a_running_run_is_updated_and_a_click_selects_a_run(
    address: str, page: Page, runs: FakeRuns
) -> None:
    alive = runs.write_running("alpha")
    runs.write_finished("beta", tested=True)
    page.goto(address)
    page.get_by_role("link", name="Train", exact=True).click(timeout=120_000)
    cell = page.locator(CELLS, has_text="AUROC").first
    expect(cell).to_have_text("0.700 AUROC", timeout=120_000)
    runs.append_epoch(alive, auroc=0.85)
    expect(cell).to_have_text("0.850 AUROC")

    page.get_by_role("checkbox", name="Select beta").click()
    expect(page.get_by_role("heading", name="beta")).to_be_visible()
    runs.append_epoch(alive, auroc=0.9)
    expect(cell).to_have_text("0.900 AUROC")
    expect(
        page.get_by_role("heading", name="beta")
    ).to_be_visible()  # the mark stays as the figure changes


def test_a_click_on_a_list_that_has_changed_selects_the_run_that_was_clicked(
    address: str, page: Page, runs: FakeRuns
) -> None:
    for name in ("alpha", "beta", "gamma"):
        runs.write_finished(name)
    page.goto(address)
    page.get_by_role("link", name="Train", exact=True).click(timeout=120_000)
    cell = page.locator(CELLS, has_text="beta")
    expect(cell.first).to_be_attached(timeout=120_000)
    # Nothing runs, so the page does not ask; the new run, the first of the list, comes with the click.
    runs.write_finished("delta")
    cell.click()
    expect(page.get_by_role("heading", name="beta")).to_be_visible()
    expect(page.locator(CELLS, has_text="delta").first).to_be_attached()
    expect(selected_rows(page)).to_have_count(1)
    expect(selected_rows(page)).to_contain_text("beta")
    expect(page).to_have_url(re.compile(r"run=beta"))


def test_runs_are_selected_by_boxes_and_keys_and_sorted_by_a_click(
    address: str, page: Page, runs: FakeRuns
) -> None:
    for name, auroc in (("low", 0.61), ("high", 0.93), ("middle", 0.8)):
        runs.write_finished(name, auroc=auroc)
    page.goto(address)
    page.get_by_role("link", name="Train", exact=True).click(timeout=120_000)
    names = page.locator(f"{TABLE} td.name")
    expect(names).to_have_text(["middle", "high", "low"], timeout=120_000)

    # Two boxes in the same moment are both selected, whatever the page answers in between.
    page.locator(TABLE).evaluate(
        "table => table.querySelectorAll('tbody input').forEach((box, row) => row < 2 && box.click())"
    )
    expect(page.get_by_role("heading", name="2 runs side by side")).to_be_visible()
    expect(page).to_have_url(re.compile(r"runs=middle(,|%2C)high"))
    page.locator(TABLE).locator("tbody tr").nth(1).press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="3 runs side by side")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="low")).to_be_visible()
    page.keyboard.press("Escape")
    expect(selected_rows(page)).to_have_count(0)

    head = page.locator(TABLE).get_by_role("columnheader", name="Validation")
    head.click()
    expect(names).to_have_text(["high", "middle", "low"])
    expect(head).to_have_attribute("aria-sort", "descending")
    head.click()
    expect(names).to_have_text(["low", "middle", "high"])
    head.click()
    expect(names).to_have_text(["middle", "high", "low"])


def selected_rows(page: Page) -> Locator:
    return page.locator(f"{TABLE} tr[aria-selected=true]")
