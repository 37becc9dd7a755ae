"""Reads any table with a column of images: films with a CSV that says what they show.

Columns are recognised by their names, in any case. No film is opened, so what a DICOM file says is not read.
"""

import os
import re
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, format_count
from cxr_core.data.identifiers import (
    normalise_patient,
    report_respelled_names,
    unify_patients,
)
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    keep_first_rows,
    normalise_heading,
    read_header,
    read_table,
)
from cxr_core.data.sources.files import (
    DICOM_SUFFIXES,
    FileIndex,
    FileListing,
    MatchedFiles,
    file_suffix,
    film_issue,
    is_dicom_file,
    report_missing_images,
    report_same_name,
    report_surplus_images,
)
from cxr_core.data.sources.labels import (
    find_label_columns,
    is_unstated,
    labels_from_columns,
    labels_from_names,
    parse_ages,
    parse_sexes,
    parse_split,
    parse_splits,
    parse_views,
    report_not_in_split,
)
from cxr_core.errors import DataError

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
IMAGE_HEADINGS = (
    "image",
    "file",
    "path",
    "filename",
    "imagepath",
    "filepath",
    "imagefile",
    "imagefilename",
    "imagename",
    "imageindex",
    "imageid",
    "xrayimagename",
    "img",
    "imgpath",
    "dicom",
    "dicompath",
    "dicomfile",
    "dicomid",
)
FINDING_HEADINGS = ("findinglabels", "findinglabel", "labels", "label", "findings", "finding")
PATIENT_HEADINGS = (
    "patientid",
    "patient",
    "subjectid",
    "subject",
    "patientnumber",
    "patientno",
    "pid",
)
SPLIT_HEADINGS = ("split", "part", "partition", "subset", "set")
VIEW_HEADINGS = ("viewposition", "view", "projection", "appa")
AGE_HEADINGS = ("patientage", "age", "ageyears", "ageinyears")
SEX_HEADINGS = ("patientsex", "patientgender", "sex", "gender")
TERMS = "Terms not known to this program: see what came with the data."
MAX_OPENED_FILES = 20


def read_csv(listings: Sequence[FileListing]) -> Manifest:
    """Films listed by one table in each folder."""
    return _read_listings(listings, "csv")


def read_dicom(listings: Sequence[FileListing]) -> Manifest:
    """DICOM files listed by one table in each folder."""
    return _read_listings(listings, "dicom")


def holds_dicom(listing: FileListing) -> bool:
    """Whether the films are DICOM, by their names; by the first bytes of some files where no name tells."""
    dicom = sum(file_suffix(path) in DICOM_SUFFIXES for path in listing.files)
    if dicom or listing.images:
        return dicom > len(listing.images)
    return any(is_dicom_file(path) for path in listing.files[:MAX_OPENED_FILES])


def lists_images(listing: FileListing) -> bool:
    """Whether a CSV below the folder has a column of images."""
    return any(_has_image_column(path) for path in _list_tables(listing))


def read_image_table(listing: FileListing) -> LabelTable | None:
    """The table with a column of images, highest in the folder; several there with the same columns are read as one.

    None when there is no CSV file at all. Raises DataError when none has such a column, or several differ.
    """
    paths = _list_tables(listing)
    if not paths:
        return None
    tables: list[LabelTable] = []
    for path in paths:
        if tables and os.path.dirname(path) != os.path.dirname(tables[0].path):
            break
        if _has_image_column(path):
            tables.append(read_table(path))
    if not tables:
        _refuse_tables(paths)
    if len({frozenset(table.frame.columns) for table in tables}) > 1:
        names = _join_names(tables, ", ")
        raise DataError(
            f"{listing.folder} has several tables of images with different columns: {names}; leave one there"
        )
    return tables[0] if len(tables) == 1 else _join_tables(tables)


def _list_tables(listing: FileListing) -> list[str]:
    """CSV files, those highest in the folder first."""
    paths = [path for path in listing.files if file_suffix(path) in TABLE_SUFFIXES]
    return sorted(paths, key=lambda path: (path.count(os.sep), path))


def _has_image_column(path: str) -> bool:
    return any(normalise_heading(column) in IMAGE_HEADINGS for column in read_header(path))


def _refuse_tables(paths: list[str]) -> NoReturn:
    columns = ", ".join(filter(None, read_header(paths[0])))
    examples = ", ".join(IMAGE_HEADINGS[:5])
    raise DataError(
        f"{paths[0]} has the columns {columns}; expected one with the films' files, such as {examples}"
    )


def _join_tables(tables: list[LabelTable]) -> LabelTable:
    """One table of several; their names give the split ("train.csv") unless a column does."""
    frames = [table.frame for table in tables]
    if not tables[0].find_column(SPLIT_HEADINGS):
        frames = [table.frame.assign(split=_split_in_name(table.name)) for table in tables]
    folder = os.path.dirname(tables[0].path)
    return LabelTable(
        path=os.path.join(folder, _join_names(tables, " and ")),
        frame=pd.concat(frames, ignore_index=True),
        issues=tuple(issue for table in tables for issue in table.issues),
    )


def _join_names(tables: Sequence[LabelTable], separator: str) -> str:
    return separator.join(table.name for table in tables)


def _split_in_name(name: str) -> str:
    """`chexpert_valid.csv` -> val; "" when the name gives none or several."""
    splits = {parse_split(word) for word in re.split(r"[^a-z]+", name.lower())} - {None}
    return str(splits.pop()) if len(splits) == 1 else ""


