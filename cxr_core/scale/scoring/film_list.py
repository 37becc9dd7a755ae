"""Lists the films of an archive before any is read: of folders, tables, datasets, storages, a PACS."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_core.data.registry import find_dataset
from cxr_core.data.sources.csv_tables import normalise_heading, read_table
from cxr_core.data.sources.files import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    FileListing,
    file_suffix,
    list_folders,
)
from cxr_core.data.sources.film_tables.headings import AGE_HEADINGS, IMAGE_HEADINGS, VIEW_HEADINGS
from cxr_core.data.sources.views import parse_stated_view
from cxr_core.errors import FileRefused, ScaleError
from cxr_core.film.radiograph import View
from cxr_core.presentation.wording import format_count
from cxr_core.reading.read_options import OLDEST, YOUNGEST
from cxr_core.scale.scoring.film_files import (
    FilmFile,
    add_stated,
    is_storage,
    list_storage,
    stamp_file,
    stamp_in_storage,
)
from cxr_core.scale.scoring.pacs_query import PACS
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

MAX_TABLE_BYTES = 1 << 30
TABLES, PARQUET = (".csv", ".tsv", ".parquet"), ".parquet"
FILMS = (
    IMAGE_SUFFIXES | DICOM_SUFFIXES | {""}
)  # of a storage, whose files are not opened to see what they are
UNCHANGING = "instance"  # the stamp of a DICOM instance
SHOWN = 3  # files that are named, of those missing or left out


@dataclass(frozen=True, kw_only=True)
class FilmList:
    """The films to read, each place once, and what was left out at the start.

    missing: files that a table names and that are not there.  other_files: of a folder, that are no films by name.
    left_out: sentences about films of a folder that are not read.
    """

    films: tuple[FilmFile, ...]
    missing: tuple[str, ...] = ()
    other_files: int = 0
    left_out: tuple[str, ...] = ()


def list_films_to_score(data: Sequence[str], *, leave_out_missing: bool = False) -> FilmList:
    """The films of folders, tables, registered datasets, storages and archives (PACS), in the order given.

    leave_out_missing: go on where files that a table names are not there. Raises ScaleError for missing files, for data
    without a film and for what is none of these, DataError for a folder or a table that cannot be read, ArchiveError.
    """
    lists = [_list_one(each) for each in data]
    missing = tuple(name for each in lists for name in each.missing)
    total = sum(len(each.films) for each in lists) + len(missing)
    if missing and not leave_out_missing:
        raise _explain_missing(missing, total)
    films = {film.location: film for each in lists for film in each.films}
    left_out = tuple(sentence for each in lists for sentence in each.left_out)
    if not films:
        problem = (
            f"{', '.join(map(printable, data))} has no films; give a folder of films, a table of their paths, a "
            "registered dataset or a storage such as s3://bucket/films"
        )
        raise ScaleError(". ".join([problem, *left_out]))
    return FilmList(
        films=tuple(films.values()),
        missing=missing,
        other_files=sum(each.other_files for each in lists),
        left_out=left_out,
    )


def _list_one(data: str) -> FilmList:
    if data.startswith(PACS):
        return _list_pacs(data)
    if is_storage(data):
        return _list_storage(data)
    if os.path.isdir(data):
        return _list_folder(data)
    if data.lower().endswith(TABLES):
        return _list_table(data)
    if os.sep in data:
        raise ScaleError(
            f"there is no folder {printable(data)}; give a folder, or a table that ends in {', '.join(TABLES)}"
        )
    return _list_dataset(data)


def _list_pacs(query: str) -> FilmList:
    """The films of an archive. An instance never changes, so what it is called says all that a stamp would."""
    from cxr_core.scale.scoring.pacs_films import list_pacs_films  # the libraries of the network

    films = (
        FilmFile(location=location, stamp=UNCHANGING, storage=address)
        for location, address in list_pacs_films(query)
    )
    return FilmList(films=tuple(films))


def _list_storage(uri: str) -> FilmList:
    files = list(list_storage(uri))
    films = [film for film in files if file_suffix(film.location) in FILMS]
    return FilmList(films=tuple(films), other_files=len(files) - len(films))


def _list_folder(folder: str) -> FilmList:
    (listing,) = list_folders([Path(folder)])
    paths = [path for path in listing.films if path not in listing.masks]
    films = tuple(_stamped(paths))
    left_out = [
        *_describe_left_out(listing, listing.unusable_films, "without a name in UTF-8"),
        *_describe_left_out(listing, sorted(listing.masks), "named as masks"),
    ]
    return FilmList(
        films=films, other_files=len(listing.files) - len(films), left_out=tuple(left_out)
    )


def _describe_left_out(listing: FileListing, paths: Sequence[str], which: str) -> list[str]:
    """One sentence with examples, if there are any such films."""
    if not paths:
        return []
    examples = ", ".join(printable(listing.relative(path)) for path in paths[:SHOWN])
    count = format_count(len(paths), "films")
    return [f"Left out of {printable(listing.folder)}: {count} {which}, such as {examples}"]


def _stamped(paths: Iterable[str]) -> Iterator[FilmFile]:
    for path in paths:
        try:
            yield FilmFile(location=path, stamp=stamp_file(path))
        except OSError:  # removed meanwhile, or a link to nothing: refused when it is read
            yield FilmFile(location=path, stamp="")


def _list_dataset(name: str) -> FilmList:
    """The usable films of a dataset as it was prepared last, with the ages and views that it states."""
    manifest = find_dataset(name).load_manifest().select_usable()
    return _list_rows(manifest.table[["image", "age", "view"]], Path("/"))


def _list_table(path: str) -> FilmList:
    """The films that a CSV or Parquet table names, by paths from the table's folder, absolute paths or URIs."""
    frame = _read_parquet(path) if path.lower().endswith(PARQUET) else read_table(path).frame
    image = _find_column(frame, IMAGE_HEADINGS)
    if image is None:
        raise ScaleError(
            f"{printable(path)} has no column of films; name it image, file or path. It has "
            f"{printable(', '.join(map(str, frame.columns)))}"
        )
    age, view = (_find_column(frame, headings) for headings in (AGE_HEADINGS, VIEW_HEADINGS))
    columns = {"image": frame[image]}
    columns |= {"age": frame[age]} if age else {}
    columns |= {"view": frame[view]} if view else {}
    return _list_rows(pd.DataFrame(columns), Path(path).absolute().parent)


