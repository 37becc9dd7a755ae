"""What the cells of a dataset's table mean: parts, views, sexes and ages. What nobody knows is unknown, and noted."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.sources.files import examples_of

UNSTATED = frozenset({"", "nan", "na", "n/a", "none", "null", "unknown", "unspecified", "?", "-"})
PART_NAMES = {
    **dict.fromkeys(("train", "training", "train_val", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SEX_NAMES = {
    **dict.fromkeys(("f", "female", "woman"), "F"),
    **dict.fromkeys(("m", "male", "man"), "M"),
}
VIEW_NAMES = {
    "PA": ("pa", "posteroanterior", "postero anterior"),
    "AP": ("ap", "anteroposterior", "antero posterior"),
}
YEARS_PER = {"": 1.0, "y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
OLDEST = 120


def part_named(text: str) -> str | None:
    """train, val or test, as a cell or a folder calls it."""
    return PART_NAMES.get(text.strip().lower())


def sex_named(text: str) -> str | None:
    """F or M."""
    return SEX_NAMES.get(text.lower())


def view_named(text: str) -> str | None:
    """PA or AP, also within a longer name ("AP SUPINE"); None when it names both or neither."""
    words = f" {re.sub(r'[^a-z]+', ' ', text.lower())} "
    found = [
        view for view, names in VIEW_NAMES.items() if any(f" {name} " in words for name in names)
    ]
    return found[0] if len(found) == 1 else None


def age_named(text: str) -> float | None:
    """Years from a number, or from DICOM's form ("057Y", "008M"); None when it is neither."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?) ?([ymwd]?)", text.lower())
    return float(found[1]) * YEARS_PER[found[2]] if found else None


def parts(cells: pd.Series, films: pd.Series, noticed: list[Issue]) -> pd.Series:
    """train, val, test or missing. films: the `image` of each row, for what is added to `noticed`."""
    return _read(cells, part_named, "part", films, noticed)


def views(cells: pd.Series, films: pd.Series, noticed: list[Issue]) -> pd.Series:
    """PA, AP or missing."""
    return _read(cells, view_named, "view", films, noticed)


def sexes(cells: pd.Series, films: pd.Series, noticed: list[Issue]) -> pd.Series:
    """F, M or missing."""
    return _read(cells, sex_named, "sex", films, noticed)


def ages(cells: pd.Series, films: pd.Series, noticed: list[Issue]) -> pd.Series:
    """Years; NaN when unknown, negative or above 120."""
    years = _read(cells, age_named, "age", films, noticed).astype(np.float64)
    impossible = (years < 0) | (years > OLDEST)
    if impossible.any():
        told = ", ".join(cells[impossible].drop_duplicates().head(3))
        message = f"An age below 0 or above {OLDEST} years in {counted(int(impossible.sum()), 'films')}: {told}."
        names = examples_of(films[impossible].head())
        noticed.append(
            Issue(
                code="impossible_age", message=message, count=int(impossible.sum()), examples=names
            )
        )
    return years.mask(impossible)


def not_in_split(films: pd.Series, what: str) -> list[Issue]:
    """Films that the given split leaves out. films: their `image`.  what: where they were looked for."""
    if films.empty:
        return []
    message = f"{what} for {counted(len(films), 'films')}, which count as training."
    return [
        Issue(
            code="not_in_split",
            message=message,
            count=len(films),
            examples=examples_of(films.head()),
        )
    ]


def unstated(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.lower() in UNSTATED


def _read(
    cells: pd.Series,
    meaning: Callable[[str], str | float | None],
    what: str,
    films: pd.Series,
    noticed: list[Issue],
) -> pd.Series:
    known = {text: meaning(text) for text in cells.unique()}
    strange = [text for text, value in known.items() if value is None and not unstated(text)]
    if strange:
        rows = cells.isin(strange)
        told = ", ".join(map(repr, strange[:3])) + (" and others" if len(strange) > 3 else "")
        message = f"Not understood: the {what} in {counted(int(rows.sum()), 'films')}: {told}."
        examples = examples_of(films[rows].head())
        noticed.append(
            Issue(code="unknown_value", message=message, count=int(rows.sum()), examples=examples)
        )
    return cells.map({text: np.nan if value is None else value for text, value in known.items()})
