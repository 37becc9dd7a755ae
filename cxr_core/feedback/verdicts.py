"""Readers' verdicts: each change is one more row, and the last row of a reader on a finding is that reader's verdict.

Whether a verdict was given before or after the program's answer was shown is decided here, by what the store knows and
not by what a page says.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import Field

from cxr_core.errors import FeedbackError
from cxr_core.feedback.consensus import update_case
from cxr_core.feedback.projects import Project, project_of_film
from cxr_core.feedback.readers import require_reader
from cxr_core.feedback.store import explain_damage, read_store, write_store
from cxr_core.presentation.wording import finding_name
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.workspace.json_files import parse_json
from cxr_core.workspace.json_record import Fraction, JsonRecord, parse_record
from cxr_core.workspace.jsonl import utc_now

Answer = Literal["suspected", "not_suspected", "unsure", "withdrawn"]
ANSWERS: tuple[Answer, ...] = ("suspected", "not_suspected", "unsure")
# Before or after the program's answer was revealed; open where the project never hides it.
Phase = Literal["before", "after", "open"]
MAX_COMMENT = 1000
MAX_MARKS = 20
Pixels = Annotated[float, Field(ge=-100_000, le=100_000)]


@dataclass(frozen=True, kw_only=True)
class Mark(JsonRecord):
    """A box on the film, or a point where width and height are 0. All in fractions of the film's size."""

    left: Fraction
    top: Fraction
    width: Fraction = 0.0
    height: Fraction = 0.0

    def __post_init__(self) -> None:
        if max(self.left + self.width, self.top + self.height) > 1 + 1e-6:
            raise FeedbackError("a mark lies outside the film; draw it again")


@dataclass(frozen=True, kw_only=True)
class DiameterEnds(JsonRecord):
    """The ends of both diameters as the reader set them: (x, y) in pixels of the film, see `cardiothoracic.ratio`."""

    heart: tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]
    thorax: tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]

    @classmethod
    def of_lines(cls, heart: Line, thorax: Line) -> "DiameterEnds":
        """Those of a measurement."""
        return cls(heart=heart, thorax=thorax)


@dataclass(frozen=True, kw_only=True)
class ProgramAnswer:
    """What the program said of one finding. call: present, absent or indeterminate; empty where it gave none."""

    model: str = ""
    version: str = ""
    probability: float | None = None
    call: str = ""


NO_ANSWER = ProgramAnswer()


@dataclass(frozen=True, kw_only=True)
class NewVerdict:
    """A verdict to be kept. film: its number in the project.  reader: an id.

    program: what the program says of the film at this time, whether or not the reader sees it.
    seen: the number of this reader's verdict on the finding that the window shows; 0 for none.
    """

    film: int
    reader: str
    finding: str
    answer: Answer
    comment: str = ""
    calipers: DiameterEnds | None = None
    marks: tuple[Mark, ...] = ()
    program: ProgramAnswer = NO_ANSWER
    seen: int = 0


@dataclass(frozen=True, kw_only=True)
class ReaderVerdict:
    """A verdict as it is kept. undoes: the number of the verdict that it takes back, if it does."""

    id: int
    film: int
    reader: str
    finding: str
    answer: Answer
    phase: Phase
    comment: str
    calipers: DiameterEnds | None
    marks: tuple[Mark, ...]
    program: ProgramAnswer
    undoes: int | None
    given: str  # ISO 8601, UTC


@dataclass(frozen=True, kw_only=True)
class SavedVerdict:
    """What became of a new verdict. overrides: a verdict of the same reader that the window did not show.

    Both are kept, and the new one counts.
    """

    verdict: ReaderVerdict
    overrides: ReaderVerdict | None = None

    @property
    def warning(self) -> str:
        """That another window had saved something else meanwhile; empty where none had."""
        if self.overrides is None:
            return ""
        other = self.overrides.answer.replace("_", " ")
        return (
            f"{finding_name(self.overrides.finding)}: another window of yours had saved {other!r} meanwhile. Both are "
            "kept, and this one counts."
        )


def record_verdict(new: NewVerdict) -> SavedVerdict:
    """Keep a verdict. When this returns it is on the disk.

    Raises FeedbackError for an answer, finding, film or reader that is unknown, and when it cannot be kept.
    """
    if new.answer not in ANSWERS:
        raise FeedbackError(f"found the verdict {new.answer!r:.20}; expected {', '.join(ANSWERS)}")
    if len(new.marks) > MAX_MARKS:
        raise FeedbackError(f"{len(new.marks)} marks were drawn; {MAX_MARKS} are kept at most")
    with write_store() as store:
        project = project_of_film(store, new.film)
        require_reader(store, new.reader)
        if new.finding not in project.findings:
            raise FeedbackError(
                f"{project.name} does not judge {new.finding}; it judges {', '.join(project.findings)}"
            )
        before = _last_verdict(store, new.film, new.reader, new.finding)
        verdict = _insert(store, project, new)
        store.execute(  # the reader is done with it, so that another one may have it
            "DELETE FROM assignments WHERE film = ? AND finding = ? AND reader = ?",
            (new.film, new.finding, new.reader),
        )
        update_case(store, project, new.film, new.finding)
    is_stale = before is not None and before.id != new.seen
    return SavedVerdict(verdict=verdict, overrides=before if is_stale else None)


