"""How long a page of a review queue, the next film and a verdict take, with many films in the queue."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.table import Row, milliseconds
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
TRIAL = {"FILMS": 300, "JUDGED": 50, "TIMES": 2}
FINDING = "pneumonia"


def rows() -> Iterator[Row]:
    """Medians in milliseconds."""
    with temporary_workspace():
        yield from _measure()


@contextmanager
def temporary_workspace() -> Iterator[Path]:
    """A workspace for this process, until the block ends."""
    former = os.environ.get("CXR_WORKSPACE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CXR_WORKSPACE"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("CXR_WORKSPACE")
            if former is not None:
                os.environ["CXR_WORKSPACE"] = former


def _measure() -> Iterator[Row]:
    project = create_project("many", [FINDING], reads=2)
    reader, other = register_reader("Ada").id, register_reader("Ben").id
    filled_ms = milliseconds(lambda: fill_long_queue(project, FILMS))
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
    films = iter(range(FILMS, 0, -1))

    def judge() -> None:
        film = next(films)
        new = NewVerdict(film=film, reader=other, finding=FINDING, answer="suspected")
        record_verdict(new)

    yield Row("verdict, on the disk", _time(judge), "ms", BOUND)


def fill_long_queue(project: Project, films: int) -> None:
    """Fill a project's queue with so many films, which nobody has judged."""
    rng = np.random.default_rng(0)
    hashes = [f"{number:064x}" for number in range(films)]
    with write_store() as store:
        known = FilmProperties(width=1024, height=1024, view="PA")
        add_dataset_films(store, project.id, hashes, [known] * films)
    values = rng.random(films).tolist()
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


def _time(call: Callable[[], object]) -> float:
    """The median time of a call, in milliseconds."""
    return median(milliseconds(call) for _ in range(TIMES))
