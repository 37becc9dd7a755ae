"""Any table with a column of images: PNG, JPEG or DICOM files with a CSV that says what they show.

Columns are told by their names, in any case. No film is opened: what a DICOM file says of its patient is not read.
"""

import os
import re
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.manifest import Manifest, as_table
from cxr_core.data.sources.cells import (
    ages,
    not_in_split,
    part_named,
    parts,
    sexes,
    unstated,
    views,
)
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    first_of_each,
    plain,
    read_header,
    read_table,
)
from cxr_core.data.sources.files import DICOM, FileListing, examples_of, suffix_of
from cxr_core.data.sources.image_paths import (
    FilesByName,
    Found,
    missing_images,
    same_name_twice,
    surplus_images,
)
from cxr_core.data.sources.labels import finding_columns, labels_of_columns, labels_of_names
from cxr_core.errors import DataError

TABLES = frozenset({".csv", ".tsv"})
IMAGE = (
    *(
        "image",
        "file",
        "path",
        "filename",
        "imagepath",
        "filepath",
        "imagefile",
        "imagefilename",
        "imagename",
    ),
    *(
        "imageindex",
        "imageid",
        "xrayimagename",
        "img",
        "imgpath",
        "dicom",
        "dicompath",
        "dicomfile",
        "dicomid",
    ),
)
NAMES = ("findinglabels", "findinglabel", "labels", "label", "findings", "finding")
PATIENT = ("patientid", "patient", "subjectid", "subject", "patientnumber", "patientno", "pid")
SPLIT = ("split", "part", "partition", "subset", "set")
VIEW = ("viewposition", "view", "projection", "appa")
AGE = ("patientage", "age", "ageyears", "ageinyears")
SEX = ("patientsex", "patientgender", "sex", "gender")
TERMS = "Terms not known to this program: see what came with the data."
MAGIC, MAGIC_AT, SNIFFED = b"DICM", 128, 20


def read_csv(listings: Sequence[FileListing]) -> Manifest:
    """Films listed by one table in each folder."""
    return _read(listings, "csv")


def read_dicom(listings: Sequence[FileListing]) -> Manifest:
    """DICOM files listed by one table in each folder."""
    return _read(listings, "dicom")


def tables_below(listing: FileListing) -> list[str]:
    """CSV files, those highest in the folder first."""
    found = [path for path in listing.files if suffix_of(path) in TABLES]
    return sorted(found, key=lambda path: (path.count(os.sep), path))


def holds_dicom(listing: FileListing) -> bool:
    """Whether the films are DICOM, by their names; by the first bytes of some where no name tells."""
    dicom = sum(suffix_of(path) in DICOM for path in listing.files)
    if dicom or listing.pictures:
        return dicom > len(listing.pictures)
    return any(_is_dicom(path) for path in listing.files[:SNIFFED])


def lists_images(listing: FileListing) -> bool:
    """Whether a CSV below the folder has a column of images."""
    return any(
        plain(column) in IMAGE for path in tables_below(listing) for column in read_header(path)
    )


def image_table(listing: FileListing) -> LabelTable | None:
    """The table with a column of images, highest in the folder; several there with the same columns are read as one.

    None when there is no CSV file at all. Raises DataError when none has such a column, or several differ.
    """
    paths = tables_below(listing)
    read: list[LabelTable] = []
    for path in paths:
        if read and os.path.dirname(path) != os.path.dirname(read[0].path):
            break
        if any(plain(column) in IMAGE for column in read_header(path)):
            read.append(read_table(path))
    if not read:
        if paths:
            _refuse(paths)
        return None
    if len({frozenset(table.frame.columns) for table in read}) > 1:
        names = ", ".join(table.name for table in read)
        raise DataError(
            f"{listing.folder} has several tables of images with other columns: {names}; leave one there"
        )
    return read[0] if len(read) == 1 else _joined(read)


def _refuse(paths: list[str]) -> NoReturn:
    columns = ", ".join(filter(None, read_header(paths[0])))
    raise DataError(
        f"{paths[0]} has the columns {columns}; expected one with the films' files, such as {', '.join(IMAGE[:5])}"
    )


def _joined(tables: list[LabelTable]) -> LabelTable:
    """One table of several; their names say the part ("train.csv") unless a column does."""
    frames = [table.frame for table in tables]
    if not tables[0].find(SPLIT):
        frames = [table.frame.assign(split=_part_in(table.name)) for table in tables]
    frame = pd.concat(frames, ignore_index=True)
    folder = os.path.dirname(tables[0].path)
    noticed = tuple(issue for table in tables for issue in table.noticed)
    return LabelTable(
        os.path.join(folder, " and ".join(table.name for table in tables)), frame, noticed
    )


def _part_in(name: str) -> str:
    """`chexpert_valid.csv` -> val; nothing when the name says none or several."""
    found = {part for word in re.split(r"[^a-z]+", name.lower()) if (part := part_named(word))}
    return found.pop() if len(found) == 1 else ""


