"""Interprets the cells of a dataset's table: labels of findings, splits, sexes and ages; `views.py` reads the views.

A label is 1, 0 or NaN (unknown). A label that is no known finding is a blocking issue; a finding's other name is noted.
The functions that read a column append what they report to `issues`.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.sources.files import film_issue
from cxr_core.errors import DataError
from cxr_core.film.vocabulary import parse_age, parse_sex
from cxr_core.findings import FINDINGS, is_no_finding
from cxr_core.known_findings import finding_named
from cxr_core.presentation.wording import format_count

POSITIVE = frozenset({"1", "1.0", "true", "yes"})
NEGATIVE = frozenset({"0", "0.0", "false", "no"})
UNCERTAIN = frozenset({"-1", "-1.0"})  # CheXpert's value for a report that leaves it open
UNSTATED = frozenset({"", "nan", "na", "n/a", "none", "null", "unknown", "unspecified", "?", "-"})
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "train_val", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SPLIT_FOLDER_ENDING = re.compile(r"[ _-]?(set|data|dataset|images|imgs|films)$")
MAX_AGE_YEARS = 120
NAMED_VALUES = 3

Value = TypeVar("Value")


def labels_from_columns(
    frame: pd.DataFrame, films: pd.Series, issues: list[Issue]
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from the columns that are named after one.

    A 1 under "No Finding" makes the film's unknown labels 0. films: the `image` of each row.
    Raises DataError when two columns name the same finding.
    """
    columns = find_label_columns(frame)
    labels: dict[str, np.ndarray] = {}
    unknown: dict[str, np.ndarray] = {}
    for key, column in columns.items():
        labels[key], unknown_values = _parse_labels(frame[column])
        for text, rows in unknown_values.items():
            unknown[f"{column}={text}"] = rows
    for column in frame.columns:
        if is_no_finding(column):
            healthy = frame[column].str.lower().isin(POSITIVE).to_numpy()
            for key, values in labels.items():
                labels[key] = np.where(healthy & np.isnan(values), np.float32(0), values)
    _report_unknown_labels(unknown, films, issues)
    aliases = _find_aliases(columns.values())
    _report_aliases(dict.fromkeys(aliases, films.nunique()), "films", issues)
    return labels


