"""CSV files read safely: encoding, separator, unnamed columns, rows that repeat or contradict each other.

Every cell is text with no space around it, and empty where the file says nothing; what a cell means is told elsewhere.
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

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.sources.files import examples_of
from cxr_core.errors import DataError

SEPARATORS = (",", "\t", ";")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """One CSV file. frame: a column of text per named column.  noticed: what is odd about the file."""

    path: str
    frame: pd.DataFrame
    noticed: tuple[Issue, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return os.path.basename(self.path)

    def find(self, names: Iterable[str]) -> str | None:
        """The first column that has one of these names, in any case and with any spaces or signs."""
        columns = {plain(column): column for column in reversed(self.frame.columns)}
        return next((columns[name] for name in names if name in columns), None)

    def cells(self, names: Iterable[str]) -> pd.Series:
        """The column that has one of these names; empty cells when there is none."""
        column = self.find(names)
        return self.frame[column] if column else pd.Series("", self.frame.index, dtype="str")

    def need(self, *wanted: str) -> list[pd.Series]:
        """Columns by their names. Raises DataError that says which are missing and which there are."""
        lacking = [name for name in wanted if self.find([plain(name)]) is None]
        if lacking:
            there = ", ".join(self.frame.columns)
            raise DataError(f"{self.path} has no column {', '.join(lacking)}; it has {there}")
        return [self.cells([plain(name)]) for name in wanted]


def plain(name: str) -> str:
    """A column's name in lower case, letters and digits only: "Patient ID" -> "patientid"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_table(path: str) -> LabelTable:
    """One CSV file, separated by commas, semicolons or tabs, in UTF-8 or (with its mark) UTF-16.

    Raises DataError that names the file, and the line where there is one: no rows, another encoding, NUL bytes, a
    quotation mark that is not closed, more cells than columns, two columns of one name.
    """
    text, noticed = _text(path)
    rows = _rows(path, text)
    if len(rows) < 2:
        raise DataError(
            f"{path} has {'a header but no rows' if rows else 'nothing in it'}; give the whole table"
        )
    header = [name.strip() for name in rows[0]]
    nameless = sum(not name for name in header)
    if nameless:
        message = f"{os.path.basename(path)} has {counted(nameless, 'columns')} without a name."
        noticed.append(Issue(code="unnamed_columns", message=message, count=nameless))
    return LabelTable(path, _frame(path, header, rows[1:]), tuple(noticed))


def read_header(path: str) -> list[str]:
    """The names in a CSV file's first line. Raises DataError when it is empty or cannot be read."""
    text, _ = _text(path)
    lines = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=_separator(text))
    try:
        return [name.strip() for name in next(lines)]
    except (StopIteration, csv.Error) as error:
        raise DataError(
            f"{path} has nothing in it, or no CSV; give the whole table or move it away"
        ) from error


def read_list(path: str) -> set[str]:
    """The names in a list file, one in each line, without their folders."""
    text, _ = _text(path)
    return {line.strip().rpartition("/")[2] for line in text.splitlines()} - {""}


def first_of_each(films: pd.DataFrame, table: str) -> tuple[pd.DataFrame, list[Issue]]:
    """The first row of each `image`, and what is to be said of the others: they repeat it or contradict it."""
    again = films["image"].duplicated()
    if not again.any():
        return films, []
    issues = []
    repeats = films.duplicated()
    if repeats.any():
        images = films.loc[repeats, "image"]
        message = f"{table} has {counted(int(repeats.sum()), 'rows')} repeating an earlier one."
        issues.append(
            Issue(
                code="duplicate_rows",
                message=message,
                count=int(repeats.sum()),
                examples=examples_of(images),
            )
        )
    unlike = films[~repeats]
    images = unlike.loc[unlike["image"].duplicated(), "image"].drop_duplicates()
    if len(images):
        issues.append(
            contradictory(
                images,
                f"{table} says different things of {counted(len(images), 'films')}; the first was taken.",
            )
        )
    return films[~again].reset_index(drop=True), issues


def contradictory(films: pd.Series, message: str) -> Issue:
    """Films of which tables say two things. films: their `image`, each once."""
    examples = examples_of(films.head())
    return Issue(
        code="contradictory_rows",
        message=message,
        count=len(films),
        examples=examples,
        images=tuple(films),
    )


def _text(path: str) -> tuple[str, list[Issue]]:
    """A file's text without its byte-order mark."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); allow reading it, or move it away"
        ) from error
    mark = (
        "UTF-16"
        if data.startswith(UTF_16)
        else "UTF-8"
        if data.startswith(codecs.BOM_UTF8)
        else None
    )
    try:
        text = data.decode("utf-16" if mark == "UTF-16" else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not written in {mark or 'UTF-8'}; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(
            f"{path} holds NUL bytes, so it is damaged or no text; save it as CSV in UTF-8"
        )
    message = f"{os.path.basename(path)} begins with a byte-order mark ({mark})."
    return text, [Issue(code="byte_order_mark", message=message, count=1)] if mark else []


def _separator(text: str) -> str:
    """The sign that cuts the first line into most cells."""
    header = text.lstrip().split("\n", 1)[0]
    return max(SEPARATORS, key=lambda sign: len(next(csv.reader([header], delimiter=sign), [])))


def _rows(path: str, text: str) -> list[list[str]]:
    """The cells of every line that has any."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        return [row for row in lines if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: {error}; correct the table") from error


def _frame(path: str, header: list[str], rows: list[list[str]]) -> pd.DataFrame:
    columns = [name for name in header if name]
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise DataError(f"{path} has two columns {twice!r}; rename or remove one")
    for number, row in enumerate(rows, start=1):
        if len(row) > len(header) and any(map(str.strip, row[len(header) :])):
            raise DataError(
                f"{path}, row {number}: {len(row)} cells for {len(header)} columns; correct the row"
            )
    cells = itertools.zip_longest(
        *rows, fillvalue=""
    )  # short rows are filled up, unnamed columns left out
    frame = pd.DataFrame(
        {
            name: pd.Series(column, dtype="str")
            for name, column in zip(header, cells, strict=False)
            if name
        }
    )
    return frame.apply(lambda column: column.str.strip())
