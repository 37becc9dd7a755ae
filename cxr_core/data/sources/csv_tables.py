"""Reads CSV files safely: encodings, separators, unnamed columns, and rows that repeat or contradict each other.

Every cell is text without space around it, and empty where the file says nothing; `labels.py` says what a cell means.
"""

import csv
import io
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import normalise_cells
from cxr_core.data.sources.files import film_issue
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.text_files import read_text_file
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.paths import printable

SEPARATORS = (",", "\t", ";")
# Excel's first line that names the separator of the others.
SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?[,;\t]*\n", re.IGNORECASE)
# What Python's csv module says of a broken table, and what is the matter.
CSV_ERRORS = {
    "unexpected end of data": "a quotation mark in this line or above is not closed",
    "field larger than field limit": (
        "a cell has more than 131,072 characters, so a quotation mark in this line or above may not be closed"
    ),
    "expected after": "a quotation mark within a cell is neither doubled nor at its end",
}


@dataclass(frozen=True, eq=False)
class LabelTable:
    """One CSV file. frame: a column of text per named column.  issues: what is odd about the file.

    box_frame: the side in pixels of the square films on which its boxes were drawn; None where nothing says it.
    vocabulary: what its labels mean.
    """

    path: str
    frame: pd.DataFrame
    issues: tuple[Issue, ...] = ()
    box_frame: int | None = None
    vocabulary: LabelVocabulary = field(default_factory=LabelVocabulary)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return printable(os.path.basename(self.path))

    def find_column(self, headings: Iterable[str]) -> str | None:
        """The first column with one of these headings, in any case and with any spaces or signs."""
        columns = {normalise_heading(column): column for column in reversed(self.frame.columns)}
        for heading in headings:
            if heading in columns:
                return columns[heading]
        return None

    def read_column(self, headings: Iterable[str]) -> pd.Series:
        """The cells of the column with one of these headings; empty cells when there is none."""
        column = self.find_column(headings)
        if column is None:
            return pd.Series("", self.frame.index, dtype="str")
        return self.frame[column]

    def require_columns(self, *headings: str) -> list[pd.Series]:
        """Columns by their headings. Raises DataError that says which are missing and which there are."""
        missing = [name for name in headings if self.find_column([normalise_heading(name)]) is None]
        if missing:
            columns = printable(", ".join(self.frame.columns))
            raise DataError(
                f"{printable(self.path)} has no column {', '.join(missing)}; it has {columns}"
            )
        return [self.read_column([normalise_heading(name)]) for name in headings]


def normalise_heading(name: str) -> str:
    """A column's name in lower case, letters and digits only: "Patient ID" -> "patientid"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_table(path: str, vocabulary: LabelVocabulary | None = None) -> LabelTable:
    """One CSV file, separated by commas, semicolons or tabs, in an encoding that `read_text_file` reads.

    Raises DataError that names the file, and the line where there is one: no rows, no text, NUL bytes, a quotation
    mark that is not closed, more cells than columns, two columns of one name.
    """
    text, issues = read_text_file(path)
    rows = _parse_rows(path, text)
    if len(rows) < 2:
        content = "a header but no rows" if rows else "nothing in it"
        raise DataError(f"{printable(path)} has {content}; give the complete table")
    header = list(map(str.strip, rows[0]))
    nameless = header.count("")
    if nameless:
        columns = format_count(nameless, "columns")
        message = f"{printable(os.path.basename(path))} has {columns} without a name."
        issues.append(Issue(code="unnamed_columns", message=message, count=nameless))
    return LabelTable(
        path,
        _build_frame(path, header, rows[1:]),
        tuple(issues),
        vocabulary=vocabulary or LabelVocabulary(),
    )


def read_header(path: str) -> list[str]:
    """The names in a CSV file's first line. Raises DataError when it is empty or cannot be read."""
    text, separator = _find_separator(read_text_file(path)[0])
    lines = csv.reader(io.StringIO(text.lstrip()), delimiter=separator)
    try:
        return list(map(str.strip, next(lines)))
    except StopIteration as error:
        raise DataError(
            f"{printable(path)} is empty; give the complete table or move it away"
        ) from error
    except csv.Error as error:
        raise DataError(_explain(path, lines.line_num, error)) from error


