"""How soon the Review page shows another page of a long queue."""

from pathlib import Path

from playwright.sync_api import Page

from benchmarks.feedback import FINDING, fill_long_queue, temporary_workspace
from benchmarks.served import ROOT, Served, chromium, serve
from benchmarks.table import Row, p95
from cxr_core.feedback.projects import create_project
from cxr_core.feedback.readers import register_reader

FILMS = 100_000
TURNS = 40  # of pages
TRIAL = {"FILMS": 300, "TURNS": 2}
# The table lives in a shadow of its own; the id of its first row tells that another page of the queue is there.
FIRST_ROW = """() => {
    const frames = [...document.querySelectorAll('*')].map(each => each.shadowRoot?.querySelector('.frame tbody tr'));
    return frames.find(Boolean)?.dataset.id;
}"""
# Clicks and waits, frame by frame, for another first row; timed inside the page.
CLICK_AND_WAIT = f"""async name => {{
    const first = {FIRST_ROW};
    const before = first(), started = performance.now();
    [...document.querySelectorAll('button')].find(button => button.innerText.endsWith(name)).click();
    while (!first() || first() === before) await new Promise(requestAnimationFrame);
    return performance.now() - started;
}}"""


def rows() -> list[Row]:
    with temporary_workspace() as workspace:
        register_reader("Ada")
        fill_long_queue(create_project("many", [FINDING]), FILMS)
        times = _turn_pages(workspace)
    return [Row(f"another page of a queue of {FILMS:,} cases, p95", p95(times), "ms", "<= 200")]


def _turn_pages(workspace: Path) -> list[float]:
    """Milliseconds from a click on Later or Earlier to the other page of the queue."""
    with serve(ROOT, workspace) as server, chromium() as browser:
        tab = browser.new_page()
        _open_queue(tab, server)
        return [
            tab.evaluate(CLICK_AND_WAIT, "Later" if turn % 4 < 2 else "Earlier")
            for turn in range(TURNS)
        ]


def _open_queue(tab: Page, server: Served) -> None:
    """The queue on the Review page, read by Ada."""
    is_idle = tab.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    tab.goto(f"{server.address}/review")
    reader = tab.get_by_role("combobox", name="Reader", exact=True)
    reader.wait_for(timeout=60_000)
    is_idle.wait_for()
    reader.click()
    tab.get_by_role("option", name="Ada", exact=True).click()
    tab.get_by_role("tab", name="Queue").click()
    tab.get_by_role("button", name="Later").wait_for(timeout=60_000)
    is_idle.wait_for()
