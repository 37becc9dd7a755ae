"""The queue of the node, in SQLite: which films have come, how far each has got, and why one gets no result.

One table, which survives the end of any process at any moment. It names no patient: of instances and studies it has
hashes of their UIDs. Other processes may look at it, and decide about dead films, while the node works.

    received -> reading -> read -> sent -> confirmed          (its files are deleted)
                   |        |       |
                   |        +-------+----> dead               (its files stay until someone decides)
                   +---------------------> dead, or passed over (no frontal chest film; its files are deleted)
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from cxr_core.errors import NodeError, RecordError
from cxr_core.workspace.json_record import parse_record
from cxr_core.workspace.paths import printable

FILE = "queue.sqlite"
SCHEMA = 1
BUSY_S = 10.0  # for another process that writes
KEPT_S = 30 * 86400.0  # how long a film that is done is remembered, so that it is not read again
# Readings of a film that were begun and never ended, as when the process dies of it: from so many on it is read after
# all others and alone, so that it takes no other with it; with so many it is dead.
READ_ALONE_FROM, MOST_READINGS = 4, 20
HASH_LENGTH = 32  # hexadecimal digits


class State(StrEnum):
    """How far a film has got."""

    RECEIVED = "received"
    READING = "reading"
    READ = "read"  # its results are on disk
    SENT = "sent"  # or being sent: the archive may have them, and has not shown them yet
    CONFIRMED = "confirmed"  # the archive holds them; nothing of the film is left here
    PASSED_OVER = "passed over"  # no frontal chest film; nothing of it is left here
    DEAD = "dead"  # needs a person
    OWN_RESULT = "own result"  # made by this program: no film, should it be received


WAITING = (State.RECEIVED, State.READING, State.READ, State.SENT)
WITH_FILES = (*WAITING, State.DEAD)
DONE = (State.CONFIRMED, State.PASSED_OVER, State.OWN_RESULT)


@dataclass(frozen=True, kw_only=True)
class QueuedFilm:
    """A film in the queue.

    name: of its files.  reason: a code: why it is dead or was passed over, or why its last attempt failed.  received:
    seconds since 1970.  attempts: that failed, of what comes next.  size: bytes.
    """

    id: int
    name: str
    state: State
    reason: str
    received: float
    attempts: int
    size: int

    @property
    def is_read_alone(self) -> bool:
        """Whether the process may have died of it, being read now."""
        return self.state == State.READING and self.attempts >= READ_ALONE_FROM

    @property
    def content_sha256(self) -> str:
        """Of the bytes of its file."""
        return self.name.partition("-")[2]


@dataclass(frozen=True, kw_only=True, repr=False)
class Arrival:
    """A film that has just come. study_uid: empty where its header does not say.  association: that it came by."""

    instance_uid: str
    study_uid: str = ""
    content_sha256: str
    association: str
    size: int

    @property
    def name(self) -> str:
        """The name of its files: the same for the same instance with the same content."""
        return f"{hash_uid(self.instance_uid)}-{self.content_sha256}"


TABLE = """
CREATE TABLE IF NOT EXISTS film (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    instance TEXT NOT NULL,
    study TEXT NOT NULL DEFAULT '',
    association TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    received REAL NOT NULL,
    changed REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS film_by_state ON film (state, id);
CREATE INDEX IF NOT EXISTS film_by_instance ON film (instance);
CREATE INDEX IF NOT EXISTS film_by_study ON film (study, received);
"""
BEGIN_ANEW = (
    "move the file away: a new one is made, and films that wait are found again by their files"
)
COLUMNS = "id, name, state, reason, received, attempts, size"


def hash_uid(uid: str) -> str:
    """What stands for a UID in files that name no study and no patient."""
    return hashlib.sha256(uid.encode()).hexdigest()[:HASH_LENGTH]


class FilmQueue:
    """The queue in a folder. Threads may share it. Raises NodeError where it cannot be opened, read or written."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time):
        """clock: seconds since 1970."""
        self._path, self._clock = folder / FILE, clock
        self._lock = threading.Lock()
        with self._explain_failure():
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explain_failure():
                self._prepare()
        except NodeError:
            self._connection.close()
            raise

    def __enter__(self) -> "FilmQueue":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        """Make the table. FULL: what a sender was told survives a power cut."""
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA:
            raise NodeError(
                f"{printable(self._path)} was written by a newer version of this program; update the program"
            )
        if version < SCHEMA:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {TABLE} PRAGMA user_version = {SCHEMA}; COMMIT;"
            )

    def is_known(self, arrival: Arrival) -> bool:
        """Whether a film came before, or is a result of this node.

        The same instance with another content is another film: its header may have been corrected.
        """
        return bool(
            self._fetch(
                "SELECT 1 FROM film WHERE name = ? OR (instance = ? AND state = ?) LIMIT 1",
                arrival.name, hash_uid(arrival.instance_uid), State.OWN_RESULT,
            )
        )  # fmt: skip

    def add(self, arrival: Arrival, state: State = State.RECEIVED, reason: str = "") -> None:
        """Add a film whose files are on disk, or one that was passed over; nothing where it is in the queue."""
        study = hash_uid(arrival.study_uid) if arrival.study_uid else ""
        self._fetch(
            "INSERT OR IGNORE INTO film"
            " (name, instance, study, association, size, state, reason, received, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arrival.name, hash_uid(arrival.instance_uid), study, arrival.association, arrival.size, state, reason,
            self._clock(), self._clock(),
        )  # fmt: skip

    def claim(self, quiet_s: float, open_associations: Collection[str]) -> QueuedFilm | None:
        """The next film that is ready, the oldest first, which is being read from now on; None where none is.

        Ready: the association that it came by has ended, or nothing of its study has come for so long.
        """
        now = self._clock()
        rows = self._fetch(
            f"""UPDATE film SET state = ?, attempts = attempts + 1, changed = ? WHERE id = (
                SELECT id FROM film AS waiting WHERE state = ? AND (
                    association NOT IN ({_marks(open_associations)}) OR COALESCE(
                        (SELECT MAX(received) FROM film WHERE study = waiting.study AND study <> ''),
                        received
                    ) <= ?
                ) ORDER BY attempts >= ?, id LIMIT 1
            ) RETURNING {COLUMNS}""",
            State.READING, now, State.RECEIVED, *open_associations, now - quiet_s,
            READ_ALONE_FROM - 1,
        )  # fmt: skip
        return self._read_film(rows[0]) if rows else None

    def mark_read(self, film: QueuedFilm, result_uids: Sequence[str]) -> None:
        """The results of a film are on disk. result_uids: of their instances."""
        now = self._clock()
        instances = [hash_uid(uid) for uid in result_uids]
        with self._transaction():
            self._set_state(film, State.READ)
            self._connection.executemany(
                "INSERT OR IGNORE INTO film (name, instance, state, received, changed) VALUES (?, ?, ?, ?, ?)",
                [(f"{each}-result", each, State.OWN_RESULT, now, now) for each in instances],
            )

    def mark(self, film: QueuedFilm, state: State, reason: str = "") -> None:
        """A film has got further, and no attempt has failed there yet."""
        with self._transaction():
            self._set_state(film, state, reason)

    def put_back(self, film: QueuedFilm) -> None:
        """A film was claimed and is not read after all."""
        self._fetch(
            "UPDATE film SET state = ?, attempts = attempts - 1 WHERE id = ? AND state = ?",
            State.RECEIVED, film.id, State.READING,
        )  # fmt: skip

    def postpone(self, film: QueuedFilm, reason: str, until: float) -> None:
        """An attempt has failed for a reason of this film's."""
        self._fetch(
            "UPDATE film SET attempts = attempts + 1, reason = ?, next_attempt = ? WHERE id = ?",
            reason, until, film.id,
        )  # fmt: skip

    def postpone_sending(self, reason: str, until: float) -> None:
        """Send nothing before a time: the archive is away, for whatever film."""
        self._fetch(
            "UPDATE film SET reason = ?, next_attempt = ? WHERE state IN (?, ?)",
            reason, until, State.READ, State.SENT,
        )  # fmt: skip

    def find_due(self, longest_wait_s: float) -> QueuedFilm | None:
        """The oldest film whose results are to be sent or confirmed now.

        longest_wait_s: that is ever set; a film that would wait longer has met a clock that was set back.
        """
        now = self._clock()
        rows = self._fetch(
            f"""SELECT {COLUMNS} FROM film WHERE state IN (?, ?)
                AND NOT (next_attempt > ? AND next_attempt <= ?) ORDER BY id LIMIT 1""",
            State.READ, State.SENT, now, now + longest_wait_s,
        )  # fmt: skip
        return self._read_film(rows[0]) if rows else None

    def recover(self) -> None:
        """Put films that the last node was reading as it ended back into the queue; the same one not for ever."""
        with self._transaction():
            self._connection.execute(
                "UPDATE film SET state = ?, reason = ? WHERE state = ? AND attempts >= ?",
                (State.DEAD, "reading_failed", State.READING, MOST_READINGS),
            )
            self._connection.execute(
                "UPDATE film SET state = ? WHERE state = ?", (State.RECEIVED, State.READING)
            )

    def restore(self, name: str, state: State, size: int = 0) -> None:
        """Add a film whose files are on disk, while the queue does not know it."""
        now = self._clock()
        self._fetch(
            "INSERT OR IGNORE INTO film (name, instance, size, state, received, changed) VALUES (?, ?, ?, ?, ?, ?)",
            name, name[:HASH_LENGTH], size, state, now, now,
        )  # fmt: skip

    def forget_old(self) -> None:
        """Forget films that were done long ago."""
        self._fetch(
            f"DELETE FROM film WHERE state IN ({_marks(DONE)}) AND changed < ?",
            *DONE, self._clock() - KEPT_S,
        )  # fmt: skip

    def list_films(self, states: Collection[State]) -> list[QueuedFilm]:
        """The films in some states, the oldest first."""
        rows = self._fetch(
            f"SELECT {COLUMNS} FROM film WHERE state IN ({_marks(states)}) ORDER BY id", *states
        )
        return list(map(self._read_film, rows))

    def is_done(self, name: str) -> bool:
        """Whether nothing of a film is to be kept, by the name of its files."""
        return bool(
            self._fetch(
                f"SELECT 1 FROM film WHERE name = ? AND state IN ({_marks(DONE)})", name, *DONE
            )
        )

    def find(self, film_id: int) -> QueuedFilm | None:
        """A film by its number."""
        rows = self._fetch(f"SELECT {COLUMNS} FROM film WHERE id = ?", film_id)
        return self._read_film(rows[0]) if rows else None

    def count_states(self) -> dict[State, int]:
        """How many films are in each state; those without any are left out."""
        rows = self._fetch("SELECT state, COUNT(*) FROM film GROUP BY state")
        with self._explain_damage():
            return {State(state): count for state, count in rows}

    def count_bytes(self) -> int:
        """What the films take up that are here, without their results."""
        rows = self._fetch(
            f"SELECT COALESCE(SUM(size), 0) FROM film WHERE state IN ({_marks(WITH_FILES)})",
            *WITH_FILES,
        )
        return int(rows[0][0])

    def revive(self, film: QueuedFilm, state: State) -> bool:
        """Have a dead film tried again from a state on; whether it was still dead."""
        with self._transaction():
            is_dead = self._is_dead(film)
            if is_dead:
                self._set_state(film, state)
        return is_dead

    def forget(self, film: QueuedFilm, delete_files: Callable[[], None]) -> bool:
        """Forget a dead film, which is then like a new one if it comes again; whether it was still dead.

        delete_files: is called while nobody else can revive the film. Where it fails, the film stays dead.
        """
        with self._transaction():
            is_dead = self._is_dead(film)
            if is_dead:
                delete_files()
                self._connection.execute("DELETE FROM film WHERE id = ?", (film.id,))
        return is_dead

    def _is_dead(self, film: QueuedFilm) -> bool:
        query = "SELECT 1 FROM film WHERE id = ? AND state = ?"
        return self._connection.execute(query, (film.id, State.DEAD)).fetchone() is not None

    def _set_state(self, film: QueuedFilm, state: State, reason: str = "") -> None:
        self._connection.execute(
            "UPDATE film SET state = ?, reason = ?, attempts = 0, next_attempt = 0, changed = ? WHERE id = ?",
            (state, reason, self._clock(), film.id),
        )

    def _fetch(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Carry out one statement; the rows that it gives."""
        with self._explain_failure(), self._lock:
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explain_failure(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _explain_failure(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NodeError(
                f"the queue of the node, {printable(self._path)}, cannot be used ({error}); free space, or {BEGIN_ANEW}"
            ) from error

    @contextmanager
    def _explain_damage(self) -> Iterator[None]:
        """Around what makes a value of a row: raises NodeError, with the file, where the row holds anything else."""
        try:
            yield
        except (RecordError, ValueError) as error:
            raise NodeError(
                f"the queue of the node, {printable(self._path)}, is damaged: {error}; {BEGIN_ANEW}"
            ) from error

    def _read_film(self, row: tuple[Any, ...]) -> QueuedFilm:
        with self._explain_damage():
            values = dict(zip([field.name for field in fields(QueuedFilm)], row, strict=True))
            return parse_record(QueuedFilm, values | {"state": State(values["state"])})


def _marks(values: Collection[object]) -> str:
    """The place-holders of a list in SQL."""
    return ", ".join("?" * len(values))
