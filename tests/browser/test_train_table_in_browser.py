"""The table of runs in Chromium: figures of a living run follow by themselves, and a mark shows a run at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import serve
from tests.pages.fake_runs import FakeRuns, fake_runs

pytestmark = pytest.mark.browser

CELLS = "[data-testid=stDataFrame] [role=gridcell]"


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    with fake_runs() as written:
        yield written


@pytest.fixture
def address(workspace: Path, runs: FakeRuns) -> Iterator[str]:
    yield from serve(["-m", "tests.browser.serve_fakes", "{port}"], workspace)


def test_the_best_figure_of_a_living_run_follows_and_a_mark_shows_a_run(
    page: Page, runs: FakeRuns, address: str
) -> None:
    alive = runs.running("alpha")
    runs.finished("beta", tested=True)
    page.goto(f"{address}/train")
    cell = page.locator(CELLS, has_text="AUROC, validation")
    expect(cell).to_have_text("0.700 AUROC, validation", timeout=120_000)
    runs.tells(alive, auroc=0.85)
    expect(cell).to_have_text("0.850 AUROC, validation")

    page.goto(f"{address}/train?run=beta")
    expect(page.get_by_role("heading", name="beta")).to_be_visible()
    expect(cell).to_have_text("0.850 AUROC, validation")
    runs.tells(alive, auroc=0.9)
    expect(cell).to_have_text("0.900 AUROC, validation")
    expect(page.get_by_role("heading", name="beta")).to_be_visible()  # the mark stays as the figure changes
