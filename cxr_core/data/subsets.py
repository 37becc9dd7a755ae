"""Keeps subsets: films of a dataset that were selected and named, and that stand wherever data is named.

<workspace>/subsets/<name>.json    the films by the SHA-256 of their pixels, where they came from, what selected them

A film is found again whatever its file, its row or its dataset is called now. Films with the same pixels are one.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, RecordError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, read_record_file
from cxr_core.workspace.paths import workspace
from cxr_core.workspace.process_lock import hold_folder

REFERENCE = (
    "subset:"  # what a subset's name begins with where a folder or a dataset could stand as well
)
NAME = r"\w[\w.+-]{0,79}"
SCHEMA: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class SubsetRecord(JsonRecord):
    """<name>.json. films: SHA-256 of each film's pixels.  filters: what selected them, a phrase for each."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    dataset: str
    created: str  # ISO 8601, UTC
    filters: tuple[str, ...] = ()
    note: str = ""
    films: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Subset:
    """One subset with its name."""

    name: str
    record: SubsetRecord

    @property
    def reference(self) -> str:
        """How it is named where data is given: `subset:NAME`."""
        return REFERENCE + self.name


@dataclass(frozen=True, kw_only=True, eq=False)
class SubsetFilms:
    """The films of a subset that a manifest still has.  missing: how many it no longer has."""

    subset: Subset
    films: Manifest
    missing: int

    @property
    def sentence(self) -> str:
        """How many of its films are there: "24 of 30 films of the subset elderly are there"."""
        total = len(self.subset.record.films)
        return f"{total - self.missing:,} of {format_count(total, 'films')} of the subset {self.subset.name} are there"


def save_subset(
    name: str,
    films: Manifest,
    dataset: str,
    *,
    filters: Sequence[str] = (),
    note: str = "",
) -> Subset:
    """Keep films under a name. dataset: the registered name of theirs.

    Raises DataError for a name that is taken or cannot be one, and when none of the films has been decoded.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not re.fullmatch(NAME, name):
        raise DataError(
            f"a subset cannot be named {name!r}; use letters, digits, dots, _, + and -, 80 characters at most"
        )
    hashes = films.table["sha256"].dropna().drop_duplicates()
    if hashes.empty:
        raise DataError(
            "none of these films has been decoded, so they could not be found again; prepare the dataset first"
        )
    record = SubsetRecord(
        dataset=dataset,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        filters=tuple(filters),
        note=note.strip(),
        films=tuple(sorted(map(str, hashes))),
    )
    with hold_folder(subsets_folder()):
        if _path_of(name).exists():
            raise DataError(f"there is a subset named {name} already; choose another name")
        write_json(_path_of(name), record.to_json(), durable=True)
    return Subset(name=name, record=record)


def load_subset(name: str) -> Subset:
    """A subset by its name, with or without `subset:` before it. Raises DataError that lists the known ones."""
    name = unicodedata.normalize("NFC", name.removeprefix(REFERENCE))
    names = _list_names()
    if name not in names:
        raise DataError(f"there is no subset named {name}; known: {', '.join(names) or 'none'}")
    path = _path_of(name)
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        return Subset(name=name, record=_read_record(path.absolute(), stamp))
    except (OSError, RecordError) as error:
        raise DataError(
            f"the subset {name} cannot be read ({error}); delete {path} and save it again"
        ) from error


def list_subsets() -> list[Subset]:
    """Every subset that can be read, by name."""
    subsets = []
    for name in _list_names():
        with suppress(DataError):
            subsets.append(load_subset(name))
    return subsets


def describe_damaged_subsets() -> list[str]:
    """A sentence for each subset that `list_subsets` leaves out, since its file is damaged."""
    sentences = []
    for name in _list_names():
        try:
            load_subset(name)
        except DataError as error:
            sentences.append(f"{str(error)[0].upper()}{str(error)[1:]}.")
    return sentences


@perform_action("deletion of a subset", Role.ADMIN)
def delete_subset(name: str) -> None:
    """Remove a subset; its films are not touched. One that is gone already is no error."""
    with hold_folder(subsets_folder()):
        _path_of(name).unlink(missing_ok=True)


def open_subset(name: str, manifest: Manifest) -> SubsetFilms:
    """The films of a subset among those of a manifest, in its order.

    Raises DataError when there is no such subset, and when the manifest has none of its films.
    """
    subset = load_subset(name)
    films = manifest.table[manifest.table["sha256"].isin(subset.record.films)]
    total = len(subset.record.films)
    if films.empty:
        raise DataError(
            f"none of the {format_count(total, 'films')} of the subset {subset.name} is in this data any more: they "
            "were removed, excluded or changed. Give the data that it was made of "
            f"(the dataset {subset.record.dataset}), or save the subset again"
        )
    found = int(films["sha256"].nunique())
    return SubsetFilms(subset=subset, films=manifest.with_table(films), missing=total - found)


def select_subsets(
    films: Manifest,
    names: Iterable[str | Path],
    tell: Callable[[str], None] = lambda sentence: None,
) -> Manifest:
    """The films that are in every subset among some names of data. tell: is told how many films of each are there.

    Raises DataError as `open_subset` does.
    """
    for name in filter(is_subset, names):
        selected = open_subset(str(name), films)
        tell(selected.sentence)
        films = selected.films
    return films


def is_subset(name: str | Path) -> bool:
    """Whether a name of data is that of a subset."""
    return str(name).startswith(REFERENCE)


@lru_cache(
    maxsize=64
)  # a page lists all of them at every rerun, and each holds the hash of every film
def _read_record(path: Path, _version: tuple[int, int, int]) -> SubsetRecord:
    return read_record_file(path, SubsetRecord)


def _list_names() -> list[str]:
    return sorted(path.stem for path in subsets_folder().glob("[!.]*.json"))


def _path_of(name: str) -> Path:
    return subsets_folder() / f"{name}.json"


def subsets_folder() -> Path:
    """The folder of all subsets."""
    return workspace() / "subsets"
