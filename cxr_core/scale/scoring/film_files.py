"""Opens the films of an archive: files of this machine, of a storage that Arrow opens (`file://`, `s3://`), of a PACS.

Source: https://arrow.apache.org/docs/python/filesystems.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from cxr_core.errors import FileRefused, ScaleError
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.radiograph import View
from cxr_core.scale.scoring.pacs_query import PACS
from cxr_core.workspace.outside_files import CHECK, format_stamp, read_outside_file
from cxr_core.workspace.paths import printable


@dataclass(frozen=True, kw_only=True)
class FilmFile:
    """One film of an archive, not opened yet.

    location: an absolute path, or a URI.  storage: the URI of the storage that opens it; empty for a path. That of a
    PACS holds UIDs, and is never written.
    stamp: changes when the file does, or the age or the view that is stated.
    age_years, view: as a table or a dataset states them; None where they do not.
    """

    location: str
    stamp: str
    storage: str = ""
    age_years: float | None = None
    view: View | None = None


def add_stated(stamp: str, age_years: float | None, view: View | None) -> str:
    """The stamp of a file of which a table or a dataset may state the patient's age and the view."""
    stated = [f"age={age_years}"] if age_years is not None else []
    stated += [f"view={view}"] if view is not None else []
    return " ".join([stamp, *stated])


def name_reading(sha256: str, stamp: str) -> str:
    """A text that is the same for films with the same bytes, and with the same age and view where these are stated."""
    _, _, stated = stamp.partition(" ")
    return f"{sha256} {stated}" if stated else sha256


def is_storage(data: str) -> bool:
    """Whether data is given as a URI, such as `s3://bucket/films`."""
    return "://" in data


def stamp_file(location: str) -> str:
    """A text that changes when a file of this machine does. Raises OSError."""
    return format_stamp(Path(location).stat())


def read_film_bytes(film: FilmFile) -> bytes:
    """The bytes of a film. Raises FileRefused for what is no file, too large, not there, or not read in time.

    Raises ArchiveUnreachable for an archive (PACS) that does not answer.
    """
    if film.storage.startswith(PACS):
        from cxr_core.scale.scoring.pacs_films import fetch_pacs_film  # loads the network clients

        return fetch_pacs_film(film.storage)
    if not film.storage:
        return read_outside_file(film.location, MAX_BYTES)
    name = printable(film.location)
    try:
        with _open_storage(film.storage).open_input_stream(_path_of_film(film)) as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except (OSError, pa.ArrowException, ScaleError) as error:
        raise FileRefused(name, _first_line(error), CHECK) from error
    if len(data) > MAX_BYTES:
        raise FileRefused(
            name, f"it has more than {MAX_BYTES >> 20} MB", "at most so much is read of a film"
        )
    return data


def open_film(film: FilmFile) -> tuple[bytes, str]:
    """The bytes of a film; without them, why it cannot be opened."""
    try:
        return read_film_bytes(film), ""
    except FileRefused as refusal:
        return b"", refusal.reason


def list_storage(uri: str) -> Iterator[FilmFile]:
    """Every file below a URI, in the order of their paths, without hidden ones.

    Raises ScaleError for a storage that cannot be reached, and for a place in it that is not there.
    """
    storage, scheme = _open_storage(uri), uri.partition("://")[0]
    try:
        selector = fs.FileSelector(_path_in_storage(uri), recursive=True)
        found = storage.get_file_info(selector)
    except (OSError, pa.ArrowException) as error:
        raise _cannot_list(uri, error) from error
    for info in sorted(found, key=lambda each: each.path):
        if info.type == fs.FileType.File and not info.base_name.startswith("."):
            stamp = f"{info.size}:{info.mtime_ns}"
            yield FilmFile(location=f"{scheme}://{info.path}", stamp=stamp, storage=uri)


def stamp_in_storage(location: str) -> str | None:
    """The stamp of one file of a storage; None where it is not there. Raises ScaleError for an unknown storage."""
    try:
        info = _open_storage(location).get_file_info(_path_in_storage(location))
    except (OSError, pa.ArrowException) as error:
        raise _cannot_list(location, error) from error
    return f"{info.size}:{info.mtime_ns}" if info.type == fs.FileType.File else None


def _open_storage(uri: str) -> fs.FileSystem:
    scheme, _, rest = uri.partition("://")
    options = rest.partition("?")[2]
    authority = "" if scheme == "file" else rest.partition("/")[0].partition("?")[0]
    return _connect(scheme, authority, options)


@lru_cache(maxsize=32)
def _connect(scheme: str, authority: str, options: str) -> fs.FileSystem:
    """The storage of a scheme, a bucket or host, and options such as `region=…`; opened once for each process."""
    uri = f"{scheme}://{authority}/" + (f"?{options}" if options else "")
    try:
        storage, _ = fs.FileSystem.from_uri(uri)
    except (OSError, ValueError, NotImplementedError) as error:  # Arrow's own errors are of these
        raise ScaleError(
            f"{printable(uri)} is no storage that can be opened ({_first_line(error)}); give a folder, a table, "
            "file://, s3:// or gs://"
        ) from error
    return storage


def _path_of_film(film: FilmFile) -> str:
    """A film that was listed has no options behind its name, and may have a question mark in it."""
    if film.location == film.storage:  # as a table states it
        return _path_in_storage(film.location)
    return film.location.partition("://")[2]


def _path_in_storage(uri: str) -> str:
    return uri.partition("://")[2].partition("?")[0]


def _cannot_list(uri: str, error: Exception) -> ScaleError:
    return ScaleError(
        f"{printable(uri)} cannot be listed: {_first_line(error)}; check the address and the rights to read it"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
