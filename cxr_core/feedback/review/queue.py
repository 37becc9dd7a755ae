"""Keeps the review queue of a project, turns its pages, and gives each reader the next film.

A page is read from where the last one ended, so that it takes as long at the end of 100,000 films as at the beginning.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from cxr_core.errors import FeedbackError
from cxr_core.feedback.consensus import LAST_VERDICTS, update_case
from cxr_core.feedback.films import FilmProperties
from cxr_core.feedback.projects import Project, load_project
from cxr_core.feedback.readers import require_reader
from cxr_core.feedback.review.candidates import (
    UNSURE_SHARE,
    Candidate,
    merge_candidates,
    order_candidates,
)
from cxr_core.feedback.store import explain_damage, read_store, write_store
from cxr_core.feedback.verdicts import NO_ANSWER, ProgramAnswer
from cxr_core.workspace.json_files import parse_json
from cxr_core.workspace.json_record import parse_record

ASSIGNED_S = 1800.0  # how long a film that a reader has open is not given to another
MAX_PAGE = 500
READ_AGAIN = {"reader_and_model", "unsure_reader"}  # reasons for which one more reader is wanted
_CASE = """
    SELECT c.*, f.pixels_sha256, f.properties, a.model, a.version, a.probability, a.call, a.label
    FROM cases c JOIN films f ON f.id = c.film
    LEFT JOIN answers a ON a.film = c.film AND a.finding = c.finding
"""
# A reader's last row on a case; what was taken back counts for none.
_LAST_ANSWER = """
    COALESCE((SELECT v.answer FROM verdicts v WHERE v.film = c.film AND v.finding = c.finding AND v.reader = :reader
              ORDER BY v.id DESC LIMIT 1), 'withdrawn')
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A film and a finding that readers judge.

    film: its number in the project.  position: in the queue, None outside it.  missing: readers still wanted.
    disputed: whether readers differ and nobody has adjudicated.  label: the dataset's, 1, 0 or None (unknown).
    answer: the model's. value, reasons, detail, label and answer are empty where they are hidden from a reader.
    """

    film: int
    pixels_sha256: str
    finding: str
    properties: FilmProperties
    missing: int
    disputed: bool
    position: int | None = None
    value: float | None = None
    reasons: tuple[str, ...] = ()
    detail: str = ""
    label: int | None = None
    answer: ProgramAnswer | None = None

    def without_answer(self) -> "Case":
        """The case as a reader may see it who has not judged the film."""
        return replace(self, value=None, reasons=(), detail="", label=None, answer=None)


@dataclass(frozen=True, kw_only=True)
class QueuePage:
    """A page of a queue. after: where the next one begins; None on the last.  open, total: cases of the queue."""

    cases: tuple[Case, ...]
    after: int | None
    open: int
    total: int


@dataclass(frozen=True, kw_only=True)
class FindingAnswer:
    """What a model, and the dataset's label, say of one film and finding. film: the hash of its pixels."""

    film: str
    finding: str
    answer: ProgramAnswer
    label: int | None = None


def fill_queue(project: Project, candidates: Iterable[Candidate]) -> int:
    """Put the queue of a project in a new order. Returns its length; cases that have been judged keep their verdicts.

    Candidates of films that are not in the project, and of findings that it does not judge, are left out.
    """
    ordered = order_candidates(merge_candidates(candidates))
    with write_store() as store:
        load_project(store, project.id)
        numbers = _number_films(store, project)
        store.execute("UPDATE cases SET position = NULL WHERE project = ?", (project.id,))
        rows = [
            (
                numbers[one.film],
                one.finding,
                project.id,
                project.reads,
                project.reads,
                position,
                one.value,
                " ".join(one.reasons),
                one.detail,
            )
            for position, one in enumerate(
                one for one in ordered if one.film in numbers and one.finding in project.findings
            )
        ]
        store.executemany(
            "INSERT INTO cases (film, finding, project, wanted, missing, position, value, reasons, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (film, finding) DO UPDATE SET "
            "position = excluded.position, value = excluded.value, reasons = excluded.reasons, "
            "detail = excluded.detail",
            rows,
        )
        for one in ordered:
            if one.film in numbers and set(one.reasons) & READ_AGAIN:
                _want_another_reader(store, project, numbers[one.film], one.finding)
    return len(rows)