def labels_from_names(
    cells: pd.Series, films: pd.Series, issues: list[Issue], findings: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from cells that name findings, separated by "|", ";" or ",".

    An empty cell is unknown. A cell with an unknown name says 1 of the findings it names and nothing of the others.
    findings: what those who labelled looked for; unless given, what is named at least once.
    """
    names = _parse_distinct(cells, split_names)
    keys: dict[str, set[str]] = {}
    unknown: dict[str, set[str]] = {}
    for text, cell_names in names.items():
        keys[text], unknown[text] = set(), set()
        for name in cell_names:
            finding = finding_named(name)
            if finding:
                keys[text].add(finding.key)
            elif not is_no_finding(name):
                unknown[text].add(name)
    unknown_names = sorted(set().union(*unknown.values()))
    unknown_rows = {name: _rows_with(name, cells, unknown) for name in unknown_names}
    _report_unknown_labels(unknown_rows, films, issues)
    aliases = _find_aliases(set().union(*names.values()))
    uses = {name: films[_rows_with(name, cells, names)].nunique() for name in aliases}
    _report_aliases(uses, "films", issues)

    codes, texts = pd.factorize(cells)
    otherwise = [np.nan if unknown[text] or not names[text] else 0.0 for text in texts]
    looked_for = set().union(*keys.values()) if findings is None else findings
    labels = {}
    for key in FINDINGS:
        if key in looked_for:
            values = np.where([key in keys[text] for text in texts], 1.0, otherwise)
            labels[key] = values.astype(np.float32)[codes]
    return labels


def labels_from_name_and_value(
    names: pd.Series, values: pd.Series, films: pd.Series, issues: list[Issue]
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from rows that name one finding and say whether it is there.

    A row that says "No Finding" is there says 0 of every finding; a row says nothing of findings that it does not name.
    """
    value = _map_cells(values, _parse_distinct(values, _parse_label)).to_numpy(np.float32)
    keys = _parse_distinct(names, find_finding_key)
    healthy = names.map(is_no_finding).to_numpy(bool)
    unknown_rows = {}
    for name, rows in _rows_without_value(names, keys).items():
        affected = rows & ~healthy & (value == 1)
        if affected.any():
            unknown_rows[name] = affected
    _report_unknown_labels(unknown_rows, films, issues)
    labels = {}
    for key in FINDINGS:
        if key in keys.values():
            is_named = (names.map(keys) == key).to_numpy(bool)
            stated = np.where(healthy & (value == 1), np.float32(0), np.float32(np.nan))
            labels[key] = np.where(is_named, value, stated)
    return labels


def is_yes_or_no(cells: pd.Series) -> bool:
    """Whether every cell is a label or says nothing, and at least one is 1 or 0."""
    labels = _parse_distinct(cells, _parse_label).values()
    return None not in labels and any(label in (0.0, 1.0) for label in labels)


def parse_findings(cells: pd.Series, films: pd.Series, issues: list[Issue]) -> pd.Series:
    """The finding that each cell names, by key; missing for an unknown name."""
    keys = _parse_distinct(cells, find_finding_key)
    _report_unknown_labels(_rows_without_value(cells, keys), films, issues)
    uses = {text: int((cells == text).sum()) for text in _find_aliases(keys)}
    _report_aliases(uses, "labels", issues)
    return cells.map(keys)


def find_finding_key(label: str) -> str | None:
    """The key of the finding that a dataset calls `label`; None for an unknown name."""
    finding = finding_named(label)
    return None if finding is None else finding.key


def find_label_columns(frame: pd.DataFrame) -> dict[str, str]:
    """The columns that are named after findings, by finding. Raises DataError when two name the same one."""
    columns: dict[str, str] = {}
    for column in frame.columns:
        finding = finding_named(column)
        if finding and finding.key in columns:
            raise DataError(
                f"the columns {columns[finding.key]} and {column} both mean {finding.name}; remove one"
            )
        if finding:
            columns[finding.key] = column
    return columns


def report_unknown_label(counts: Mapping[str, int], films: Sequence[str]) -> Issue:
    """Labels that are no known finding. counts: films by label.  films: their `image`, each once."""
    labels = [f"{label!r} ({count:,})" for label, count in list(counts.items())[:EXAMPLES]]
    more = f" and {len(counts) - EXAMPLES} others" if len(counts) > EXAMPLES else ""
    message = f"Unknown labels in {format_count(len(films), 'films')}: {', '.join(labels)}{more}."
    return film_issue("unknown_label", message, films, excludable=True)


def parse_split(text: str) -> str | None:
    """train, val or test, as a cell or a folder calls it."""
    return SPLIT_NAMES.get(text.strip().lower())


def parse_split_folder(name: str) -> str | None:
    """train, val or test, as a folder calls it: train, Training_Set, test data."""
    return parse_split(SPLIT_FOLDER_ENDING.sub("", name.lower()))


def parse_splits(cells: pd.Series, films: pd.Series, issues: list[Issue]) -> pd.Series:
    """train, val, test or missing. films: the `image` of each row."""
    return _parse_cells(cells, parse_split, "split", films, issues)


def parse_sexes(cells: pd.Series, films: pd.Series, issues: list[Issue]) -> pd.Series:
    """F, M or missing. films: the `image` of each row."""
    return _parse_cells(cells, parse_sex, "sex", films, issues)


def parse_ages(cells: pd.Series, films: pd.Series, issues: list[Issue]) -> pd.Series:
    """Years; NaN when unknown, negative or above 120. films: the `image` of each row."""
    years = _parse_cells(cells, parse_age, "age", films, issues).astype(np.float64)
    impossible = (years < 0) | (years > MAX_AGE_YEARS)
    images = films[impossible].drop_duplicates()
    if len(images):
        values = ", ".join(cells[impossible].drop_duplicates().head(NAMED_VALUES))
        count = format_count(len(images), "films")
        message = f"An age below 0 or above {MAX_AGE_YEARS} years in {count}: {values}."
        issues.append(film_issue("impossible_age", message, images))
    return years.mask(impossible)


def report_not_in_split(films: pd.Series, reason: str) -> list[Issue]:
    """Films that the given split leaves out. films: their `image`.  reason: as in "No line in test_list.txt"."""
    if films.empty:
        return []
    message = f"{reason} for {format_count(films.nunique(), 'films')}, which count as training."
    return [film_issue("not_in_split", message, films)]


def report_unknown_values(
    unknown: Sequence[str], kind: str, cells: pd.Series, films: pd.Series, issues: list[Issue]
) -> None:
    """A note about texts of a column that were not understood. kind: what the column is about."""
    if not unknown:
        return
    images = films[cells.isin(unknown)].drop_duplicates()
    texts = ", ".join(map(repr, unknown[:NAMED_VALUES]))
    more = " and others" if len(unknown) > NAMED_VALUES else ""
    count = format_count(len(images), "films")
    message = f"The {kind} of {count} was not understood: {texts}{more}."
    issues.append(film_issue("unknown_value", message, images))


def is_unstated(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.lower() in UNSTATED


def _parse_cells(
    cells: pd.Series,
    parse: Callable[[str], str | float | None],
    kind: str,
    films: pd.Series,
    issues: list[Issue],
) -> pd.Series:
    """Each cell's value, missing where there is none; values that are not understood are reported."""
    values = _parse_distinct(cells, parse)
    unknown = [text for text, value in values.items() if value is None and not is_unstated(text)]
    report_unknown_values(unknown, kind, cells, films, issues)
    return _map_cells(cells, values)


def _parse_labels(cells: pd.Series) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels from cells that say yes or no, and the rows of each text that says neither."""
    labels = _parse_distinct(cells, _parse_label)
    unknown = _rows_without_value(cells, labels)
    return _map_cells(cells, labels).to_numpy(np.float32), unknown


def _parse_label(text: str) -> float | None:
    """1, 0 or NaN; None for a text that is no label."""
    word = text.lower()
    if word in POSITIVE:
        return 1.0
    if word in NEGATIVE:
        return 0.0
    return float("nan") if word in UNCERTAIN or is_unstated(word) else None


def _parse_distinct(cells: pd.Series, parse: Callable[[str], Value]) -> dict[str, Value]:
    """The value of each different text."""
    return {text: parse(text) for text in cells.unique()}


def _map_cells(cells: pd.Series, values: Mapping[str, str | float | None]) -> pd.Series:
    """Each cell's value, NaN where it is None."""
    return cells.map({text: np.nan if value is None else value for text, value in values.items()})


def _rows_without_value(
    cells: pd.Series, values: Mapping[str, str | float | None]
) -> dict[str, np.ndarray]:
    """(N,) bool of each text whose value is None: its rows."""
    return {text: (cells == text).to_numpy() for text, value in values.items() if value is None}


def split_names(text: str) -> list[str]:
    """The names in a cell: `Effusion|Mass` and `['Effusion', 'Mass']` -> Effusion, Mass."""
    names = (name.strip(" '\"") for name in re.split(r"[|;,]", text.strip("[] ")))
    return [name for name in names if not is_unstated(name)]


def _rows_with(name: str, cells: pd.Series, names: Mapping[str, Collection[str]]) -> np.ndarray:
    """(N,) bool: the rows whose cell contains a name. names: of each different cell."""
    return cells.isin([text for text, inside in names.items() if name in inside]).to_numpy()


def _find_aliases(names: Collection[str]) -> list[str]:
    """The names that mean a finding without being its own name, sorted."""
    aliases = []
    for name in sorted(names):
        finding = finding_named(name)
        if finding and name.lower() not in {finding.key, finding.name.lower()}:
            aliases.append(name)
    return aliases


def _report_unknown_labels(
    rows: Mapping[str, np.ndarray], films: pd.Series, issues: list[Issue]
) -> None:
    """rows: which films have each unknown label."""
    if rows:
        affected = np.logical_or.reduce(list(rows.values()))
        counts = {label: films[where].nunique() for label, where in rows.items()}
        issues.append(report_unknown_label(counts, list(films[affected].drop_duplicates())))


def _report_aliases(uses: Mapping[str, int], unit: str, issues: list[Issue]) -> None:
    """uses: how many films or boxes are labelled with each alias."""
    readings = []
    for name, count in uses.items():
        finding = finding_named(name)
        if finding:
            readings.append(f"{name} as {finding.name} ({format_count(count, unit)})")
    if readings:
        issues.append(
            Issue(
                code="label_alias",
                message=f"Read {', '.join(readings)}.",
                count=sum(uses.values()),
                examples=tuple(uses),
            )
        )
