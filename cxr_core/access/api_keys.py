"""API keys: one for each program that uses the service; shown once, kept as a hash, revoked by name.

`<workspace>/access/keys.json` holds the SHA-256 of each key. A slow hash with a salt, as for passwords, would add
nothing: a key has 256 random bits, so nobody can try out keys until one fits, and no two keys are alike.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from filelock import FileLock

from cxr_core.access.actor import Actor, Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import AccessRefused, RecordError
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, read_record_file
from cxr_core.workspace.paths import printable, workspace

FILE = "keys.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
MARK = "cxr_"  # so that a scanner for lost secrets finds one
KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class ApiKey(JsonRecord):
    """A program's key. Days are ISO 8601, UTC; empty where the key was never used, or is not revoked."""

    name: str
    sha256: str
    created: str
    last_used: str = ""
    revoked: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiKeys(JsonRecord):
    """Every key that there was (keys.json): a revoked one stays, so that its name in the audit log stays its own."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    keys: tuple[ApiKey, ...] = field(default=())


@dataclass(frozen=True, repr=False)
class NewKey:
    """A key that was just made. secret: what the program sends; it is nowhere else, and never shown again."""

    name: str
    secret: str


def add_key(name: str) -> NewKey:
    """Make a key for a program. Raises AccessRefused, also for a name that cannot be one, AuditError, RecordError."""
    if not NAME.fullmatch(name):
        raise AccessRefused(
            f"{name!r:.80} cannot be the name of a key; use up to 60 letters, digits, dots, dashes and underscores"
        )
    secret = MARK + secrets.token_urlsafe(KEY_BYTES)
    with perform_action("creation of an API key", Role.ADMIN) as task, _change_keys() as keys:
        if any(key.name == name for key in keys):
            raise AccessRefused(
                f"there is or was a key named {name}; choose another name, so that the audit log tells them apart"
            )
        task.add(key=name)
        keys.append(ApiKey(name=name, sha256=_hash(secret), created=_today()))
    return NewKey(name, secret)


def revoke_key(name: str) -> None:
    """Let a key open nothing any more, from the next request on. Raises AccessRefused, AuditError, RecordError."""
    with perform_action("revocation of an API key", Role.ADMIN) as task, _change_keys() as keys:
        valid = [place for place, key in enumerate(keys) if key.name == name and not key.revoked]
        if not valid:
            names = ", ".join(key.name for key in keys if not key.revoked) or "none"
            raise AccessRefused(f"there is no valid key named {name!r:.80}; valid ones are {names}")
        task.add(key=name)
        keys[valid[0]] = replace(keys[valid[0]], revoked=_today())


def list_keys() -> tuple[ApiKey, ...]:
    """Every key, revoked ones included, the oldest first. Raises RecordError where the file is damaged."""
    path = _keys_file()
    try:
        return read_record_file(path, ApiKeys).keys
    except FileNotFoundError:
        return ()
    except (OSError, RecordError) as error:
        raise RecordError(
            f"access/{FILE} of the workspace cannot be read ({getattr(error, 'strerror', None) or error}). Put a copy "
            "of it back; until then no program may use the service"
        ) from error


def find_client(secret: str) -> Actor:
    """The program that a key belongs to, which may read films. Raises AccessRefused for another key, RecordError.

    The presented key is hashed and compared with every stored hash in constant time.
    """
    sha256 = _hash(secret)
    found = [key for key in list_keys() if hmac.compare_digest(key.sha256, sha256)]
    if not found:
        raise AccessRefused("this API key is not known here; ask an admin of this server for one")
    (key,) = found
    if key.revoked:
        raise AccessRefused(
            f"the API key {key.name} was revoked on {key.revoked}; ask an admin of this server for another one"
        )
    _note_use(key)
    return Actor(f"key:{key.name}", Role.READER)


def _note_use(used: ApiKey) -> None:
    """Keep the day of the last use: written once a day, and left out where nothing can be written."""
    if used.last_used == _today():
        return
    with suppress(OSError, RecordError), _change_keys() as keys:
        for place, key in enumerate(keys):
            if key.sha256 == used.sha256:
                keys[place] = replace(key, last_used=_today())


@contextmanager
def _change_keys() -> Iterator[list[ApiKey]]:
    """The keys, which are written as the block ends; one process changes them at a time. Raises RecordError."""
    path = _keys_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(path.with_name(f".{path.name}.lock")):
            keys = [*list_keys()]
            yield keys
            write_json(path, ApiKeys(keys=tuple(keys)).to_json(), durable=True)
    except OSError as error:
        raise RecordError(
            f"{printable(path)} cannot be written ({error.strerror or error}). Nothing was changed; free space, or "
            "allow writing there, and try again"
        ) from error


def _keys_file() -> Path:
    return workspace() / "access" / FILE


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