def find_reader_candidates(project: Project) -> list[Candidate]:
    """Judged cases worth another look: the readers differ, among each other or from the model, or are not sure."""
    with read_store() as store:
        rows = store.execute(
            f"SELECT v.*, f.pixels_sha256, f.properties FROM ({LAST_VERDICTS}) v JOIN films f ON f.id = v.film "
            "WHERE f.project = ? ORDER BY v.film, v.finding, v.id",
            (project.id,),
        ).fetchall()
    by_case: dict[tuple[int, str], list[sqlite3.Row]] = {}
    for row in rows:
        by_case.setdefault((row["film"], row["finding"]), []).append(row)
    return [one for verdicts in by_case.values() for one in _find_of_case(verdicts)]


def _find_of_case(verdicts: Sequence[sqlite3.Row]) -> list[Candidate]:
    """The reasons to look again at one case that has been judged."""
    last = verdicts[-1]
    answers = {row["answer"] for row in verdicts}
    probability = last["probability"]
    candidate = Candidate(
        film=last["pixels_sha256"],
        finding=last["finding"],
        value=1.0,
        reasons=(),
        view=FilmProperties.from_json(parse_json(last["properties"])).view or "",
        probability=0.5 if probability is None else probability,
    )
    if len(answers) > 1:
        return [replace(candidate, reasons=("reader_and_reader",))]
    if len(verdicts) > 1:
        return []  # several readers agree
    if last["answer"] == "unsure":
        return [replace(candidate, value=UNSURE_SHARE, reasons=("unsure_reader",))]
    called = {"present": "suspected", "absent": "not_suspected"}.get(last["call"], last["answer"])
    if called == last["answer"]:
        return []
    sure = candidate.probability if last["call"] == "present" else 1 - candidate.probability
    return [replace(candidate, value=sure, reasons=("reader_and_model",))]


def _want_another_reader(
    store: sqlite3.Connection, project: Project, film: int, finding: str
) -> None:
    """Ask for one more reader than have judged a case."""
    store.execute(
        "UPDATE cases SET wanted = MAX(wanted, 1 + (SELECT COUNT(DISTINCT reader) FROM verdicts "
        "WHERE film = cases.film AND finding = cases.finding)) WHERE film = ? AND finding = ?",
        (film, finding),
    )
    update_case(store, project, film, finding)


def keep_answers(project: Project, answers: Sequence[FindingAnswer]) -> None:
    """Keep what a model says of the films of a project, in the place of what one said before."""
    with write_store() as store:
        numbers = _number_films(store, project)
        store.executemany(
            "INSERT OR REPLACE INTO answers (film, finding, model, version, probability, call, label) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    numbers[one.film],
                    one.finding,
                    one.answer.model,
                    one.answer.version,
                    one.answer.probability,
                    one.answer.call,
                    one.label,
                )
                for one in answers
                if one.film in numbers
            ],
        )


def list_queue(
    project: Project,
    *,
    after: int | None = None,
    count: int = 50,
    only_open: bool = True,
    reader: str = "",
) -> QueuePage:
    """A page of a project's queue. after: of the page before; None for the first.

    reader: who looks, by id. With `read_first` a reader does not see why a film is in the queue, nor its label, before
    having asked for the answer; without a reader all is shown, for whoever runs the study.
    """
    count = min(max(count, 1), MAX_PAGE)
    open_only = "AND c.missing > 0" if only_open else ""
    with read_store() as store:
        rows = store.execute(
            f"{_CASE} WHERE c.project = ? AND c.position > ? {open_only} ORDER BY c.position LIMIT ?",
            (project.id, -1 if after is None else after, count + 1),
        ).fetchall()
        # Two counts from indexes are quicker than a look at every case, while most cases are open.
        total, done = (
            store.execute(
                f"SELECT COUNT(*) FROM cases WHERE project = ? AND position IS NOT NULL {which}",
                (project.id,),
            ).fetchone()[0]
            for which in ("", "AND missing = 0")
        )
        cases = [_to_case(row) for row in rows[:count]]
        if reader and project.read_first:
            revealed = _list_revealed(store, reader, [case.film for case in cases])
            cases = [case if case.film in revealed else case.without_answer() for case in cases]
    return QueuePage(
        cases=tuple(cases),
        after=cases[-1].position if len(rows) > count else None,
        open=total - done,
        total=total,
    )


