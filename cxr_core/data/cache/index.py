"""Records what the pixel cache knows of each file and each film, in one SQLite file beside the grids.

A file is identified by path, size and times, which saves hashing it again; a film by the SHA-256 of its file's bytes. A
grid whose film is not in this index does not count, even if its bytes were written.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cxr_core.errors import DataError
from cxr_core.workspace.json_record import Count, JsonRecord, PathText

CREATE_FILES = """CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL
)"""
CREATE_FILMS = """CREATE TABLE IF NOT EXISTS films (
    sha256 TEXT PRIMARY KEY, row INTEGER NOT NULL, pixels TEXT, width INTEGER, height INTEGER, bits INTEGER,
    concerns TEXT, refused TEXT, reason TEXT
)"""

MAX_SINGLE_LOOKUPS = 500  # so many paths are looked up by name; for more, all entries are read
WAIT_S = 30.0  # for another process that is writing
REMEDY = "Free space on its disk if that is full. If it is damaged, prepare the dataset again, which makes it anew."


@dataclass(frozen=True, kw_only=True)
class Film(JsonRecord):
    """What the cache knows of a film once its file has been decoded.

    sha256: of the file's bytes.  row: of its grid, -1 when the film was refused.  pixels: SHA-256 of the decoded
    pixels.  concerns: codes of its quality flags, joined by "|", "" for none, None when it has not been examined.
    refused, reason: the refusal's code and message.
    """

    sha256: str
    row: Annotated[int, Field(ge=-1)] = -1
    pixels: str | None = None
    width: Count | None = None
    height: Count | None = None
    bits: Count | None = None
    concerns: str | None = None
    refused: str | None = None
    reason: PathText | None = None


FILM_COLUMNS = tuple(field.name for field in fields(Film))
MOST_ROWS = 10**9
NUMBERS = ("width", "height", "bits")
TEXTS = ("pixels", "concerns", "refused", "reason")
# Entries with values of other types do not count, so that their films are decoded again.
IS_SOUND = " AND ".join(
    [
        f"typeof(row) = 'integer' AND row BETWEEN -1 AND {MOST_ROWS}",
        *(f"typeof({name}) IN ('integer', 'null')" for name in NUMBERS),
        *(f"typeof({name}) IN ('text', 'null')" for name in TEXTS),
    ]
)
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR")  # the last: without its tables


class CacheIndex:
    """The index of one geometry. One process writes at a time, any number read."""

    def __init__(self, path: Path):
        self.path = path

    def create_tables(self) -> None:
        """Make the tables if they are missing. Raises DataError when the file is no such index."""
        with self._connect() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(CREATE_FILES)
            connection.execute(CREATE_FILMS)

    def is_damaged(self) -> bool:
        """Whether this is no index, or one that SQLite cannot read as a whole; it has to be made anew."""
        if not self.path.is_file():
            return True
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                connection.execute("SELECT * FROM files JOIN films USING (sha256) LIMIT 1")
        except sqlite3.Error as error:
            return getattr(error, "sqlite_errorname", "").startswith(DAMAGED)
        return bool(answer != "ok")

    def add_films(self, films: Iterable[Film], files: Iterable[tuple[str, str, str]]) -> None:
        """Add films, and files as (path, stamp, sha256): all of them or, when killed, none."""
        values = ", ".join("?" * len(FILM_COLUMNS))
        with self._connect() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO films VALUES ({values})", map(astuple, films)
            )
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", files)

    def find_films(self, hashes: Iterable[str]) -> dict[str, Film]:
        """The known films among those of some hashes, by their hashes."""
        found = {}
        with self._connect() as connection:
            for sha256 in hashes:
                query = f"SELECT * FROM films WHERE sha256 = ? AND {IS_SOUND}"
                row = connection.execute(query, (sha256,)).fetchone()
                if row is not None:
                    found[sha256] = Film(**dict(zip(FILM_COLUMNS, row, strict=True)))
        return found

    def count_rows(self) -> int:
        """How many rows of grids count."""
        with self._connect() as connection:
            query = f"SELECT COALESCE(MAX(row), -1) FROM films WHERE {IS_SOUND}"
            (last,) = connection.execute(query).fetchone()
        return int(last) + 1

    def load_entries(self, paths: Sequence[str]) -> list[tuple[object, ...]]:
        """(path, stamp, *FILM_COLUMNS) of known files: of these paths if they are few, else of all files."""
        query = f"SELECT path, stamp, films.* FROM files JOIN films USING (sha256) WHERE {IS_SOUND}"
        wanted = tuple(paths) if len(paths) <= MAX_SINGLE_LOOKUPS else ()
        if wanted:
            query += f" AND path IN ({', '.join('?' * len(wanted))})"
        with self._connect() as connection:
            return connection.execute(query, wanted).fetchall()

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection that commits on success. Raises DataError when SQLite fails."""
        with (
            self._explain_errors(),
            closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection,
            connection,
        ):
            connection.execute("PRAGMA synchronous = FULL")
            yield connection

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"the cache's index {self.path} cannot be used: {error}. {REMEDY}"
            ) from error