def _read(listings: Sequence[FileListing], kind: str) -> Manifest:
    tables = [(listing, table) for listing in listings if (table := image_table(listing))]
    if not tables:
        raise DataError(
            f"{listings[0].folder} holds no CSV table; one must say which film shows what"
        )
    with_table = {listing.folder for listing, _ in tables}
    bare = [listing for listing in listings if listing.folder not in with_table]
    noticed: list[Issue] = []
    films: list[pd.DataFrame] = []
    used: set[str] = set()
    for listing, table in tables:
        found = _find(table, [listing, *bare], noticed)
        used |= found.accounted
        films.append(_films(table, found, listing, noticed))
    names = " and ".join(table.name for _, table in tables)
    surplus = [
        path
        for path in dict.fromkeys(p for listing in listings for p in listing.films)
        if path not in used
    ]
    noticed += surplus_images(surplus, names)
    if len(films) > 1:
        noticed += _scope(films)
    every = pd.concat(films, ignore_index=True)
    noticed += missing_images(every["image"], every["status"] == "missing", names)
    return Manifest(as_table(dict(every.items())), kind, TERMS, noticed=tuple(noticed))


def _find(table: LabelTable, listings: Sequence[FileListing], noticed: list[Issue]) -> Found:
    """The files of a table's rows, by the column that leads to most of them."""
    files = FilesByName.of(listings)
    columns = dict.fromkeys(column for name in IMAGE if (column := table.find([name])))
    finds = {
        column: files.find(list(table.frame[column]), os.path.dirname(table.path))
        for column in columns
    }
    column, found = max(finds.items(), key=lambda each: sum(each[1].present))
    empty = np.flatnonzero(table.frame[column] == "")
    if len(empty):
        raise DataError(
            f"{table.path}: row {empty[0] + 1} has nothing under {column}; name the film or remove the row"
        )
    films = sum(len(listing.films) for listing in listings)
    if films and not any(found.present):
        raise DataError(
            f"none of the {counted(films, 'films')} below {listings[0].folder} is named under {column} in "
            f"{table.path}; it says for instance {table.frame[column].iloc[0]!r}"
        )
    if found.twice:
        noticed.append(
            same_name_twice(found.twice, "the first in the order of their paths was taken")
        )
    return found


def _films(
    table: LabelTable, found: Found, listing: FileListing, noticed: list[Issue]
) -> pd.DataFrame:
    """A row per film, with every fact that the table's columns tell."""
    images = pd.Series(found.images, dtype="str")
    own = images.str.removeprefix(os.path.join(listing.folder, ""))
    noticed += table.noticed
    films = pd.DataFrame(
        {
            "image": images,
            "patient": _patients(table.cells(PATIENT), own, noticed),
            "split": _split(table.cells(SPLIT), images, noticed),
            "source": listing.name,
            "view": views(table.cells(VIEW), images, noticed),
            "age": ages(table.cells(AGE), images, noticed),
            "sex": sexes(table.cells(SEX), images, noticed),
            "status": np.where(found.present, "present", "missing"),
            **_labels(table, images, noticed),
        }
    )
    films, repeats = first_of_each(films, table.name)
    noticed += repeats
    return films


def _labels(table: LabelTable, images: pd.Series, noticed: list[Issue]) -> dict[str, np.ndarray]:
    if finding_columns(table.frame):
        return labels_of_columns(table.frame, images, noticed)
    return labels_of_names(table.cells(NAMES), images, noticed)


def _patients(cells: pd.Series, own: pd.Series, noticed: list[Issue]) -> pd.Series:
    """Whom each film shows; a film of which nobody says it is a patient of its own, called by its path."""
    nobody = cells.map({text: unstated(text) for text in cells.unique()}).astype(bool)
    if nobody.any():
        message = f"No patient is given for {counted(int(nobody.sum()), 'films')}; each counts as a patient of its own."
        examples = examples_of(own[nobody].head())
        noticed.append(
            Issue(
                code="patient_unknown", message=message, count=int(nobody.sum()), examples=examples
            )
        )
    return cells.where(~nobody, own)


def _split(cells: pd.Series, images: pd.Series, noticed: list[Issue]) -> pd.Series:
    """The part of each film; train where nothing is said while the other films have parts."""
    split = parts(cells, images, noticed)
    silent = cells.map({text: unstated(text) for text in cells.unique()}).astype(bool)
    if silent.all():
        return split
    noticed += not_in_split(images[silent], "No part")
    return split.mask(silent, "train")


def _scope(films: list[pd.DataFrame]) -> list[Issue]:
    """Patients told apart by their folder, since two folders may count from 1 each; changes the tables given."""
    every = pd.concat([each[["patient", "source"]].drop_duplicates() for each in films])
    shared = every.loc[every["patient"].duplicated(), "patient"].drop_duplicates()
    for each in films:
        each["patient"] = each["source"] + "/" + each["patient"]
    if shared.empty:
        return []
    message = f"The same number in two folders, for {counted(len(shared), 'patients')}; they count as different ones."
    return [
        Issue(
            code="patients_scoped",
            message=message,
            count=len(shared),
            examples=tuple(shared.head()),
        )
    ]


def _is_dicom(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC
    except OSError:
        return False