def take_next_case(
    project: Project, reader: str, *, after: int | None = None, assigned_s: float = ASSIGNED_S
) -> Case | None:
    """The first open case of the queue that this reader has not judged and no other reader has open; None at its end.

    after: the position of a case that is passed over, with all before it.  assigned_s: for how long the case is this
    reader's alone, as far as no more readers are wanted.
    """
    now = time.time()
    with write_store() as store:
        require_reader(store, reader)
        row = store.execute(
            f"{_CASE} WHERE c.project = :project AND c.missing > 0 AND c.position > :after "
            f"AND {_LAST_ANSWER} = 'withdrawn' "
            "AND (SELECT COUNT(*) FROM assignments s WHERE s.film = c.film AND s.finding = c.finding "
            "     AND s.reader <> :reader AND s.at > :since) < c.missing ORDER BY c.position LIMIT 1",
            {
                "project": project.id,
                "after": -1 if after is None else after,
                "reader": reader,
                "since": now - assigned_s,
            },
        ).fetchone()
        if row is None:
            return None
        store.execute(
            "INSERT OR REPLACE INTO assignments (film, finding, reader, at) VALUES (?, ?, ?, ?)",
            (row["film"], row["finding"], reader, now),
        )
        revealed = _list_revealed(store, reader, [row["film"]])
    case = _to_case(row)
    return case.without_answer() if project.read_first and not revealed else case


def load_case(project: Project, film: int, finding: str, reader: str = "") -> Case:
    """One case; hidden from a reader as in `list_queue`. Raises FeedbackError when there is none."""
    with read_store() as store:
        row = store.execute(
            f"{_CASE} WHERE c.project = ? AND c.film = ? AND c.finding = ?",
            (project.id, film, finding),
        ).fetchone()
        if row is None:
            raise FeedbackError("this film is not in the project any more; take the next one")
        hidden = reader and project.read_first and not _list_revealed(store, reader, [film])
    case = _to_case(row)
    return case.without_answer() if hidden else case


def find_answer(film: int, finding: str) -> ProgramAnswer:
    """What the model said of a film when the queue was filled; empty where it said nothing."""
    with read_store() as store:
        row = store.execute(
            "SELECT * FROM answers WHERE film = ? AND finding = ?", (film, finding)
        ).fetchone()
    return _to_answer(row) if row is not None else NO_ANSWER


@explain_damage()
def _to_answer(row: sqlite3.Row) -> ProgramAnswer:
    names = [field.name for field in fields(ProgramAnswer)]
    return parse_record(ProgramAnswer, {name: row[name] for name in names})


def _number_films(store: sqlite3.Connection, project: Project) -> dict[str, int]:
    """The numbers of a project's films by the hash of their pixels."""
    rows = store.execute("SELECT pixels_sha256, id FROM films WHERE project = ?", (project.id,))
    return {row["pixels_sha256"]: row["id"] for row in rows}


def _list_revealed(store: sqlite3.Connection, reader: str, films: Sequence[int]) -> set[int]:
    """Those of some films whose answer a reader has been shown."""
    rows = store.execute(
        "SELECT film FROM reveals WHERE reader = ? AND film IN (SELECT value FROM json_each(?))",
        (reader, json.dumps(list(films))),
    )
    return {row["film"] for row in rows}


@explain_damage()
def _to_case(row: sqlite3.Row) -> Case:
    values = {
        **row,
        "properties": parse_json(row["properties"]),
        "disputed": bool(row["disputed"]),
        "reasons": row["reasons"].split(),
        "label": None if row["label"] is None else int(row["label"]),
        "answer": _to_answer(row) if row["model"] is not None else None,
    }
    return parse_record(Case, {field.name: values[field.name] for field in fields(Case)})
