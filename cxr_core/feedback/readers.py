"""The people who read films. A reader keeps one id, whatever the name becomes."""

import secrets
import sqlite3
import unicodedata
from dataclasses import dataclass

from cxr_core.errors import FeedbackError
from cxr_core.feedback.store import read_store, write_store
from cxr_core.workspace.jsonl import utc_now

MAX_NAME = 60


@dataclass(frozen=True, kw_only=True)
class RegisteredReader:
    """One reader. id: stays when the name changes; verdicts and label layers hold the id alone."""

    id: str
    name: str


def register_reader(name: str) -> RegisteredReader:
    """The reader of this name, who is added where there is none. Raises FeedbackError for a name that cannot be one."""
    name = _check_name(name)
    with write_store() as store:
        row = store.execute("SELECT id, name FROM readers WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return RegisteredReader(id=row["id"], name=row["name"])
        reader = RegisteredReader(id=f"r{secrets.token_hex(4)}", name=name)
        store.execute(
            "INSERT INTO readers (id, name, created) VALUES (?, ?, ?)", (reader.id, name, utc_now())
        )
    return reader


def find_reader_of_account(account: str, name: str) -> RegisteredReader:
    """The reader who signs in with an account, whatever the name is now; added with this name where there is none.

    account: the subject of the identity provider. A name that another reader has gets a number.
    """
    with write_store() as store:
        row = store.execute("SELECT id, name FROM readers WHERE account = ?", (account,)).fetchone()
        if row is not None:
            return RegisteredReader(id=row["id"], name=row["name"])
        name = _check_name(name[:MAX_NAME])
        taken = {row["name"] for row in store.execute("SELECT name FROM readers")}
        numbered = (f"{name[: MAX_NAME - 4]} {number}" for number in range(2, 1000))
        name = next(each for each in (name, *numbered) if each not in taken)
        reader = RegisteredReader(id=f"r{secrets.token_hex(4)}", name=name)
        store.execute(
            "INSERT INTO readers (id, name, created, account) VALUES (?, ?, ?, ?)",
            (reader.id, name, utc_now(), account),
        )
    return reader


def rename_reader(reader: str, name: str) -> RegisteredReader:
    """Give a reader, by id, another name; earlier verdicts stay this reader's.

    Raises FeedbackError for an unknown reader, and for a name that another reader has.
    """
    name = _check_name(name)
    with write_store() as store:
        require_reader(store, reader)
        if store.execute(
            "SELECT 1 FROM readers WHERE name = ? AND id <> ?", (name, reader)
        ).fetchone():
            raise FeedbackError(f"another reader is named {name}; choose another name")
        store.execute("UPDATE readers SET name = ? WHERE id = ?", (name, reader))
    return RegisteredReader(id=reader, name=name)


def list_readers() -> list[RegisteredReader]:
    """Every reader, by name."""
    with read_store() as store:
        rows = store.execute("SELECT id, name FROM readers ORDER BY name").fetchall()
    return [RegisteredReader(id=row["id"], name=row["name"]) for row in rows]


def find_reader(name: str) -> RegisteredReader:
    """A reader by name or id. Raises FeedbackError that lists the names."""
    readers = list_readers()
    for reader in readers:
        if unicodedata.normalize("NFC", name.strip()) in (reader.name, reader.id):
            return reader
    known = ", ".join(reader.name for reader in readers) or "nobody yet"
    raise FeedbackError(f"there is no reader named {name!r:.60}; known: {known}")


def require_reader(store: sqlite3.Connection, reader: str) -> None:
    """Raises FeedbackError when nobody has this id."""
    if store.execute("SELECT 1 FROM readers WHERE id = ?", (reader,)).fetchone() is None:
        raise FeedbackError(f"there is no reader with the id {reader!r:.20}; choose a reader again")


def _check_name(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise FeedbackError(f"a reader needs a name of 1 to {MAX_NAME} characters on one line")
    return name
