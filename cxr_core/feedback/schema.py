"""The tables of the feedback store, and how a store of an earlier version is brought up to date.

Nothing in them names a patient, a file or a folder: a film is known by the hashes of its file and of its pixels.
Verdicts, reveals and adjudications are only ever added; a later row takes the place of an earlier one.
"""

import sqlite3

from cxr_core.errors import FeedbackError

# Each script brings a store from the version before it to its own; the first makes an empty store.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE readers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        account TEXT UNIQUE                -- the subject of who signs in; NULL for a name that was typed
    );
    CREATE TABLE projects (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        findings TEXT NOT NULL,            -- keys of findings, joined by a space
        read_first INTEGER NOT NULL,       -- whether answers stay hidden until a verdict is given
        reads INTEGER NOT NULL,            -- readers wanted for each film
        dataset TEXT NOT NULL DEFAULT '',  -- a registered dataset whose labels are reviewed; empty for kept films
        data_sha256 TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '',
        deleting INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE films (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        pixels_sha256 TEXT NOT NULL,
        file_sha256 TEXT NOT NULL DEFAULT '',
        added TEXT NOT NULL,
        consent_by TEXT REFERENCES readers (id),  -- who chose to keep the pixels; NULL where none are kept
        properties TEXT NOT NULL DEFAULT '{}',
        UNIQUE (project, pixels_sha256)
    );
    CREATE INDEX films_by_file ON films (project, file_sha256);
    CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        reader TEXT NOT NULL REFERENCES readers (id),
        finding TEXT NOT NULL,
        answer TEXT NOT NULL,
        phase TEXT NOT NULL,
        comment TEXT NOT NULL DEFAULT '',
        calipers TEXT NOT NULL DEFAULT '',
        marks TEXT NOT NULL DEFAULT '[]',
        model TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        probability REAL,
        call TEXT NOT NULL DEFAULT '',
        undoes INTEGER,
        given TEXT NOT NULL
    );
    CREATE INDEX verdicts_of_film ON verdicts (film, finding, reader, id);
    CREATE TABLE reveals (
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        reader TEXT NOT NULL REFERENCES readers (id),
        at TEXT NOT NULL,
        PRIMARY KEY (film, reader)
    );
    CREATE TABLE adjudications (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        reader TEXT NOT NULL REFERENCES readers (id),
        finding TEXT NOT NULL,
        answer TEXT NOT NULL,
        comment TEXT NOT NULL DEFAULT '',
        given TEXT NOT NULL
    );
    CREATE INDEX adjudications_of_film ON adjudications (film, finding, id);
    CREATE TABLE answers (                 -- what a model says of the films of a project, from an evaluation
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        finding TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        probability REAL NOT NULL,
        call TEXT NOT NULL,
        label REAL,                        -- 1, 0 or NULL (unknown)
        PRIMARY KEY (film, finding)
    );
    CREATE TABLE cases (                   -- a film and a finding that readers judge
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        finding TEXT NOT NULL,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        wanted INTEGER NOT NULL,           -- readers who are wanted in all
        missing INTEGER NOT NULL,          -- of these, those who have not judged it
        disputed INTEGER NOT NULL DEFAULT 0,   -- whether readers differ and nobody has adjudicated
        position INTEGER,                  -- in the review queue; NULL outside it
        value REAL NOT NULL DEFAULT 0,
        reasons TEXT NOT NULL DEFAULT '',  -- codes, joined by a space
        detail TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (film, finding)
    );
    CREATE UNIQUE INDEX cases_in_order ON cases (project, position);
    CREATE INDEX cases_open ON cases (project, position) WHERE missing > 0;
    CREATE INDEX cases_done ON cases (project, position) WHERE missing = 0;
    CREATE INDEX cases_disputed ON cases (project) WHERE disputed;
    CREATE TABLE assignments (             -- films that a reader has open, so that another gets the next one
        film INTEGER NOT NULL REFERENCES films (id) ON DELETE CASCADE,
        finding TEXT NOT NULL,
        reader TEXT NOT NULL REFERENCES readers (id),
        at REAL NOT NULL,                  -- seconds since 1970
        PRIMARY KEY (film, finding, reader)
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a store to today's tables, in one transaction. Raises FeedbackError for one of a later version."""
    if _read_version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _read_version(connection)  # another process may have been sooner
        if version > len(MIGRATIONS):
            raise FeedbackError(
                f"the feedback store has schema {version}, and this version of the program knows {len(MIGRATIONS)} at "
                "most; use the version that wrote it"
            )
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";\n")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
