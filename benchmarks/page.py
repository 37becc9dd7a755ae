"""How soon the page is there, how soon it answers, and whether it keeps what it should have dropped."""

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.reading import png
from benchmarks.served import ROOT, Served, chromium, serve
from benchmarks.table import Row, p95

TITLE = "Read chest films"
PAINTS = 3  # each with a server of its own, since only the first paint is cold
RERUNS = 40
UPLOADS, FIRST_UPLOADS = 200, 10  # in all, and after which memory is counted
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"PAINTS": 1, "RERUNS": 2, "UPLOADS": 3, "FIRST_UPLOADS": 2}
# Clicks a decision and waits, frame by frame, for another bar of the finding; timed inside the page.
CLICK_AND_WAIT = """async name => {
    const bar = () => document.querySelector('[class*=st-key-finding] [role=img]')?.ariaLabel;
    const before = bar(), started = performance.now();
    [...document.querySelectorAll('label')].find(label => label.innerText.startsWith(name)).click();
    while (!bar() || bar() === before) await new Promise(requestAnimationFrame);
    return performance.now() - started;
}"""


def rows() -> list[Row]:
    with chromium() as browser:
        empty, ours = _first_paints(browser)
        with serve(ROOT) as server:
            reruns = _reruns(browser, server)
            growth = _growth(browser, server)
    return [
        Row(
            f"first paint less that of an empty Streamlit app ({empty:.2f} s)",
            ours - empty,
            "s",
            "<= 0.5",
        ),
        Row(
            "rerun on a change of the decision, p95, as seen in the browser",
            p95(reruns),
            "ms",
            "<= 150",
        ),
        Row(
            f"resident memory after {UPLOADS} uploads less that after {FIRST_UPLOADS}",
            growth,
            "MB",
            "< 100",
        ),
    ]


def _first_paints(browser: Browser) -> tuple[float, float]:
    """Median seconds to the title: an empty app's and ours, in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(f"import streamlit as st\nst.title({TITLE!r})\n")
        for _ in range(PAINTS):
            for place, found in zip((Path(folder), ROOT), times, strict=True):
                with serve(place) as server:
                    found.append(_seconds_to_title(browser, server))
    return statistics.median(times[0]), statistics.median(times[1])


def _seconds_to_title(browser: Browser, server: Served) -> float:
    tab = browser.new_page()
    started = time.perf_counter()
    tab.goto(server.address)
    tab.get_by_role("heading", name=TITLE).wait_for()
    seconds = time.perf_counter() - started
    tab.close()
    return seconds


def _reruns(browser: Browser, server: Served) -> list[float]:
    """Milliseconds from a click on a decision to its thresholds on the bar."""
    tab = browser.new_page()
    _upload(tab, server, "film.png", png(0))
    tab.get_by_role("button", name="Adult", exact=True).click()
    tab.locator("[class*=st-key-finding] [role=img]").first.wait_for()
    tab.get_by_text("Single threshold", exact=True).click()
    tab.get_by_text("Balanced", exact=True).wait_for()
    times = [
        tab.evaluate(CLICK_AND_WAIT, ("Specific", "Balanced")[turn % 2]) for turn in range(RERUNS)
    ]
    tab.close()
    return times


def _growth(browser: Browser, server: Served) -> float:
    """MB by which the server grows between the first few uploads and the last one of a session."""
    tab = browser.new_page()
    after_first = 0.0
    for number in range(UPLOADS):
        _upload(tab, server if number == 0 else None, f"film-{number}.png", png(number))
        if number == FIRST_UPLOADS - 1:
            after_first = server.resident_mb()
    growth = server.resident_mb() - after_first
    tab.close()
    return growth


def _upload(tab: Page, server: Served | None, name: str, data: bytes) -> None:
    if server is not None:
        tab.goto(server.address)
    file = {"name": name, "mimeType": "image/png", "buffer": data}
    # While the page is drawn anew, the old field and the new one are both there.
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    tab.locator("input[type=file]").first.set_input_files([file])  # type: ignore[list-item]
    tab.get_by_text(name, exact=True).first.wait_for(state="attached", timeout=60_000)
    tab.locator("[data-testid=film-viewer][data-ready=true]").wait_for(timeout=60_000)
