"""Reads CSV files safely: encodings, separators, unnamed columns, and rows that repeat or contradict each other.

Every cell is text without space around it, and empty where the file says nothing; `labels.py` says what a cell means.
"""

import codecs
import csv
import io
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxr_core.data.checks.issue import Issue, format_count
from cxr_core.data.sources.files import film_issue
from cxr_core.errors import DataError

SEPARATORS = (",", "\t", ";")
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """One CSV file. frame: a column of text per named column.  issues: what is odd about the file."""

    path: str
    frame: pd.DataFrame
    issues: tuple[Issue, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return os.path.basename(self.path)

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
            columns = ", ".join(self.frame.columns)
            raise DataError(f"{self.path} has no column {', '.join(missing)}; it has {columns}")
        return [self.read_column([normalise_heading(name)]) for name in headings]


def normalise_heading(name: str) -> str:
    """A column's name in lower case, letters and digits only: "Patient ID" -> "patientid"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_table(path: str) -> LabelTable:
    """One CSV file, separated by commas, semicolons or tabs, in UTF-8 or (with its mark) UTF-16.

    Raises DataError that names the file, and the line where there is one: no rows, another encoding, NUL bytes, a
    quotation mark that is not closed, more cells than columns, two columns of one name.
    """
    text, issues = _read_text(path)
    rows = _parse_rows(path, text)
    if len(rows) < 2:
        content = "a header but no rows" if rows else "nothing in it"
        raise DataError(f"{path} has {content}; give the complete table")
    header = list(map(str.strip, rows[0]))
    nameless = header.count("")
    if nameless:
        columns = format_count(nameless, "columns")
        message = f"{os.path.basename(path)} has {columns} without a name."
        issues.append(Issue(code="unnamed_columns", message=message, count=nameless))
    return LabelTable(path, _build_frame(path, header, rows[1:]), tuple(issues))


def read_header(path: str) -> list[str]:
    """The names in a CSV file's first line. Raises DataError when it is empty or cannot be read."""
    text, _ = _read_text(path)
    lines = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=_find_separator(text))
    try:
        return list(map(str.strip, next(lines)))
    except (StopIteration, csv.Error) as error:
        raise DataError(
            f"{path} is empty or no CSV; give the complete table or move it away"
        ) from error


def read_list(path: str) -> set[str]:
    """The names in a list file, one in each line, without their folders."""
    text, _ = _read_text(path)
    return {line.strip().rpartition("/")[2] for line in text.splitlines()} - {""}


def keep_first_rows(films: pd.DataFrame, table: str) -> tuple[pd.DataFrame, list[Issue]]:
    """The first row of each `image`, and issues about the others: they repeat it or contradict it."""
    again = films["image"].duplicated()
    if not again.any():
        return films, []
    issues = []
    repeats = films.duplicated()
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


def report_contradictory_rows(films: pd.Series, message: str) -> Issue:
    """Films about which tables contradict themselves. films: their `image`, each once."""
    return film_issue("contradictory_rows", message, films, excludable=True)


def _read_text(path: str) -> tuple[str, list[Issue]]:
    """A file's text without its byte-order mark, and a note about the mark."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); allow reading it, or move it away"
        ) from error
    mark = None
    if data.startswith(UTF_16_MARKS):
        mark = "UTF-16"
    elif data.startswith(codecs.BOM_UTF8):
        mark = "UTF-8"
    try:
        text = data.decode("utf-16" if mark == "UTF-16" else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not written in {mark or 'UTF-8'}; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(
            f"{path} holds NUL bytes, so it is damaged or not text; save it as CSV in UTF-8"
        )
    if mark is None:
        return text, []
    message = f"{os.path.basename(path)} begins with a byte-order mark ({mark})."
    return text, [Issue(code="byte_order_mark", message=message, count=1)]


def _find_separator(text: str) -> str:
    """The sign that cuts the first line into most cells."""
    header = text.lstrip().split("\n", 1)[0]
    return max(SEPARATORS, key=lambda sign: len(next(csv.reader([header], delimiter=sign), [])))


def _parse_rows(path: str, text: str) -> list[list[str]]:
    """The cells of every line that has any."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_find_separator(text), strict=True)
    try:
        return [row for row in lines if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: {error}; correct the table") from error


def _build_frame(path: str, header: list[str], rows: list[list[str]]) -> pd.DataFrame:
    """The named columns as text; short rows are filled up with empty cells."""
    names = [name for name in header if name]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path} has two columns {repeated!r}; rename or remove one")
    for number, row in enumerate(rows, start=1):
        if any(map(str.strip, row[len(header) :])):
            raise DataError(
                f"{path}, row {number}: {len(row)} cells for {len(header)} columns; correct the row"
            )
    columns = {}
    for name, cells in zip(header, itertools.zip_longest(*rows, fillvalue=""), strict=False):
        if name:
            columns[name] = pd.Series(cells, dtype="str")
    return pd.DataFrame(columns).apply(lambda column: column.str.strip())
