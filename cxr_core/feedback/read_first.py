"""Read first, then reveal: the program's answer stays out of a page until the reader has judged every finding.

hidden    the reader has not judged every finding of the project
answered  every finding is judged, and the answer is still hidden
revealed  the reader has asked for the answer; verdicts from now on are kept apart from the first ones
changed   the reader has changed a verdict since

A page hands its reading to `release_answer` and shows what comes back, so that it cannot show too much by mistake.
"""

import json
from collections.abc import Iterable
from typing import Literal, TypeVar

from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project, load_project, project_of_film
from cxr_core.feedback.readers import require_reader
from cxr_core.feedback.store import read_store, write_store
from cxr_core.feedback.verdicts import ReaderVerdict, is_revealed, list_verdicts, to_verdicts
from cxr_core.presentation.wording import finding_name
from cxr_core.workspace.jsonl import utc_now

State = Literal["open", "hidden", "answered", "revealed", "changed"]
Shown = TypeVar("Shown")
# Films that a reader has judged, or is to judge in a project where that reader has judged others.
_WAITS_FOR_READER = """
    NOT EXISTS (SELECT 1 FROM reveals r WHERE r.film = f.id AND r.reader = :reader)
    AND (EXISTS (SELECT 1 FROM verdicts v WHERE v.film = f.id AND v.reader = :reader)
         OR EXISTS (SELECT 1 FROM cases c WHERE c.film = f.id AND c.missing > 0)
         AND EXISTS (SELECT 1 FROM verdicts v JOIN films g ON g.id = v.film
                     WHERE g.project = f.project AND v.reader = :reader))
"""
_WAITS_FOR_ANYBODY = """
    EXISTS (SELECT 1 FROM cases c WHERE c.film = f.id AND c.missing > 0)
    OR EXISTS (SELECT 1 FROM verdicts v WHERE v.film = f.id AND NOT EXISTS
               (SELECT 1 FROM reveals r WHERE r.film = f.id AND r.reader = v.reader))
"""


def reading_state(film: int, reader: str) -> State:
    """How far a reader, by id, is with a film; open in a project that does not hide answers."""
    with read_store() as store:
        project = project_of_film(store, film)
        revealed = is_revealed(store, film, reader)
        rows = store.execute(
            "SELECT * FROM verdicts WHERE film = ? AND reader = ? ORDER BY id", (film, reader)
        ).fetchall()
    if not project.read_first:
        return "open"
    verdicts = to_verdicts(rows)
    if revealed:
        has_changed = any(verdict.phase == "after" for verdict in verdicts)
        return "changed" if has_changed else "revealed"
    return "hidden" if _list_missing(project.findings, verdicts) else "answered"


def list_revealed_films(project: Project, reader: str) -> frozenset[int]:
    """The films of a project whose answer a reader, by id, has been shown."""
    with read_store() as store:
        rows = store.execute(
            "SELECT r.film FROM reveals r JOIN films f ON f.id = r.film WHERE f.project = ? AND r.reader = ?",
            (project.id, reader),
        ).fetchall()
    return frozenset(row["film"] for row in rows)


def find_waiting_project(files: Iterable[str], reader: str | None = None) -> Project | None:
    """The project in which one of these films is read first and its answer was not asked for yet; None without one.

    files: their SHA-256.  reader: by id, who takes part in the project; None: whoever does.
    Only films that readers bring themselves are found: those of a dataset are known by their pixels alone.
    """
    waits = _WAITS_FOR_ANYBODY if reader is None else _WAITS_FOR_READER
    with read_store() as store:
        row = store.execute(
            "SELECT f.project FROM films f JOIN projects p ON p.id = f.project WHERE p.read_first AND NOT p.deleting "
            f"AND p.dataset = '' AND f.file_sha256 IN (SELECT value FROM json_each(:files)) AND ({waits}) LIMIT 1",
            {"files": json.dumps(list(files)), "reader": reader},
        ).fetchone()
        return None if row is None else load_project(store, row["project"])


def reveal_answer(film: int, reader: str) -> None:
    """Let the program's answer be shown to a reader from now on; what was judged until now are the first verdicts.

    Raises FeedbackError that names the findings which are not judged yet.
    """
    with write_store() as store:
        project = project_of_film(store, film)
        require_reader(store, reader)
        rows = store.execute(
            "SELECT * FROM verdicts WHERE film = ? AND reader = ? ORDER BY id", (film, reader)
        ).fetchall()
        missing = _list_missing(project.findings, to_verdicts(rows))
        if project.read_first and missing:
            names = ", ".join(map(finding_name, missing))
            raise FeedbackError(
                f"the program's answer stays hidden until every finding is judged; missing: {names}"
            )
        store.execute(
            "INSERT OR IGNORE INTO reveals (film, reader, at) VALUES (?, ?, ?)",
            (film, reader, utc_now()),
        )


def release_answer(film: int, reader: str, answer: Shown) -> Shown | None:
    """The program's answer, or whatever shows it, where this reader may see it; else None."""
    return answer if reading_state(film, reader) in ("open", "revealed", "changed") else None


def first_verdicts(film: int, reader: str) -> dict[str, ReaderVerdict]:
    """What a reader judged before the answer was shown, by finding; where nothing is hidden, the present verdicts."""
    last = {
        verdict.finding: verdict
        for verdict in list_verdicts(film, reader)
        if verdict.phase != "after"
    }
    return {key: verdict for key, verdict in last.items() if verdict.answer != "withdrawn"}


def _list_missing(findings: tuple[str, ...], verdicts: list[ReaderVerdict]) -> list[str]:
    """The findings that a reader has not judged, or has taken back. verdicts: that reader's, the oldest first."""
    last = {verdict.finding: verdict.answer for verdict in verdicts}
    return [key for key in findings if last.get(key, "withdrawn") == "withdrawn"]
