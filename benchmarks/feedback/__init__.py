"""How long a page of a review queue, the next film and a verdict take, with many films in the queue.

The page of the queue is also timed as the browser shows it.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Page

from benchmarks.served import ROOT, Served, chromium, serve
from benchmarks.table import Row, milliseconds, p95
from cxr_core.feedback.films import FilmProperties, add_dataset_films
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.candidates import Candidate
from cxr_core.feedback.review.queue import fill_queue, list_queue, take_next_case
from cxr_core.feedback.store import write_store
from cxr_core.feedback.verdicts import NewVerdict, record_verdict

FILMS = 100_000
JUDGED = 20_000  # by the reader who asks for the next film: the first of the queue, which another reader still wants
TIMES = 15
BOUND = "<= 200"
TURNS = 40  # of pages in the browser
TRIAL = {"FILMS": 300, "JUDGED": 50, "TIMES": 2, "TURNS": 2}
FINDING = "pneumonia"
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


def rows() -> Iterator[Row]:
    """Medians in milliseconds."""
    former = os.environ.get("CXR_WORKSPACE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CXR_WORKSPACE"] = str(Path(folder))
        try:
            yield from _measure()
        finally:
            os.environ.pop("CXR_WORKSPACE")
            if former is not None:
                os.environ["CXR_WORKSPACE"] = former


def _measure() -> Iterator[Row]:
    project = create_project("many", [FINDING], reads=2)
    reader, other = register_reader("Ada").id, register_reader("Ben").id
    filled_ms = milliseconds(lambda: _fill(project))
    yield Row(f"queue of {FILMS:,} films, filled", filled_ms / 1000, "s", "no bound")
    _judge_first(project, reader)
    for name, after in (("first", None), ("middle", FILMS // 2), ("last", FILMS - 51)):
        page = _time(partial(list_queue, project, after=after, only_open=False))
        yield Row(f"{name} page of 50 cases of {FILMS:,}", page, "ms", BOUND)
    yield Row("page of open cases", _time(lambda: list_queue(project)), "ms", BOUND)
    following = _time(lambda: take_next_case(project, reader))
    yield Row(f"next film, after {JUDGED:,} that this reader has judged", following, "ms", BOUND)
    yield Row(
        "next film of another reader", _time(lambda: take_next_case(project, other)), "ms", BOUND
    )
    yield Row(
        f"page of the queue of {FILMS:,} cases, p95, as seen in the browser",
        p95(_turn_pages()),
        "ms",
        BOUND,
    )
    films = iter(range(FILMS, 0, -1))

    def judge() -> None:
        film = next(films)
        new = NewVerdict(film=film, reader=other, finding=FINDING, answer="suspected")
        record_verdict(new)

    yield Row("verdict, on the disk", _time(judge), "ms", BOUND)


def _fill(project: Project) -> None:
    rng = np.random.default_rng(0)
    hashes = [f"{number:064x}" for number in range(FILMS)]
    with write_store() as store:
        known = FilmProperties(width=1024, height=1024, view="PA")
        add_dataset_films(store, project.id, hashes, [known] * FILMS)
    values = rng.random(FILMS).tolist()
    fill_queue(
        project,
        (
            Candidate(
                film=film,
                finding=FINDING,
                value=value,
                reasons=("unsure_model",),
                view="AP" if number % 3 else "PA",
                probability=value,
            )
            for number, (film, value) in enumerate(zip(hashes, values, strict=True))
        ),
    )


def _judge_first(project: Project, reader: str) -> None:
    """One reader's verdicts on the first cases of the queue, in one transaction: a verdict each would take minutes."""
    with write_store() as store:
        store.execute(
            "INSERT INTO verdicts (film, reader, finding, answer, phase, given) SELECT film, ?, finding, 'suspected', "
            "'open', '' FROM cases WHERE project = ? AND position < ?",
            (reader, project.id, JUDGED),
        )
        store.execute(
            "UPDATE cases SET missing = 1 WHERE project = ? AND position < ?", (project.id, JUDGED)
        )


def _turn_pages() -> list[float]:
    """Milliseconds from a click on Later or Earlier to the other page of the queue."""
    with serve(ROOT, Path(os.environ["CXR_WORKSPACE"])) as server, chromium() as browser:
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


def _time(call: Callable[[], object]) -> float:
    """The median time of a call, in milliseconds."""
    return median(milliseconds(call) for _ in range(TIMES))
