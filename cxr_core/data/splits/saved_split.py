"""Keeps splits of a dataset by name, beside its record; the manifest is never changed.

<dataset>/splits/<name>/split.json   how the split was made
                        films.csv    image, patient, sha256 and split of each film

A saved split never changes. A run that uses one keeps a copy, so that its folder alone can be resumed.
"""

import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.manifest import SPLITS, Manifest
from cxr_core.data.registry import Dataset, list_datasets
from cxr_core.errors import DataError, FileRefused, RecordError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.atomic import (
    atomic_files,
    atomic_folder,
    finish_replacement,
    temporary_path_beside,
)
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

FOLDER = "splits"
RECORD = "split.json"
FILMS = "films.csv"
COLUMNS = ("image", "patient", "sha256", "split")
MAX_BYTES = 2**30
NAME = re.compile(r"\w[\w.+=-]{0,79}")
Method = Literal["ratios", "folds", "list", "official"]


@dataclass(frozen=True, kw_only=True)
class SplitRecord(JsonRecord):
    """split.json. description: in words.  folds: 0 for train, val and test.  findings: that the splits share evenly.

    official_test: whether the split's test films are exactly the data's own.  made: ISO 8601, UTC.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = 1
    method: Method
    description: str
    folds: Count = 0
    seed: Count = 0
    findings: tuple[str, ...] = ()
    official_test: bool = False
    made: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedSplit:
    """A split of a dataset. films: image, patient, sha256 and split, a row per film that lies in one.

    split: train, val or test; of folds, the number of the fold from 1, or test for films that no fold holds.
    """

    record: SplitRecord
    films: pd.DataFrame

    @property
    def fold_names(self) -> tuple[str, ...]:
        """`1` to the number of folds; empty for a split without folds."""
        return tuple(str(number) for number in range(1, self.record.folds + 1))

    def apply(self, manifest: Manifest, fold: int | None = None) -> Manifest:
        """The manifest split like this; films that the split does not hold lie in none.

        fold: which one is tested on, for a split with folds; the others are train. Films are recognised as by
        `find_splits`. Raises DataError when none is, or the fold does not fit the split.
        """
        self._require_fold(fold)
        assigned = self.find_splits(manifest)
        if assigned.isna().all():
            raise DataError(
                f"none of these {format_count(len(manifest.table), 'films')} lies in this split, which holds "
                f"{format_count(len(self.films), 'films')}; choose a split that was made for this dataset"
            )
        if fold is not None:
            in_fold = assigned.isin(self.fold_names)
            roles = np.where(assigned == str(fold), "test", "train")
            assigned = pd.Series(roles, manifest.table.index).where(in_fold)
        table = manifest.table.copy()
        table["split"] = assigned.astype("str").where(assigned.notna())
        return manifest.with_table(table)

    def find_splits(self, manifest: Manifest) -> pd.Series:
        """The split, or fold, of each film of a manifest; NaN for films that lie in none.

        Films are recognised by their pixels, whatever their names. A copy that another patient has lies in no split:
        it would take its patient into a second one.
        """
        keys = ["sha256", "patient"]
        table, pixels = manifest.table, manifest.table["sha256"].fillna("")
        listed = pd.MultiIndex.from_frame(self.films[keys])
        is_listed = pd.Series(pd.MultiIndex.from_frame(table[keys]).isin(listed), table.index)
        is_copy = ~is_listed & is_listed.groupby(pixels).transform("any")
        by_pixels = self.films.drop_duplicates("sha256").set_index("sha256")["split"]
        return pixels.map(by_pixels).mask(is_copy)

    def count_unassigned(self, manifest: Manifest) -> int:
        """How many films of a manifest lie in no split, such as those that came later."""
        return int(self.find_splits(manifest).isna().sum())

    def _require_fold(self, fold: int | None) -> None:
        folds = self.record.folds
        if fold is None and folds:
            raise DataError(
                f"this split has {format_count(folds, 'folds')}; say which one is tested on, as in split=saved:NAME/1"
            )
        if fold is not None and not 1 <= fold <= folds:
            has = format_count(folds, "folds") if folds else "no folds"
            raise DataError(f"there is no fold {fold}: this split has {has}")


def splits_folder(dataset: Dataset) -> Path:
    """Where the splits of a dataset are kept."""
    return dataset.folder / FOLDER


def save_split(dataset: Dataset, name: str, split: SavedSplit) -> Path:
    """Keep a split under a new name. Returns its folder.

    Raises DataError for a name that is taken or cannot be one, and when the workspace cannot be written.
    """
    if not NAME.fullmatch(name):
        raise DataError(
            f"a split cannot be named {name!r:.80}; use up to 80 letters, digits, dots, = and -"
        )
    folder = splits_folder(dataset) / name
    try:
        with atomic_folder(folder) as draft:
            _write_files(draft, split)
    except FileExistsError:
        raise DataError(
            f"{dataset.name} has a split named {name} already; choose another name, or delete that one first"
        ) from None
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror}; free space, or allow writing there"
        ) from error
    return folder


def save_new_split(folders: Sequence[Path | str], name: str, split: SavedSplit) -> str:
    """Keep a split with the registered dataset in these folders, under this name or one like it. Returns the name.

    Where the dataset has the same films in the same splits under such a name, that one stands.
    """
    datasets = _datasets_in(folders)
    if not datasets:
        raise DataError(
            "the data is not registered; prepare it first, on the Data page or with python -m train.prepare"
        )
    dataset = datasets[0]
    known = list_splits(dataset)
    free, number = name, 1
    while free in known:
        if load_split(splits_folder(dataset) / free).films.equals(split.films):
            return free
        number += 1
        free = f"{name}-{number}"
    save_split(dataset, free, split)
    return free


def copy_split(split: SavedSplit, folder: Path) -> None:
    """Write a split's files into a folder, such as a run's; they replace an earlier copy. Raises OSError."""
    with atomic_files(folder) as draft:
        _write_files(draft, split)


def load_split(folder: Path) -> SavedSplit:
    """Read a split from its folder. Raises DataError when a file of it is missing or damaged."""
    finish_replacement(folder)
    try:
        record = read_record_file(folder / RECORD, SplitRecord)
        text = read_outside_file(folder / FILMS, MAX_BYTES).decode("utf-8", "surrogateescape")
        films = _parse_films(text, record)
    except (OSError, RecordError, FileRefused, ValueError) as error:
        raise DataError(
            f"the split in {printable(folder)} cannot be read ({error}); delete it and make it anew"
        ) from error
    return SavedSplit(record=record, films=films)


def list_splits(dataset: Dataset) -> dict[str, SplitRecord]:
    """How each saved split of a dataset was made, by name; those that cannot be read are left out."""
    records = {}
    for folder in sorted(splits_folder(dataset).glob("[!.]*/")):
        try:
            records[folder.name] = read_record_file(folder / RECORD, SplitRecord)
        except (OSError, RecordError):
            continue
    return records


def list_splits_of(folders: Sequence[Path | str]) -> dict[str, SplitRecord]:
    """How each split was made that is saved with the datasets in exactly these folders, by name."""
    return {
        name: record
        for dataset in _datasets_in(folders)
        for name, record in list_splits(dataset).items()
    }


@perform_action("deletion of a split", Role.ADMIN)
def delete_split(dataset: Dataset, name: str) -> None:
    """Remove a saved split. Runs that use it have a copy.

    Raises DataError when there is none of that name, and when the workspace cannot be written.
    """
    folder = splits_folder(dataset) / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise DataError(f"{dataset.name} has no split named {name!r:.80}; it was deleted meanwhile")
    try:
        # Out of sight in one step, so that nobody meets a part of it.
        hidden = folder.rename(temporary_path_beside(folder))
    except OSError as error:
        raise DataError(
            f"{folder} cannot be deleted: {error.strerror}; allow writing there, or reload the page"
        ) from error
    shutil.rmtree(hidden, ignore_errors=True)


def find_saved_split(folders: Sequence[Path | str], name: str) -> SavedSplit:
    """The split of that name of the registered dataset in these folders.

    Raises DataError that lists the splits which that dataset has.
    """
    datasets = _datasets_in(folders)
    for dataset in datasets:
        folder = splits_folder(dataset) / name
        if NAME.fullmatch(name) and folder.is_dir():
            return load_split(folder)
    known = [saved for dataset in datasets for saved in list_splits(dataset)]
    raise DataError(
        f"this data has no split named {name!r:.80}; it has {', '.join(known) or 'none'}. Make one on the Data page; a "
        "split belongs to the dataset, or the datasets together, that it was made for"
    )


def _datasets_in(folders: Sequence[Path | str]) -> list[Dataset]:
    """The registered datasets of exactly these folders."""
    wanted = {Path(os.path.abspath(folder)) for folder in folders}
    return [each for each in list_datasets() if set(each.folders) == wanted]


def _write_files(folder: Path, split: SavedSplit) -> None:
    films = split.films[list(COLUMNS)]
    text = films.to_csv(index=False, lineterminator="\n")
    (folder / FILMS).write_bytes(text.encode("utf-8", "surrogateescape"))  # as file names are
    write_json(folder / RECORD, split.record.to_json())


def _parse_films(text: str, record: SplitRecord) -> pd.DataFrame:
    """The rows of films.csv, all of them text. Raises ValueError for a row that no split has."""
    films = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    if list(films.columns) != list(COLUMNS):
        raise ValueError(f"{FILMS} has the columns {', '.join(films.columns)}")
    known = {*SPLITS} if not record.folds else {"test", *map(str, range(1, record.folds + 1))}
    unknown = set(films["split"]) - known
    if unknown or films.empty:
        raise ValueError(f"{FILMS} holds the splits {sorted(unknown)}, or no film")
    if films.groupby("sha256")["split"].nunique().max() > 1:
        raise ValueError(f"{FILMS} puts one image into two splits")
    return films
