"""What several readers' verdicts on a film come to, and which cases are still open or disputed."""

import sqlite3
from collections.abc import Collection
from typing import Literal

from cxr_core.feedback.projects import Project

Consensus = Literal["suspected", "not_suspected", "unsure"]
# Of each film, finding and reader the last verdict.
LAST_VERDICTS = """
    SELECT v.* FROM verdicts v
    WHERE v.id = (SELECT MAX(w.id) FROM verdicts w
                  WHERE w.film = v.film AND w.finding = v.finding AND w.reader = v.reader)
    AND v.answer <> 'withdrawn'
"""


def find_consensus(answers: Collection[str]) -> Consensus | None:
    """The answer of more than half of the readers; None where no answer has so many, as with two who differ."""
    for answer in ("suspected", "not_suspected", "unsure"):
        if 2 * sum(one == answer for one in answers) > len(answers):
            return answer  # type: ignore[return-value]
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
    missing = 0 if adjudicated else max(0, project.reads - len(rows))
    disputed = len(rows) > 1 and find_consensus(answers) is None and not adjudicated
    store.execute(
        "INSERT INTO cases (film, finding, project, missing, disputed) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (film, finding) DO UPDATE SET missing = excluded.missing, disputed = excluded.disputed",
        (film, finding, project.id, missing, disputed),
    )