def undo_verdict(verdict: int, reader: str) -> ReaderVerdict:
    """Take back a reader's last verdict on a finding, by one more row: what stood before it stands again.

    Raises FeedbackError when it is not this reader's last one, as after a verdict in another window.
    """
    with write_store() as store:
        row = store.execute("SELECT * FROM verdicts WHERE id = ?", (verdict,)).fetchone()
        undone = _to_verdict(row) if row is not None else None
        if undone is None or undone.reader != reader:
            raise FeedbackError("this verdict is not there any more, or is another reader's")
        last = _last_verdict(store, undone.film, reader, undone.finding)
        if last is None or last.id != verdict:
            raise FeedbackError(
                "another verdict was saved since; nothing was undone, look at that one first"
            )
        project = project_of_film(store, undone.film)
        restored = _verdict_before(store, undone)
        restored_verdict = _insert(store, project, restored, undoes=verdict)
        update_case(store, project, undone.film, undone.finding)
    return restored_verdict


def list_verdicts(film: int, reader: str | None = None) -> list[ReaderVerdict]:
    """Every row about a film, the oldest first; with a reader, by id, that reader's alone."""
    with read_store() as store:
        rows = store.execute(
            "SELECT * FROM verdicts WHERE film = ? AND (? IS NULL OR reader = ?) ORDER BY id",
            (film, reader, reader),
        ).fetchall()
    return list(map(_to_verdict, rows))


def stamp_verdicts(project: Project) -> str:
    """Another text once a verdict was given on a film of a project, or films were deleted."""
    with read_store() as store:
        row = store.execute(
            "SELECT COUNT(*), MAX(v.id) FROM verdicts v JOIN films f ON f.id = v.film WHERE f.project = ?",
            (project.id,),
        ).fetchone()
    return f"{row[0]}-{row[1]}"


def current_verdicts(film: int, reader: str) -> dict[str, ReaderVerdict]:
    """What a reader's verdicts on a film are now, by finding; none that was taken back."""
    last = {verdict.finding: verdict for verdict in list_verdicts(film, reader)}
    return {key: verdict for key, verdict in last.items() if verdict.answer != "withdrawn"}


def answer_of_agreement(
    call: str, agreement: Literal["agree", "disagree", "unsure"]
) -> Answer | None:
    """The verdict that agreeing or disagreeing with the program's call is; None where it made no call."""
    if agreement == "unsure":
        return "unsure"
    if call not in ("present", "absent"):
        return None
    return "suspected" if (call == "present") == (agreement == "agree") else "not_suspected"


def _verdict_before(store: sqlite3.Connection, undone: ReaderVerdict) -> NewVerdict:
    """What stood before a verdict, as a new one; withdrawn where nothing did."""
    rows = store.execute(
        "SELECT * FROM verdicts WHERE film = ? AND reader = ? AND finding = ? AND id < ? ORDER BY id DESC LIMIT 1",
        (undone.film, undone.reader, undone.finding, undone.id),
    ).fetchall()
    former = _to_verdict(rows[0]) if rows else None
    return NewVerdict(
        film=undone.film,
        reader=undone.reader,
        finding=undone.finding,
        answer=former.answer if former else "withdrawn",
        comment=former.comment if former else "",
        calipers=former.calipers if former else None,
        marks=former.marks if former else (),
        program=undone.program,
    )


def _insert(
    store: sqlite3.Connection, project: Project, new: NewVerdict, undoes: int | None = None
) -> ReaderVerdict:
    phase: Phase = "open"
    if project.read_first:
        phase = "after" if is_revealed(store, new.film, new.reader) else "before"
    comment = new.comment.encode("utf-8", "replace").decode().strip()[:MAX_COMMENT]
    program = new.program
    cursor = store.execute(
        "INSERT INTO verdicts (film, reader, finding, answer, phase, comment, calipers, marks, model, version, "
        "probability, call, undoes, given) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.film,
            new.reader,
            new.finding,
            new.answer,
            phase,
            comment,
            json.dumps(new.calipers.to_json()) if new.calipers else "",
            json.dumps([mark.to_json() for mark in new.marks]),
            program.model,
            program.version,
            program.probability,
            program.call,
            undoes,
            utc_now(),
        ),
    )
    row = store.execute("SELECT * FROM verdicts WHERE id = ?", (cursor.lastrowid,)).fetchone()
    return _to_verdict(row)


def is_revealed(store: sqlite3.Connection, film: int, reader: str) -> bool:
    """Whether a reader has been shown the program's answer for a film of a project that hides it first."""
    row = store.execute(
        "SELECT 1 FROM reveals WHERE film = ? AND reader = ?", (film, reader)
    ).fetchone()
    return row is not None


def _last_verdict(
    store: sqlite3.Connection, film: int, reader: str, finding: str
) -> ReaderVerdict | None:
    row = store.execute(
        "SELECT * FROM verdicts WHERE film = ? AND finding = ? AND reader = ? ORDER BY id DESC LIMIT 1",
        (film, finding, reader),
    ).fetchone()
    return _to_verdict(row) if row is not None else None


@explain_damage()
def _to_verdict(row: sqlite3.Row) -> ReaderVerdict:
    program = {field.name: row[field.name] for field in fields(ProgramAnswer)}
    values = {
        **row,
        "calipers": parse_json(row["calipers"]) if row["calipers"] else None,
        "marks": parse_json(row["marks"]),
        "program": program,
    }
    names = [field.name for field in fields(ReaderVerdict)]
    return parse_record(ReaderVerdict, {name: values[name] for name in names})


def to_verdicts(rows: Sequence[sqlite3.Row]) -> list[ReaderVerdict]:
    """Verdicts from their rows."""
    return list(map(_to_verdict, rows))
