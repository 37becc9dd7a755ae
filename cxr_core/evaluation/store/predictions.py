"""Reads predictions.csv, a row per film and finding, and checks every value in it."""

import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.errors import DataError, FileRefused
from cxr_core.evaluation.metrics.coverage import CONFORMAL
from cxr_core.evaluation.metrics.reported import REPORTED
from cxr_core.known_findings import known_findings
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

PREDICTIONS = "predictions.csv"
MAX_BYTES = 2**30
MAX_HEADER_BYTES = 10_000  # pandas compares each name with all others
FLAGS = "concerns"  # codes of a film's quality flags, joined by "|"
TEXT_COLUMNS = ("image", "patient", "finding", "sex", "view", "source", "sha256", FLAGS)
COMPLETE_COLUMNS = ("image", "patient", "finding", "logit", "probability")  # a value in every row
LIMITS = {
    "label": (0.0, 1.0),
    "logit": (-1e6, 1e6),
    "probability": (0.0, 1.0),
    REPORTED: (0.0, 1.0),
    **dict.fromkeys(CONFORMAL, (0.0, 1.0)),
    "age": (0.0, 1e3),
}


def read_predictions(folder: Path, columns: Iterable[str]) -> pd.DataFrame:
    """The predictions of an evaluation, image and patient as text.

    columns: those that must be there. Raises DataError that names the file, and the line where a value is wrong.
    """
    path = folder / PREDICTIONS
    try:
        content = read_outside_file(path, MAX_BYTES)
        if len(content.split(b"\n", 1)[0]) > MAX_HEADER_BYTES:
            raise ValueError("its first line is too long")
        types = dict.fromkeys(TEXT_COLUMNS, str)
        table = pd.read_csv(io.BytesIO(content), dtype=types, low_memory=False)
    except FileRefused as error:
        raise DataError(
            f"{printable(path)} cannot be opened: {error.reason}; evaluate again"
        ) from error
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{printable(path)} is no table of predictions ({error}); evaluate again"
        ) from error
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(
            f"{printable(path)} has no column {', '.join(missing)}, so it is no evaluation of a classifier; evaluate "
            "again, and compare evaluations of classifiers only"
        )
    problem = _find_problem(table)
    if problem:
        raise DataError(f"{printable(path)}, {problem}; evaluate again")
    return table


def _find_problem(table: pd.DataFrame) -> str:
    """The first value that no evaluation writes, with its line; empty when there is none."""
    for name in COMPLETE_COLUMNS:
        if name in table and table[name].isna().any():
            return f"line {_line_of(table[name].isna())}: {name} is missing"
    unknown = ~table["finding"].isin(known_findings().keys())
    if unknown.any():
        found = table["finding"][unknown].iloc[0]
        return f"line {_line_of(unknown)}: {found!r:.60} is no finding; expected one of {', '.join(known_findings())}"
    for name, (low, high) in LIMITS.items():
        if name not in table:
            continue
        numbers = table[name]
        if not pd.api.types.is_numeric_dtype(numbers):
            numbers = numbers.map(_to_number).astype(float)
        wrong = table[name].notna() & ~numbers.between(low, high)
        if name == "label":
            wrong |= ~numbers.isin((0, 1, np.nan))
        if wrong.any():
            found = table[name][wrong].iloc[0]
            return f"line {_line_of(wrong)}: {name} is {str(found)!r:.60}, expected a number from {low:g} to {high:g}"
    return ""


def _to_number(cell: object) -> float:
    """NaN for a cell that is no number, or one without end."""
    try:
        return float(str(cell))
    except ValueError:
        return math.nan


def _line_of(rows: pd.Series) -> int:
    """The line in the file of the first row marked; the header is line 1."""
    return int(np.argmax(rows.to_numpy())) + 2
