"""Records who did what: an append-only log that shows when a line is missing or was changed. See docs/access.md.

`<workspace>/audit/` holds it. A line says when, who (the subject of the identity provider, the name of an API key, or
`local`), in which role, the action, the model and version, the film by a keyed hash, and the outcome. No film, no name
of a file or patient, no identifier of a study, and no text that a user has typed is ever in it.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from filelock import Timeout

from cxr_core.access.actor import Actor, current_actor
from cxr_core.access.audit_chain import append_entry, hold_log
from cxr_core.errors import AuditError, RecordError
from cxr_core.workspace.atomic import atomic_file
from cxr_core.workspace.json_files import Json, read_bounded
from cxr_core.workspace.log import write_log_line
from cxr_core.workspace.paths import printable, workspace

DONE, STARTED, REFUSED, FAILED = "done", "started", "refused", "failed"
KEY_FILE = "film.key"
KEY_BYTES = 32
FILM = re.compile(r"[0-9a-f]{64}")


def record_action(
    action: str,
    *,
    who: Actor | str | None = None,
    film: str | None = None,
    model: str | None = None,
    name: str | None = None,
    outcome: str = DONE,
    times: int = 1,
) -> bool:
    """Record an action that goes on in any case. Returns whether it was recorded; else the workspace's log says so.

    action, outcome: words of this program, never what a user or a file says.  who: None = who acts now; a text for a
    program without a role, such as `node`.  film: the sha256 of its bytes, in hex; only a keyed hash of it is kept.
    model: names with versions, `tiny 1.0.0`.  name: of a run, an API key or a page.  times: how often it happened,
    where that is counted before it is recorded.
    """
    details: dict[str, Json] = {"model": model, "name": name, "outcome": outcome, "times": times}
    try:
        _append(action, who, film, details)
    except (OSError, Timeout, AuditError, RecordError) as error:
        line: dict[str, str | int | float | bool | dict[str, int]] = {
            "task": "audit log",
            "error": type(error).__name__,
            "action": action,
        }
        write_log_line(logging.ERROR, line)
        return False
    return True


class ModelName(Protocol):
    """What names a model: its card."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...


def record_reading(
    sha256: str, models: Iterable[ModelName], *, who: Actor | str | None = None
) -> bool:
    """Record that a film was read by some models, or refused where there are none. Returns whether it was recorded."""
    names = ", ".join(sorted(f"{each.model} {each.version}" for each in models))
    return record_action(
        "reading", who=who, film=sha256, model=names, outcome=DONE if names else REFUSED
    )


def record_or_refuse(action: str, outcome: str) -> None:
    """Record an action that must not happen unrecorded. Raises AuditError where it cannot be recorded."""
    try:
        _append(action, None, None, {"outcome": outcome})
    except (OSError, Timeout, RecordError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AuditError(
            f"{printable(audit_folder())} cannot be written ({reason}), and {action} is not done unrecorded. Free "
            "space, or allow writing there, and try again."
        ) from error


def audit_folder() -> Path:
    """Where the audit log of the workspace lies."""
    return workspace() / "audit"


def hash_film(sha256: str) -> str:
    """The keyed hash under which a film stands in the log: HMAC-SHA-256 of its sha256 with the workspace's own key.

    Without the key nobody can tell whether a film that they have is in the log. Raises OSError, AuditError.
    """
    if not FILM.fullmatch(sha256):
        raise AuditError(f"found {sha256!r:.80} for a film, expected its sha256 in hex")
    return hmac.new(_load_key(audit_folder()), sha256.encode(), "sha256").hexdigest()


def _append(
    action: str, who: Actor | str | None, film: str | None, details: dict[str, Json]
) -> None:
    actor = current_actor() if who is None else who
    entry: dict[str, Json] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": actor.name if isinstance(actor, Actor) else actor,
        "role": actor.role.word if isinstance(actor, Actor) else None,
        "action": action,
        "film": hash_film(film) if film else None,
        **details,
    }
    if details.get("times") == 1:
        del entry["times"]
    append_entry(audit_folder(), {key: value for key, value in entry.items() if value})


def _load_key(folder: Path) -> bytes:
    """The key of the workspace, made with the first film."""
    path = folder / KEY_FILE
    with suppress(FileNotFoundError):
        return _parse_key(path)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with hold_log(folder):
        if not path.exists():
            with atomic_file(path, durable=True) as draft:
                draft.touch(mode=0o600)
                draft.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
    return _parse_key(path)


def _parse_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(read_bounded(path, 4 * KEY_BYTES).decode("ascii"))
    except (ValueError, RecordError):
        key = b""
    if len(key) != KEY_BYTES:
        raise AuditError(
            f"{printable(path)} does not hold the key of the audit log; put it back from a backup, or move it away, "
            "and a new one is made, with which no film is found under its former hash"
        )
    return key
