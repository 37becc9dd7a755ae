"""The films of a project: known by hash, with their pixels only where somebody chose to keep them.

What is kept of a film is an anonymised PNG, as the decoder gives its pixels, and the facts of `FilmProperties`. A
verdict about a film that was not kept needs its hashes alone.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
from pydantic import Field

from cxr_core.data.cache.worker import hash_pixels, quantise_pixels
from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project, load_project
from cxr_core.feedback.readers import require_reader
from cxr_core.feedback.store import (
    FILMS,
    explain_damage,
    feedback_folder,
    read_store,
    write_store,
)
from cxr_core.film.artefacts.flags import BURNED_IN_TEXT, flag_burned_in_text
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.atomic import atomic_file
from cxr_core.workspace.json_files import parse_json
from cxr_core.workspace.json_record import Count, JsonRecord, parse_record
from cxr_core.workspace.jsonl import utc_now

# Ages above it could tell who somebody is; HIPAA's Safe Harbor asks that they become one (45 CFR 164.514(b)(2)(i)(C)).
OLDEST_AGE = 90.0


@dataclass(frozen=True, kw_only=True)
class FilmProperties(JsonRecord):
    """What is kept of a film beside its pixels. spacing_mm: (row, column).  age_years: 90 for every higher age."""

    width: Count = 0
    height: Count = 0
    view: str | None = None
    age_years: Annotated[float, Field(ge=0, le=OLDEST_AGE)] | None = None
    sex: str | None = None
    spacing_mm: tuple[float, float] | None = None

    @classmethod
    def of_film(cls, film: Radiograph) -> "FilmProperties":
        """The facts that the decoder read."""
        age = None if film.age_years is None else min(float(film.age_years), OLDEST_AGE)
        height, width = film.shape
        return cls(
            width=width,
            height=height,
            view=film.view,
            age_years=age,
            sex=film.sex,
            spacing_mm=film.spacing_mm,
        )


@dataclass(frozen=True, kw_only=True)
class ProjectFilm:
    """One film of a project. file_sha256: empty where only the pixels are known.  is_kept: whether its pixels are."""

    id: int
    project: str
    pixels_sha256: str
    file_sha256: str
    properties: FilmProperties
    is_kept: bool

    @property
    def picture(self) -> Path:
        """Where the pixels lie, if they are kept."""
        return pictures_folder(self.project) / f"{self.pixels_sha256}.png"


def pictures_folder(project: str) -> Path:
    """Where the pixels of a project's films lie. project: its id."""
    return feedback_folder() / FILMS / project


def keep_film(
    project: Project, film: Radiograph, file_sha256: str, *, consent_by: str
) -> ProjectFilm:
    """Keep a film's pixels and facts in a project, on one reader's explicit consent to store this very film.

    consent_by: the reader's id. Raises FeedbackError without consent, for a film with burned-in text, which may name
    the patient, for a project of a dataset's labels, and when the workspace cannot be written.
    """
    if not consent_by:
        raise FeedbackError("a film is kept only after somebody has agreed to keep this film")
    if project.dataset:
        raise FeedbackError(f"{project.name} reviews the films of {project.dataset}; none is added")
    if any(flag_burned_in_text(film.pixels)):
        raise FeedbackError(
            f"{BURNED_IN_TEXT.message.split(':')[0]}, which may name the patient, so the film is not kept; export it "
            "without annotations"
        )
    known = ProjectFilm(
        id=0,
        project=project.id,
        pixels_sha256=hash_pixels(film),
        file_sha256=file_sha256,
        properties=FilmProperties.of_film(film),
        is_kept=True,
    )
    try:
        known.picture.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(known.picture, durable=True) as temporary:
            temporary.write_bytes(_encode(film))
    except OSError as error:
        raise FeedbackError(
            f"the film cannot be kept: {error.strerror}; free space or allow writing in the workspace"
        ) from error
    return _add(known, consent_by)


def note_film(project: Project, film: Radiograph, file_sha256: str) -> ProjectFilm:
    """A film that verdicts are given on without keeping its pixels or facts: its hashes and its size alone."""
    height, width = film.shape
    return _add(
        ProjectFilm(
            id=0,
            project=project.id,
            pixels_sha256=hash_pixels(film),
            file_sha256=file_sha256,
            properties=FilmProperties(width=width, height=height),
            is_kept=False,
        ),
        None,
    )


