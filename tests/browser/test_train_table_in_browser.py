"""The table of runs in Chromium: figures of a living run follow by themselves, and a mark shows a run at once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served_app import FAKE_READER, serve
from tests.pages.fake_runs import FakeRuns

pytestmark = pytest.mark.browser

ROW_PX = 35
CELLS = "[data-testid=stDataFrame] [role=gridcell]"


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

    mark(page, row=1)
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
    mark(page, row=1)
    expect(page.get_by_role("heading", name="beta")).to_be_visible()
    expect(page.locator(CELLS, has_text="delta").first).to_be_attached()
    selected = page.locator("[data-testid=stDataFrame] [role=row][aria-selected=true]")
    expect(selected).to_have_count(1)
    expect(selected).to_contain_text("beta")
    expect(page).to_have_url(re.compile(r"run=beta"))


def mark(page: Page, row: int) -> None:
    """Click into the box before a row of the table, which is drawn on a canvas."""
    box = page.locator("[data-testid=stDataFrame] canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 12, box["y"] + (row + 1.5) * ROW_PX)
