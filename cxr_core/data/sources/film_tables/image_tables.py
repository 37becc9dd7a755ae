"""Finds the tables that name films, joins those that describe the same ones, and matches their rows with the files."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.identifiers import normalise_cells, report_respelled_names
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    normalise_heading,
    read_header,
    read_table,
)
from cxr_core.data.sources.file_index import FileIndex, MatchedFiles
from cxr_core.data.sources.files import (
    FileListing,
    report_same_name,
)
from cxr_core.data.sources.film_tables.headings import (
    ANSWER_HEADING,
    IMAGE_HEADINGS,
    PATIENT_HEADINGS,
    SPLIT_HEADINGS,
    STUDY_HEADINGS,
)
from cxr_core.data.sources.film_tables.label_rows import find_name_columns
from cxr_core.data.sources.film_tables.rsna import is_rsna_header, translate_rsna_table
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import parse_split, parse_split_folder
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.paths import printable

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@dataclass(frozen=True, eq=False)
class MatchedTable:
    """A table of films. column: the one that names them.  files: the file of each row."""

    table: LabelTable
    column: str
    files: MatchedFiles


@dataclass(frozen=True, eq=False)
class FolderTables:
    """The tables below one folder.

    films: those that name films.  related: others beside them that share the number of an examination or a patient.
    deeper: names of tables of films that lie deeper than the first ones.
    """

    films: tuple[LabelTable, ...]
    related: tuple[LabelTable, ...]
    deeper: tuple[str, ...]


def lists_images(listing: FileListing) -> bool:
    """Whether a CSV below the folder names films."""
    return any(_names_films(path, listing) for path in _list_tables(listing))


def list_film_tables(listing: FileListing) -> list[str]:
    """The CSV files below the folder that name films."""
    return [path for path in _list_tables(listing) if _names_films(path, listing)]


def holds_tables(listing: FileListing) -> bool:
    """Whether there is a CSV below the folder."""
    return bool(_list_tables(listing))


def refuse_tables(listing: FileListing) -> None:
    """Raises DataError that says what is wrong with the CSV files of a folder, none of which names films, if any."""
    paths = _list_tables(listing)
    if paths and not lists_images(listing):
        _refuse_tables(paths)


def match_tables(
    listing: FileListing,
    film_folders: Sequence[FileListing],
    issues: list[Issue],
    vocabulary: LabelVocabulary,
) -> list[MatchedTable]:
    """The tables of films that lie highest in a folder; those that lie together with the same columns are one.

    Further columns come from tables beside them that share an examination's or a patient's number. film_folders: where
    the films are. Raises DataError when no table names films, a row names none, or all name other files.
    """
    found = _read_tables(listing, vocabulary)
    index = FileIndex.from_listings(film_folders)
    matched = [_match_table(table, index) for table in _join_equal_tables(found.films)]
    mains = [match for match in matched if any(match.files.present)] or matched
    films = sum(len(folder.films) - len(folder.masks) for folder in film_folders)
    if films and not any(mains[0].files.present):
        _refuse_other_films(mains[0], listing, films)
    sides = [*(match.table for match in matched if match not in mains), *found.related]
    joined = [_relative_name(main.table, listing) for main in mains]
    unused = list(found.deeper)
    for side in sides:
        attached = [_attach_table(main, side) for main in mains]
        is_used = any(new is not None for new in attached)
        (joined if is_used else unused).append(_relative_name(side, listing))
        mains = [new or main for new, main in zip(attached, mains, strict=True)]
    for main in mains:
        _require_names(main)
        issues += _report_matches(main)
    issues += _report_joins(joined, unused)
    return mains


def _relative_name(table: LabelTable, listing: FileListing) -> str:
    return printable(listing.relative(table.path))


def join_names(tables: Sequence[LabelTable], separator: str) -> str:
    """The names of tables, in order."""
    return separator.join(table.name for table in tables)


def _list_tables(listing: FileListing) -> list[str]:
    """CSV files, those highest in the folder first."""
    paths = [path for path in listing.files if path.lower().endswith(TABLE_SUFFIXES)]
    return sorted(paths, key=lambda path: (path.count(os.sep), path))


def _names_films(path: str, listing: FileListing) -> bool:
    """Whether a table has a column of films, or one of patients by whose numbers the films are called."""
    header = read_header(path)
    headings = set(map(normalise_heading, header))
    if ANSWER_HEADING in headings:
        return False
    if headings & set(IMAGE_HEADINGS) or is_rsna_header(header):
        return True
    if not headings & set(PATIENT_HEADINGS):
        return False
    stems = {os.path.splitext(os.path.basename(film))[0] for film in listing.films}
    return not stems.isdisjoint(read_table(path).read_column(PATIENT_HEADINGS))


def _read_tables(listing: FileListing, vocabulary: LabelVocabulary) -> FolderTables:
    """The tables of films that lie highest, also in several folders of the same height (train/labels.csv)."""
    paths = _list_tables(listing)
    naming = [path for path in paths if _names_films(path, listing)]
    if not naming:
        _refuse_tables(paths)
    highest = [path for path in naming if path.count(os.sep) == naming[0].count(os.sep)]
    folders = set(map(os.path.dirname, highest))
    tables = _split_by_names(
        [translate_rsna_table(read_table(path, vocabulary)) for path in highest]
    )
    headings = {normalise_heading(column) for table in tables for column in table.frame}
    shared = headings & {*STUDY_HEADINGS, *PATIENT_HEADINGS}
    related = []
    for path in paths:
        if path not in naming and os.path.dirname(path) in folders:
            other = set(map(normalise_heading, read_header(path)))
            if ANSWER_HEADING not in other and shared & other:
                related.append(read_table(path, vocabulary))
    deeper = [listing.relative(path) for path in naming if path not in highest]
    return FolderTables(tuple(tables), tuple(related), tuple(deeper))


def _refuse_tables(paths: list[str]) -> NoReturn:
    headers = {path: read_header(path) for path in paths}
    for path, header in headers.items():
        if ANSWER_HEADING not in map(normalise_heading, header):
            columns = printable(", ".join(filter(None, header)))
            examples = ", ".join(IMAGE_HEADINGS[:5])
            raise DataError(
                f"{printable(path)} has the columns {columns}; expected one with the films' files, such as {examples}"
            )
    raise DataError(
        f"{printable(paths[0])} is a template for a competition's answers, not labels; give the table of labels"
    )


def _split_by_names(tables: list[LabelTable]) -> list[LabelTable]:
    """The tables with the split that their names or folders give, unless a column does: train.csv, valid/labels.csv."""
    splits = [_split_in_name(table.name) or _split_in_folder(table.path) for table in tables]
    if len(set(splits) - {""}) < 2 or any(table.find_column(SPLIT_HEADINGS) for table in tables):
        return tables
    return [
        replace(table, frame=table.frame.assign(split=split))
        for table, split in zip(tables, splits, strict=True)
    ]


def _split_in_folder(path: str) -> str:
    return parse_split_folder(os.path.basename(os.path.dirname(path))) or ""


def _split_in_name(name: str) -> str:
    """`chexpert_valid.csv` -> val; "" when the name gives none or several."""
    splits = {parse_split(word) for word in re.split(r"[^a-z]+", name.lower())} - {None}
    return str(splits.pop()) if len(splits) == 1 else ""


def _join_equal_tables(tables: Sequence[LabelTable]) -> list[LabelTable]:
    """One table of those in one folder with the same columns."""
    by_columns: dict[tuple[str, frozenset[str]], list[LabelTable]] = {}
    for table in tables:
        key = (os.path.dirname(table.path), frozenset(table.frame.columns))
        by_columns.setdefault(key, []).append(table)
    return [same[0] if len(same) == 1 else _append_tables(same) for same in by_columns.values()]


def _append_tables(tables: list[LabelTable]) -> LabelTable:
    folder = os.path.dirname(tables[0].path)
    return replace(
        tables[0],
        path=os.path.join(folder, join_names(tables, " and ")),
        frame=pd.concat([table.frame for table in tables], ignore_index=True),
        issues=tuple(issue for table in tables for issue in table.issues),
    )


def _match_table(table: LabelTable, index: FileIndex) -> MatchedTable:
    """A table with the files of its rows, by the column that leads to most of them."""
    folder = os.path.dirname(table.path)
    columns = [table.find_column([heading]) for heading in IMAGE_HEADINGS]
    if not any(columns):
        columns = [table.find_column(PATIENT_HEADINGS)]
    matches: dict[str, MatchedFiles] = {}
    for name in columns:
        if name is not None and name not in matches:
            matches[name] = index.match_cells(list(table.frame[name]), folder)
    # Of columns that lead to as many, the one that spells more names as the files do.
    column, files = max(
        matches.items(), key=lambda match: (sum(match[1].present), -len(match[1].respelled))
    )
    return MatchedTable(table, column, files)


def _attach_table(main: MatchedTable, side: LabelTable) -> MatchedTable | None:
    """A table with the further columns of another, by a number that both have; None when there is no such number.

    The other table must have one row for each number.
    """
    for heading in (*STUDY_HEADINGS, *PATIENT_HEADINGS):
        key, side_key = main.table.find_column([heading]), side.find_column([heading])
        if key is None or side_key is None:
            continue
        known = set(map(normalise_heading, main.table.frame))
        new = [column for column in side.frame if normalise_heading(column) not in known]
        numbers = normalise_cells(side.frame[side_key])
        cells = side.frame[new].assign(number=numbers).drop_duplicates()
        by_number = _one_row_per_number(cells, side.vocabulary)
        if new and by_number is not None:
            wanted = normalise_cells(main.table.frame[key])
            found = by_number.reindex(wanted).fillna("").reset_index(drop=True)
            frame = pd.concat([main.table.frame, found], axis=1)
            return replace(main, table=replace(main.table, frame=frame))
    return None


def _one_row_per_number(cells: pd.DataFrame, vocabulary: LabelVocabulary) -> pd.DataFrame | None:
    """The rows by their number. Rows that only name different findings are joined; None for other repeats."""
    if cells["number"].is_unique:
        return cells.set_index("number")
    table = LabelTable("", cells.drop(columns=["number"]), vocabulary=vocabulary)
    naming, values = find_name_columns(table)
    others = cells.drop(columns=[naming] if naming else [])
    if naming is None or values is not None or not others.drop_duplicates()["number"].is_unique:
        return None
    named = cells.groupby("number")[naming].agg(lambda texts: "|".join(filter(None, texts)))
    return others.drop_duplicates().set_index("number").assign(**{naming: named})


def _require_names(main: MatchedTable) -> None:
    cells = main.table.frame[main.column]
    empty = cells.index[cells == ""]
    if len(empty):
        raise DataError(
            f"{main.table.path}: row {empty[0] + 1} has nothing under {main.column}; "
            "name the film or remove the row"
        )


def _refuse_other_films(main: MatchedTable, listing: FileListing, films: int) -> NoReturn:
    raise DataError(
        f"none of the {format_count(films, 'films')} below {listing.folder} is named under {main.column} in "
        f"{main.table.path}; its first row says {main.table.frame[main.column].iloc[0]!r}"
    )


def _report_matches(main: MatchedTable) -> list[Issue]:
    issues = [*main.table.issues]
    if main.files.ambiguous:
        taken = "the first in the order of their paths was taken"
        issues.append(report_same_name(main.files.ambiguous, taken))
    return issues + report_respelled_names(main.files.respelled, main.table.name)


def _report_joins(joined: list[str], unused: list[str]) -> list[Issue]:
    issues = []
    if len(joined) > 1:
        message = f"{', '.join(joined)} were read together, as one dataset."
        count = len(joined)
        issues.append(
            Issue(code="joined_tables", message=message, count=count, examples=tuple(joined))
        )
    if unused:
        names = ", ".join(unused[:EXAMPLES])
        message = f"{names}: no row leads to a film, nor by a number to one row of a table of films; or it lies deeper."
        issues.append(
            Issue(code="unused_tables", message=message, count=len(unused), examples=tuple(unused))
        )
    return issues