def list_project_films(project: Project) -> list[ProjectFilm]:
    """The films of a project in the order in which they came."""
    with read_store() as store:
        rows = store.execute(
            "SELECT * FROM films WHERE project = ? ORDER BY id", (project.id,)
        ).fetchall()
    return list(map(to_film, rows))


def count_project_films(project: Project) -> int:
    """How many films a project has."""
    with read_store() as store:
        row = store.execute("SELECT COUNT(*) FROM films WHERE project = ?", (project.id,))
        return int(row.fetchone()[0])


def find_film(project: Project, pixels_sha256: str) -> ProjectFilm | None:
    """The film of a project with these pixels, by the whole hash or its first digits.

    Raises FeedbackError where several begin so.
    """
    with read_store() as store:
        rows = store.execute(
            "SELECT * FROM films WHERE project = ? AND pixels_sha256 GLOB ? LIMIT 2",
            (project.id, f"{pixels_sha256}*"),
        ).fetchall()
    if len(rows) > 1:
        raise FeedbackError(f"several films begin with {pixels_sha256}; give more digits")
    return to_film(rows[0]) if rows else None


def find_films_by_file(project: Project, files: Iterable[str]) -> dict[str, ProjectFilm]:
    """Those of some files, by SHA-256, whose films a project has; under the same pixels of another file they are not.

    files: hashes, any number.
    """
    with read_store() as store:
        rows = store.execute(
            "SELECT * FROM films WHERE project = ? AND file_sha256 IN (SELECT value FROM json_each(?))",
            (project.id, json.dumps(list(files))),
        ).fetchall()
    return {row["file_sha256"]: to_film(row) for row in rows}


def load_film(film: int) -> ProjectFilm:
    """A film by its number. Raises FeedbackError when it was deleted."""
    with read_store() as store:
        row = store.execute("SELECT * FROM films WHERE id = ?", (film,)).fetchone()
    if row is None:
        raise FeedbackError("this film is in no project any more; choose another one")
    return to_film(row)


def add_dataset_films(
    store: sqlite3.Connection, project: str, hashes: list[str], properties: list[FilmProperties]
) -> None:
    """Add the films of a dataset by the hashes of their pixels; those that are there already stay."""
    rows = (
        (project, sha256, utc_now(), json.dumps(one.to_json()))
        for sha256, one in zip(hashes, properties, strict=True)
    )
    store.executemany(
        "INSERT INTO films (project, pixels_sha256, added, properties) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (project, pixels_sha256) DO NOTHING",
        rows,
    )


@explain_damage()
def to_film(row: sqlite3.Row) -> ProjectFilm:
    """A film from its row. Raises FeedbackError for a damaged one."""
    return parse_record(
        ProjectFilm,
        {
            "id": row["id"],
            "project": row["project"],
            "pixels_sha256": row["pixels_sha256"],
            "file_sha256": row["file_sha256"],
            "properties": parse_json(row["properties"]),
            "is_kept": row["consent_by"] is not None,
        },
    )


def _add(film: ProjectFilm, consent_by: str | None) -> ProjectFilm:
    """The film with its number. One that is there already keeps it, and its pixels once they are kept."""
    with write_store() as store:
        load_project(store, film.project)
        if consent_by is not None:
            require_reader(store, consent_by)
        store.execute(
            "INSERT INTO films (project, pixels_sha256, file_sha256, added, consent_by, properties) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, pixels_sha256) DO UPDATE SET "
            "consent_by = excluded.consent_by, properties = excluded.properties "
            "WHERE films.consent_by IS NULL AND excluded.consent_by IS NOT NULL",
            (
                film.project,
                film.pixels_sha256,
                film.file_sha256,
                utc_now(),
                consent_by,
                json.dumps(film.properties.to_json()),
            ),
        )
        row = store.execute(
            "SELECT * FROM films WHERE project = ? AND pixels_sha256 = ?",
            (film.project, film.pixels_sha256),
        ).fetchone()
    return to_film(row)


def _encode(film: Radiograph) -> bytes:
    """The pixels as a grey PNG of 8 or 16 bits, as the file had them, without any other chunk of the file.

    The white of 16 bits is found by the film's own values when it is decoded (`grey_range`). The few films of which
    another one would be found are kept with 8 bits, whose white is always 255.
    """
    encoded: bytes = cv2.imencode(".png", quantise_pixels(film))[1].tobytes()
    if hash_pixels(decode_film(encoded)) == hash_pixels(film):
        return encoded
    shallow = cv2.convertScaleAbs(film.pixels, alpha=255)
    narrow: bytes = cv2.imencode(".png", shallow)[1].tobytes()
    return narrow
