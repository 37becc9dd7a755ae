"""Projects: what readers look at together, by which rules, and which findings they judge.

A project either gathers films that people chose to keep, or reviews the labels of a registered dataset, whose films
stay where they are.
"""

import re
import secrets
import sqlite3
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields

from cxr_core.errors import FeedbackError
from cxr_core.feedback.store import explain_damage, read_store, write_store
from cxr_core.known_findings import find_finding, known_findings, order_findings
from cxr_core.workspace.json_record import parse_record
from cxr_core.workspace.jsonl import utc_now

NAME = re.compile(r"\w[\w.+ -]{0,59}")
MAX_READS = 9


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project.

    findings: keys, each of which a reader judges.  read_first: whether the program's answer, the label and why a film
    is in the queue stay hidden until the reader has judged every finding.  reads: readers wanted for each film, who do
    not see each other's verdicts.  dataset: the registered dataset whose labels are reviewed; empty where films are
    kept.
    data_sha256: of that dataset's films when the project began.
    """

    id: str
    name: str
    created: str  # ISO 8601, UTC
    findings: tuple[str, ...]
    read_first: bool = False
    reads: int = 1
    dataset: str = ""
    data_sha256: str = ""
    note: str = ""


def create_project(
    name: str,
    findings: Sequence[str],
    *,
    read_first: bool = False,
    reads: int = 1,
    dataset: str = "",
    data_sha256: str = "",
    note: str = "",
) -> Project:
    """Begin a project. See `review.create_review` for one of a dataset's labels.

    Raises FeedbackError for a name that is taken or cannot be one, an unknown finding, or a wrong number of reads.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not NAME.fullmatch(name):
        raise FeedbackError(
            f"a project cannot be named {name!r:.60}; use up to 60 letters, digits, spaces, dots, _, + and -"
        )
    unknown = [key for key in findings if find_finding(key) is None]
    if unknown or not findings:
        raise FeedbackError(
            f"a project needs findings to judge, found {', '.join(unknown) or 'none'}; known: "
            f"{', '.join(known_findings())}"
        )
    if not 1 <= reads <= MAX_READS:
        raise FeedbackError(f"found {reads} readers for each film; expected 1 to {MAX_READS}")
    project = Project(
        id=f"p{secrets.token_hex(4)}",
        name=name,
        created=utc_now(),
        findings=tuple(order_findings(findings)),
        read_first=read_first,
        reads=reads,
        dataset=dataset,
        data_sha256=data_sha256,
        note=note.strip(),
    )
    with write_store() as store:
        if store.execute("SELECT 1 FROM projects WHERE name = ?", (name,)).fetchone():
            raise FeedbackError(f"there is a project named {name} already; choose another name")
        store.execute(
            "INSERT INTO projects (id, name, created, findings, read_first, reads, dataset, data_sha256, note) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                project.id,
                project.name,
                project.created,
                " ".join(project.findings),
                project.read_first,
                project.reads,
                project.dataset,
                project.data_sha256,
                project.note,
            ),
        )
    return project


def list_projects() -> list[Project]:
    """Every project, by name; none that is being deleted."""
    with read_store() as store:
        rows = store.execute("SELECT * FROM projects WHERE NOT deleting ORDER BY name").fetchall()
    return list(map(_to_project, rows))


def find_project(name: str) -> Project:
    """A project by name or id. Raises FeedbackError that lists the names."""
    projects = list_projects()
    for project in projects:
        if unicodedata.normalize("NFC", name.strip()) in (project.name, project.id):
            return project
    known = ", ".join(project.name for project in projects) or "none yet"
    raise FeedbackError(f"there is no project named {name!r:.60}; known: {known}")


def load_project(store: sqlite3.Connection, project: str) -> Project:
    """A project by id. Raises FeedbackError when it was deleted."""
    row = store.execute(
        "SELECT * FROM projects WHERE id = ? AND NOT deleting", (project,)
    ).fetchone()
    if row is None:
        raise FeedbackError("this project was deleted meanwhile; choose another one")
    return _to_project(row)


def project_of_film(store: sqlite3.Connection, film: int) -> Project:
    """The project that a film belongs to. Raises FeedbackError when either was deleted."""
    row = store.execute("SELECT project FROM films WHERE id = ?", (film,)).fetchone()
    if row is None:
        raise FeedbackError("this film is in no project any more; choose another one")
    return load_project(store, row["project"])


@explain_damage()
def _to_project(row: sqlite3.Row) -> Project:
    values = {
        **row,
        "findings": row["findings"].split(),
        "read_first": bool(row["read_first"]),
    }
    return parse_record(Project, {field.name: values[field.name] for field in fields(Project)})