def _read_parquet(path: str) -> pd.DataFrame:
    try:
        content = read_outside_file(path, MAX_TABLE_BYTES)
        frame: pd.DataFrame = pq.ParquetFile(io.BytesIO(content)).read().to_pandas()
    except (FileRefused, pa.ArrowException, OSError) as error:
        raise ScaleError(f"{printable(path)} cannot be read as a Parquet table: {error}") from error
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise ScaleError(
            f"{printable(path)} has two columns {printable(str(repeated[0]))!r}; rename or remove one"
        )
    return frame


def _find_column(frame: pd.DataFrame, headings: Sequence[str]) -> str | None:
    columns = {normalise_heading(str(column)): str(column) for column in reversed(frame.columns)}
    return next((columns[heading] for heading in headings if heading in columns), None)


def _list_rows(table: pd.DataFrame, folder: Path) -> FilmList:
    """table: image, and age and view where they are stated.  folder: that relative paths start from."""
    films, missing = [], []
    ages = table["age"] if "age" in table else [None] * len(table)
    views = table["view"] if "view" in table else [None] * len(table)
    names = _FolderNames()
    images = table["image"].astype(object).where(table["image"].notna(), "").astype(str)
    for image, age, view in zip(images, ages, views, strict=True):
        if not image or "\0" in image:  # no file can be called so
            missing.append(image or "an empty cell")
            continue
        if is_storage(image):
            stamp, location, storage = stamp_in_storage(image), image, image
        else:
            location, storage = os.path.abspath(folder / image), ""
            stamp = names.stamp(location)
        if stamp is None:
            missing.append(image)
            continue
        age_years, stated_view = _parse_age(age), _parse_view(str(view))
        film = FilmFile(
            location=location,
            stamp=add_stated(stamp, age_years, stated_view),
            storage=storage,
            age_years=age_years,
            view=stated_view,
        )
        films.append(film)
    return FilmList(films=tuple(films), missing=tuple(missing))


class _FolderNames:
    """Says which files are there; each folder is listed once, so that a table of missing films is told in seconds."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def stamp(self, path: str) -> str | None:
        """The stamp of a file; None where it is not there."""
        folder, name = os.path.split(path)
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        if name not in self._names[folder]:
            return None
        try:
            return stamp_file(path)
        except OSError:
            return None


def _parse_age(cell: object) -> float | None:
    """The age of a cell, where it is a number of years that a person can have."""
    try:
        age = float(str(cell))
    except ValueError:
        return None
    return age if YOUNGEST <= age <= OLDEST else None


@lru_cache(maxsize=1000)
def _parse_view(cell: str) -> View | None:
    view = parse_stated_view(cell)
    return view if view == "PA" or view == "AP" else None


def _explain_missing(missing: Sequence[str], total: int) -> ScaleError:
    examples = ", ".join(map(printable, missing[:SHOWN]))
    return ScaleError(
        f"{len(missing):,} of the {format_count(total, 'films')} of the table are not there, such as {examples}. "
        "Paths start from the table's own folder. Correct the table, or leave them out with --leave-out-missing"
    )
