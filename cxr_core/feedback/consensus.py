"""What several readers' verdicts on a film come to, and which cases are still open or disputed."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from cxr_core.feedback.projects import Project
from cxr_core.feedback.store import read_store

Consensus = Literal["suspected", "not_suspected", "unsure"]
ANSWERS: tuple[Consensus, ...] = get_args(Consensus)
# Of each film, finding and reader the last verdict.
LAST_VERDICTS = """
    SELECT v.* FROM verdicts v
    WHERE v.id = (SELECT MAX(w.id) FROM verdicts w
                  WHERE w.film = v.film AND w.finding = v.finding AND w.reader = v.reader)
    AND v.answer <> 'withdrawn'
"""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What readers make of a film and a finding, all verdicts together.

    answer: the adjudicator's where there is one, else that of more than half of the readers; None where there is
    neither.  readers: ids of those whose verdicts it rests on.  comments: theirs.  when: of the last of them.
    marks: JSON texts of the marks that readers who answered so have drawn.
    """

    film: int
    pixels_sha256: str
    finding: str
    answer: Consensus | None
    readers: tuple[str, ...]
    comments: tuple[str, ...]
    when: str
    marks: tuple[str, ...] = ()


def list_judgements(project: Project) -> list[Judgement]:
    """Every film and finding of a project that somebody has judged, with what that comes to."""
    with read_store() as store:
        rows = store.execute(
            "SELECT v.*, f.pixels_sha256 FROM "
            f"({LAST_VERDICTS}) v JOIN films f ON f.id = v.film WHERE f.project = ? ORDER BY v.film, v.finding, v.id",
            (project.id,),
        ).fetchall()
        adjudications = {
            (row["film"], row["finding"]): row
            for row in store.execute(
                "SELECT a.* FROM adjudications a JOIN films f ON f.id = a.film WHERE f.project = ? ORDER BY a.id",
                (project.id,),
            )
        }
    cases: dict[tuple[int, str], list[sqlite3.Row]] = {}
    for row in rows:
        cases.setdefault((row["film"], row["finding"]), []).append(row)
    return [_judge(verdicts, adjudications.get(key)) for key, verdicts in cases.items()]


def _judge(verdicts: list[sqlite3.Row], adjudication: sqlite3.Row | None) -> Judgement:
    answer = find_consensus([row["answer"] for row in verdicts])
    basis = [row for row in verdicts if row["answer"] == answer]
    if adjudication is not None:
        answer = adjudication["answer"]
        basis = [row for row in verdicts if row["answer"] == answer]
    deciding = [adjudication] if adjudication is not None else basis or verdicts
    first = verdicts[0]
    return Judgement(
        film=first["film"],
        pixels_sha256=first["pixels_sha256"],
        finding=first["finding"],
        answer=answer,
        readers=tuple(row["reader"] for row in deciding),
        comments=tuple(row["comment"] for row in deciding if row["comment"]),
        when=max(row["given"] for row in deciding),
        marks=tuple(row["marks"] for row in basis if row["marks"] != "[]"),
    )


def find_consensus(answers: Collection[str]) -> Consensus | None:
    """The answer of more than half of the readers; None where no answer has so many, as with two who differ."""
    for answer in ANSWERS:
        if 2 * sum(one == answer for one in answers) > len(answers):
            return answer
    return None


def update_case(store: sqlite3.Connection, project: Project, film: int, finding: str) -> None:
    """Bring a case up to date after a verdict or an adjudication: how many readers it lacks, whether they differ."""
    rows = store.execute(
        f"{LAST_VERDICTS} AND v.film = ? AND v.finding = ?", (film, finding)
    ).fetchall()
    answers = [row["answer"] for row in rows]
    adjudicated = store.execute(
        "SELECT 1 FROM adjudications WHERE film = ? AND finding = ?", (film, finding)
    ).fetchone()
    row = store.execute(
        "SELECT wanted FROM cases WHERE film = ? AND finding = ?", (film, finding)
    ).fetchone()
    wanted = row["wanted"] if row is not None else project.reads
    missing = 0 if adjudicated else max(0, wanted - len(rows))
    disputed = len(rows) > 1 and find_consensus(answers) is None and not adjudicated
    store.execute(
        "INSERT INTO cases (film, finding, project, wanted, missing, disputed) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (film, finding) DO UPDATE SET missing = excluded.missing, disputed = excluded.disputed",
        (film, finding, project.id, wanted, missing, disputed),
    )