def _read_listings(listings: Sequence[FileListing], kind: str) -> Manifest:
    tables: list[tuple[FileListing, LabelTable]] = []
    without_table: list[FileListing] = []
    for listing in listings:
        table = read_image_table(listing)
        if table is None:
            without_table.append(listing)
        else:
            tables.append((listing, table))
    if not tables:
        raise DataError(
            f"{listings[0].folder} holds no CSV table; one must say which film shows what"
        )
    issues: list[Issue] = []
    frames: list[pd.DataFrame] = []
    used: set[str] = set()
    for listing, table in tables:
        matched = _match_files(table, [listing, *without_table], issues)
        used |= matched.used
        frames.append(_build_films(table, matched, listing, issues))
    names = _join_names([table for _, table in tables], " and ")
    film_paths = dict.fromkeys(path for listing in listings for path in listing.films)
    issues += report_surplus_images([path for path in film_paths if path not in used], names)
    if len(frames) > 1:
        issues += _scope_patients(frames)
    films = pd.concat(frames, ignore_index=True)
    issues += report_missing_images(films["image"], films["status"] == "missing", names)
    return Manifest(build_table(dict(films.items())), kind, TERMS, source_issues=tuple(issues))


def _match_files(
    table: LabelTable, listings: Sequence[FileListing], issues: list[Issue]
) -> MatchedFiles:
    """The files of a table's rows, by the column that leads to most of them."""
    index = FileIndex.from_listings(listings)
    folder = os.path.dirname(table.path)
    matches: dict[str, MatchedFiles] = {}
    for heading in IMAGE_HEADINGS:
        name = table.find_column([heading])
        if name is not None and name not in matches:
            matches[name] = index.match_cells(list(table.frame[name]), folder)
    # Of columns that lead to as many, the one that spells more names as the files do.
    column, matched = max(
        matches.items(), key=lambda match: (sum(match[1].present), -len(match[1].respelled))
    )
    empty = np.flatnonzero(table.frame[column] == "")
    if len(empty):
        raise DataError(
            f"{table.path}: row {empty[0] + 1} has nothing under {column}; name the film or remove the row"
        )
    films = sum(len(listing.films) for listing in listings)
    if films and not any(matched.present):
        raise DataError(
            f"none of the {format_count(films, 'films')} below {listings[0].folder} is named under {column} in "
            f"{table.path}; its first row says {table.frame[column].iloc[0]!r}"
        )
    if matched.ambiguous:
        taken = "the first in the order of their paths was taken"
        issues.append(report_same_name(matched.ambiguous, taken))
    issues += report_respelled_names(matched.respelled, table.name)
    return matched


def _build_films(
    table: LabelTable, matched: MatchedFiles, listing: FileListing, issues: list[Issue]
) -> pd.DataFrame:
    """A row per film, with every property that the table's columns give."""
    images = pd.Series(matched.images, dtype="str")
    relative = images.str.removeprefix(os.path.join(listing.folder, ""))
    issues += table.issues
    columns = {
        "image": images,
        "patient": _assign_patients(table.read_column(PATIENT_HEADINGS), relative, issues),
        "split": _assign_splits(table.read_column(SPLIT_HEADINGS), images, issues),
        "source": listing.name,
        "view": parse_views(table.read_column(VIEW_HEADINGS), images, issues),
        "age": parse_ages(table.read_column(AGE_HEADINGS), images, issues),
        "sex": parse_sexes(table.read_column(SEX_HEADINGS), images, issues),
        "status": np.where(matched.present, "present", "missing"),
        **_read_labels(table, images, issues),
    }
    films, row_issues = keep_first_rows(pd.DataFrame(columns), table.name)
    issues += row_issues
    return films


def _read_labels(
    table: LabelTable, images: pd.Series, issues: list[Issue]
) -> dict[str, np.ndarray]:
    if find_label_columns(table.frame):
        return labels_from_columns(table.frame, images, issues)
    return labels_from_names(table.read_column(FINDING_HEADINGS), images, issues)


def _assign_patients(cells: pd.Series, relative: pd.Series, issues: list[Issue]) -> pd.Series:
    """The patient of each film; a film of an unknown patient is a patient of its own, named by its path."""
    unknown = _find_unstated(cells)
    films = relative[unknown]
    if len(films):
        count = format_count(len(films), "films")
        message = f"No patient is given for {count}; each counts as a patient of its own."
        issues.append(film_issue("patient_unknown", message, films))
    patients, spelling_issues = unify_patients(cells.where(~unknown, relative), set(films))
    issues += spelling_issues
    return patients


def _assign_splits(cells: pd.Series, images: pd.Series, issues: list[Issue]) -> pd.Series:
    """The split of each film; train where none is given while other films have one."""
    split = parse_splits(cells, images, issues)
    unknown = _find_unstated(cells)
    if unknown.all():
        return split
    issues += report_not_in_split(images[unknown], "No split")
    return split.mask(unknown, "train")


def _find_unstated(cells: pd.Series) -> pd.Series:
    """(N,) bool: the cells that say nothing."""
    return cells.map({text: is_unstated(text) for text in cells.unique()}).astype(bool)


def _scope_patients(frames: list[pd.DataFrame]) -> list[Issue]:
    """Prefix patients with their folder, since two folders may count from 1 each; changes the tables given."""
    pairs = pd.concat([frame[["patient", "source"]].drop_duplicates() for frame in frames])
    numbers = pairs["patient"].map(normalise_patient)
    shared = pairs.loc[numbers.duplicated(), "patient"].drop_duplicates()
    for frame in frames:
        frame["patient"] = frame["source"] + "/" + frame["patient"]
    if shared.empty:
        return []
    count = format_count(len(shared), "patients")
    return [
        Issue(
            code="patients_scoped",
            message=f"The same number in two folders, for {count}; they count as different patients.",
            count=len(shared),
            examples=tuple(shared.head()),
        )
    ]