def read_list(path: str) -> set[str]:
    """The names in a list file, one in each line, without their folders."""
    text, _ = read_text_file(path)
    names = set()
    for line in text.split("\n"):
        names.add(line.strip(' \t",;').replace("\\", "/").rpartition("/")[2])
    return names - {""}


def keep_first_rows(films: pd.DataFrame, table: str) -> tuple[pd.DataFrame, list[Issue]]:
    """The first row of each `image`, and issues about the others: they repeat it or contradict it."""
    again = films["image"].duplicated()
    if not again.any():
        return films, []
    issues = []
    spelled = films
    if "patient" in films:
        spelled = films.assign(patient=normalise_cells(films["patient"]))
    repeats = spelled.duplicated()
    if repeats.any():
        images = films.loc[repeats, "image"]
        message = f"{table} has {format_count(len(images), 'rows')} repeating an earlier one."
        issues.append(film_issue("duplicate_rows", message, images))
    different = films.loc[~repeats, "image"]
    contradicted = different[different.duplicated()].drop_duplicates()
    if len(contradicted):
        count = format_count(len(contradicted), "films")
        message = f"{table} has contradicting rows for {count}; the first of each was used."
        issues.append(report_contradictory_rows(contradicted, message))
    return films[~again].reset_index(drop=True), issues


def count_repeats(issues: Iterable[Issue], images: pd.Series) -> dict[str, int]:
    """How many rows `keep_first_rows` dropped: those that repeat a row, and the others. issues: what it reported."""
    dropped = int(images.duplicated().sum())
    repeated = sum(issue.count for issue in issues if issue.code == "duplicate_rows")
    return {"repeated": repeated, "contradictory": dropped - repeated}


def report_contradictory_rows(films: pd.Series, message: str) -> Issue:
    """Films about which tables contradict themselves. films: their `image`, each once."""
    return film_issue("contradictory_rows", message, films, excludable=True)


def _find_separator(text: str) -> tuple[str, str]:
    """The text without Excel's line `sep=;`, and the separator: that line's, else what cuts the first line finest."""
    stated = SEPARATOR_LINE.match(text)
    if stated:
        return "\n" + text[stated.end() :], stated[1]  # lines keep their numbers
    header = text.lstrip().split("\n", 1)[0]
    return text, max(SEPARATORS, key=lambda sign: _count_cells(header, sign))


def _count_cells(line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return 0


def _parse_rows(path: str, text: str) -> list[list[str]]:
    """The cells of every line that has any."""
    text, separator = _find_separator(text)
    lines = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        return [row for row in lines if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(_explain(path, lines.line_num, error)) from error


def _explain(path: str, line: int, error: csv.Error) -> str:
    """What is the matter with a table, where, and what to do."""
    reason = str(error)
    for message, explanation in CSV_ERRORS.items():
        if message in reason:
            reason = explanation
    return f"{printable(path)}, line {line}: {reason}; correct the table"


def _build_frame(path: str, header: list[str], rows: list[list[str]]) -> pd.DataFrame:
    """The named columns as text; short rows are filled up with empty cells."""
    names = [name for name in header if name]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{printable(path)} has two columns {repeated!r}; rename or remove one")
    for number, row in enumerate(rows, start=1):
        if any(map(str.strip, row[len(header) :])):
            raise DataError(
                f"{printable(path)}, row {number}: {len(row)} cells for {len(header)} columns; "
                "correct the row"
            )
    columns = {}
    for name, cells in zip(header, itertools.zip_longest(*rows, fillvalue=""), strict=False):
        if name:
            columns[name] = pd.Series(cells, dtype="str")
    return pd.DataFrame(columns).apply(lambda column: column.str.strip())
