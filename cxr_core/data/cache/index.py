"""What the pixel cache knows of each file and of each film, in one SQLite file beside the grids.

A file is known by path, size and times, which spare hashing it again; a film by the SHA-256 of its file's bytes. A grid
whose film is not in this index does not count, however far its bytes were written.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from cxr_core.errors import DataError

FILE = "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL)"
FILM = """CREATE TABLE IF NOT EXISTS films (
    sha256 TEXT PRIMARY KEY, row INTEGER NOT NULL, pixels TEXT, width INTEGER, height INTEGER, bits INTEGER,
    concerns TEXT, refused TEXT, reason TEXT
)"""


FEW = 500  # paths that are looked up one by one
WAIT_S = 30.0  # for another process that is writing
MEND = "Free space on its disk if that is full; if the file is damaged, delete its folder and prepare again."


@dataclass(frozen=True, kw_only=True)
class Film:
    """What was learnt when a file was decoded.

    sha256: of the file's bytes.  row: of its grid, -1 when it was refused.  pixels: SHA-256 of the decoded pixels.
    concerns: codes joined by "|", "" for none, None when it has not been examined.  refused, reason: why it is no film.
    """

    sha256: str
    row: int = -1
    pixels: str | None = None
    width: int | None = None
    height: int | None = None
    bits: int | None = None
    concerns: str | None = None
    refused: str | None = None
    reason: str | None = None


COLUMNS = tuple(field.name for field in fields(Film))


def stamp_of(path: Path) -> str:
    """Size, times and inode of a file: whoever changes it cannot keep them all. Raises OSError."""
    told = path.stat()
    return f"{told.st_size}:{told.st_mtime_ns}:{told.st_ctime_ns}:{told.st_ino}"


class CacheIndex:
    """The index of one geometry. One process writes at a time, any number read."""

    def __init__(self, path: Path):
        self.path = path
        self._lookup: sqlite3.Connection | None = None

    def create(self) -> None:
        """Make the tables if they are not there. Raises DataError when the file is no such index."""
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(FILE)
            connection.execute(FILM)

    def add(self, films: Iterable[Film], files: Iterable[tuple[str, str, str]]) -> None:
        """Take in films, and files as (path, stamp, sha256): all of them or, when killed, none."""
        marks = ", ".join("?" * len(COLUMNS))
        with self._open() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO films VALUES ({marks})", map(astuple, films)
            )
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", files)

    def film(self, sha256: str) -> Film | None:
        """The film of a file's hash, if it is known. For one thread only: its connection stays open."""
        with self._explained():
            self._lookup = self._lookup or sqlite3.connect(self.path, timeout=WAIT_S)
            found = self._lookup.execute(
                "SELECT * FROM films WHERE sha256 = ?", (sha256,)
            ).fetchone()
        return Film(**dict(zip(COLUMNS, found, strict=True))) if found else None

    def rows(self) -> int:
        """How many rows of grids count."""
        with self._open() as connection:
            (last,) = connection.execute("SELECT COALESCE(MAX(row), -1) FROM films").fetchone()
        return int(last) + 1

    def entries(self, paths: Sequence[str]) -> list[tuple[Any, ...]]:
        """(path, stamp, *COLUMNS) of known files: of those asked for if they are few, else of all there are."""
        query = "SELECT path, stamp, films.* FROM files JOIN films USING (sha256)"
        asked = tuple(paths) if len(paths) <= FEW else ()
        if asked:
            query += f" WHERE path IN ({', '.join('?' * len(asked))})"
        with self._open() as connection:
            return connection.execute(query, asked).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are kept if all goes well. Raises DataError when SQLite cannot go on."""
        with (
            self._explained(),
            closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection,
            connection,
        ):
            connection.execute("PRAGMA synchronous = FULL")
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"the cache's index {self.path} cannot be used: {error}. {MEND}"
            ) from error
