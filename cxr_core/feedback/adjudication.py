"""Cases on which readers differ, and the answer of a third reader who settles them."""

import sqlite3
from dataclasses import dataclass

from cxr_core.errors import FeedbackError
from cxr_core.feedback.consensus import LAST_VERDICTS, update_case
from cxr_core.feedback.projects import Project, load_project
from cxr_core.feedback.readers import require_reader
from cxr_core.feedback.store import read_store, write_store
from cxr_core.feedback.verdicts import ANSWERS, MAX_COMMENT, Answer, ReaderVerdict, to_verdicts
from cxr_core.workspace.jsonl import utc_now


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A case on which readers differ. verdicts: what each of them judges now."""

    film: int
    pixels_sha256: str
    finding: str
    verdicts: tuple[ReaderVerdict, ...]


@dataclass(frozen=True, kw_only=True)
class Adjudication:
    """The answer that counts for a case, by a reader who had not judged it before."""

    film: int
    finding: str
    reader: str
    answer: Answer
    comment: str
    given: str


def list_disputes(project: Project, reader: str = "", count: int = 50) -> list[Dispute]:
    """Cases on which readers differ and nobody has adjudicated; with a reader, by id, those that this one may."""
    with read_store() as store:
        rows = store.execute(
            "SELECT c.film, c.finding, f.pixels_sha256 FROM cases c JOIN films f ON f.id = c.film "
            "WHERE c.project = ? AND c.disputed AND c.missing = 0 AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE "
            "v.film = c.film AND v.finding = c.finding AND v.reader = ?) ORDER BY c.film, c.finding LIMIT ?",
            (project.id, reader, count),
        ).fetchall()
        return [
            Dispute(
                film=row["film"],
                pixels_sha256=row["pixels_sha256"],
                finding=row["finding"],
                verdicts=tuple(_last_of_case(store, row["film"], row["finding"])),
            )
            for row in rows
        ]


def adjudicate(
    project: Project, film: int, finding: str, reader: str, answer: Answer, comment: str = ""
) -> Adjudication:
    """Settle a case on which readers differ; an earlier adjudication is kept beside it, and this one counts.

    Raises FeedbackError for a reader who judged the case, and where readers do not differ.
    """
    if answer not in ANSWERS:
        raise FeedbackError(f"found the answer {answer!r:.20}; expected {', '.join(ANSWERS)}")
    with write_store() as store:
        load_project(store, project.id)
        require_reader(store, reader)
        verdicts = _last_of_case(store, film, finding)
        if any(verdict.reader == reader for verdict in verdicts):
            raise FeedbackError(
                "a reader who has judged this film cannot adjudicate it; ask another reader"
            )
        if len({verdict.answer for verdict in verdicts}) < 2:
            raise FeedbackError(
                "the readers of this film do not differ, so there is nothing to adjudicate"
            )
        given = Adjudication(
            film=film,
            finding=finding,
            reader=reader,
            answer=answer,
            comment=comment.encode("utf-8", "replace").decode().strip()[:MAX_COMMENT],
            given=utc_now(),
        )
        store.execute(
            "INSERT INTO adjudications (film, reader, finding, answer, comment, given) VALUES (?, ?, ?, ?, ?, ?)",
            (film, reader, finding, answer, given.comment, given.given),
        )
        update_case(store, project, film, finding)
    return given


def _last_of_case(store: sqlite3.Connection, film: int, finding: str) -> list[ReaderVerdict]:
    rows = store.execute(
        f"{LAST_VERDICTS} AND v.film = ? AND v.finding = ? ORDER BY v.id", (film, finding)
    ).fetchall()
    return to_verdicts(rows)
