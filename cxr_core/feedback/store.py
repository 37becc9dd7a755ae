"""Opens the feedback store: one SQLite file in the workspace, which any number of server processes share.

<workspace>/feedback/feedback.sqlite    readers, projects, films by hash, verdicts, the review queue
                    films/<project>/    the pixels of films that a user chose to keep

Each use opens a connection of its own and closes it: sessions are threads, and SQLite's locks are between connections.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_core.errors import FeedbackError, RecordError
from cxr_core.feedback.schema import migrate
from cxr_core.workspace.paths import printable, workspace

FILE = "feedback.sqlite"
FILMS = "films"
LOCK_WAIT_S = 15.0


def feedback_folder() -> Path:
    """Where readers' verdicts, and the films that were kept, lie."""
    return workspace() / "feedback"


def has_store() -> bool:
    """Whether anything was ever kept in this workspace, be it damaged now; looking creates nothing."""
    return os.path.lexists(feedback_folder() / FILE)


@contextmanager
def read_store() -> Iterator[sqlite3.Connection]:
    """A connection for reading; everything read in the block is of one moment.

    Raises FeedbackError when the store cannot be opened or is damaged.
    """
    with _connect() as connection:
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


@contextmanager
def write_store() -> Iterator[sqlite3.Connection]:
    """A connection for one transaction: as the block ends, all of it is on the disk, or none of it where it raises.

    Raises FeedbackError when the store cannot be opened or written, or another process writes it for long.
    """
    with _connect() as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def erase_deleted_rows() -> None:
    """Leave no byte of deleted rows in the store's files: rewrite the file, and empty its log.

    Raises FeedbackError while another process reads the store for so long that the log cannot be emptied.
    """
    with _connect() as connection:
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise FeedbackError(
            "the store is being read, so its log still holds what was deleted; close other windows and delete again"
        )


@contextmanager
def explain_damage() -> Iterator[None]:
    """Around what makes a value of a row: raises FeedbackError, with the file, where the row holds anything else."""
    try:
        yield
    except (RecordError, ValueError) as error:
        raise FeedbackError(
            f"{printable(feedback_folder() / FILE)} is damaged: {error}. Put a copy of it back, or move it away: a "
            "new one is begun"
        ) from error


@contextmanager
def _connect() -> Iterator[sqlite3.Connection]:
    path = feedback_folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise FeedbackError(_describe(path, error)) from error
    try:
        with contextlib.closing(connection):
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit waits for the disk, so that a verdict that was shown as saved outlives a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection)
            yield connection
    except sqlite3.Error as error:
        raise FeedbackError(_describe(path, error)) from error


def _describe(path: Path, error: Exception) -> str:
    place = printable(path)
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"{place} is being written by another process; nothing was kept, try again"
    return (
        f"{place} cannot be used ({error}); free space or allow writing there. If it is damaged, move it away: a new "
        "one is begun"
    )
