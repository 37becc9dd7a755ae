"""Interprets the cells of a dataset's table: labels of findings, splits, sexes and ages; `views.py` reads the views.

A label is 1, 0 or NaN (unknown). A label that is no known finding, and is not mapped to one, is a blocking issue; a
finding's other name is noted.
The functions that read a column append what they report to `issues`.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn, TypeVar

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.sources.files import film_issue
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.errors import DataError
from cxr_core.film.vocabulary import parse_age, parse_sex
from cxr_core.known_findings import order_findings
from cxr_core.presentation.wording import finding_name, format_count
from cxr_core.workspace.paths import printable

POSITIVE = frozenset({"1", "1.0", "true", "yes", "y", "ja", "present", "positive", "pos"})
NEGATIVE = frozenset({"0", "0.0", "false", "no", "n", "nein", "absent", "negative", "neg"})
LABEL_VALUES = "1 or 0, yes or no, present or absent; empty or -1 where it is unknown"
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
    frame: pd.DataFrame, films: pd.Series, issues: list[Issue], vocabulary: LabelVocabulary
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from the columns that are named after one or mapped to one.

    A 1 under "No Finding" makes the film's unknown labels 0. films: the `image` of each row.
    Raises DataError when two columns mean the same finding, and when a mapped one holds only text.
    """
    columns = find_label_columns(frame, vocabulary)
    labels: dict[str, np.ndarray] = {}
    unknown: dict[str, np.ndarray] = {}
    for key, column in columns.items():
        labels[key], unknown_values = _parse_labels(frame[column])
        if unknown_values and vocabulary.is_mapped(column) and np.isnan(labels[key]).all():
            _refuse_text_column(column, key, list(unknown_values))
        for text, rows in unknown_values.items():
            unknown[f"{column}={text}"] = rows
    for column in frame.columns:
        if vocabulary.is_no_finding(column):
            healthy = frame[column].str.lower().isin(POSITIVE).to_numpy()
            for key, values in labels.items():
                labels[key] = np.where(healthy & np.isnan(values), np.float32(0), values)
    _report_unknown_values_of_columns(unknown, films, issues)
    aliases = filter(vocabulary.is_alias, sorted(columns.values()))
    uses = dict.fromkeys(aliases, films.nunique())
    _report_aliases(uses, "films", issues, vocabulary)
    return labels


def labels_from_names(
    cells: pd.Series,
    films: pd.Series,
    issues: list[Issue],
    vocabulary: LabelVocabulary,
    findings: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from cells that name findings, separated by "|", ";" or ",".

    An empty cell is unknown. A cell with an unknown name says 1 of the findings it names and nothing of the others. A
    name that is ignored says nothing, and the others of its cell are all that was found.
    findings: what those who labelled looked for; unless given, what is named at least once.
    """
    names = _parse_distinct(cells, split_names)
    keys: dict[str, set[str]] = {}
    unknown: dict[str, set[str]] = {}
    for text, cell_names in names.items():
        keys[text], unknown[text] = set(), set()
        for name in cell_names:
            key = vocabulary.find_key(name)
            if key:
                keys[text].add(key)
            elif not vocabulary.is_known(name):
                unknown[text].add(name)
    unknown_names = sorted(set().union(*unknown.values()))
    unknown_rows = {name: _rows_with(name, cells, unknown) for name in unknown_names}
    _report_unknown_labels(unknown_rows, films, issues, vocabulary)
    aliases = filter(vocabulary.is_alias, sorted(set().union(*names.values())))
    uses = {name: films[_rows_with(name, cells, names)].nunique() for name in aliases}
    _report_aliases(uses, "films", issues, vocabulary)

    codes, texts = pd.factorize(cells)
    otherwise = [np.nan if unknown[text] or not names[text] else 0.0 for text in texts]
    looked_for = () if findings is None else findings
    labels = {}
    for key in order_findings([*looked_for, *sorted(set().union(*keys.values()))]):
        values = np.where([key in keys[text] for text in texts], 1.0, otherwise)
        labels[key] = values.astype(np.float32)[codes]
    return labels


def labels_from_name_and_value(
    names: pd.Series,
    values: pd.Series,
    films: pd.Series,
    issues: list[Issue],
    vocabulary: LabelVocabulary,
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from rows that name one finding and say whether it is there.

    A row that says "No Finding" is there says 0 of every finding; a row says nothing of findings that it does not name.
    """
    value = _map_cells(values, _parse_distinct(values, _parse_label)).to_numpy(np.float32)
    keys = _parse_distinct(names, vocabulary.find_key)
    healthy = names.map(vocabulary.is_no_finding).to_numpy(bool)
    unknown_rows = {}
    for name, rows in _rows_without_value(names, keys).items():
        affected = rows & ~healthy & (value == 1)
        if affected.any() and not vocabulary.is_ignored(name):
            unknown_rows[name] = affected
    _report_unknown_labels(unknown_rows, films, issues, vocabulary)
    labels = {}
    for key in order_findings(filter(None, keys.values())):
        is_named = (names.map(keys) == key).to_numpy(bool)
        stated = np.where(healthy & (value == 1), np.float32(0), np.float32(np.nan))
        labels[key] = np.where(is_named, value, stated)
    return labels


def is_yes_or_no(cells: pd.Series) -> bool:
    """Whether every cell is a label or says nothing, and at least one is 1 or 0."""
    labels = _parse_distinct(cells, _parse_label).values()
    return None not in labels and any(label in (0.0, 1.0) for label in labels)


def parse_findings(
    cells: pd.Series, films: pd.Series, issues: list[Issue], vocabulary: LabelVocabulary
) -> pd.Series:
    """The finding that each cell names, by key; missing for an unknown name."""
    keys = _parse_distinct(cells, vocabulary.find_key)
    unknown = {text: key for text, key in keys.items() if not vocabulary.is_known(text)}
    _report_unknown_labels(_rows_without_value(cells, unknown), films, issues, vocabulary)
    uses = {text: int((cells == text).sum()) for text in filter(vocabulary.is_alias, keys)}
    _report_aliases(uses, "labels", issues, vocabulary)
    return cells.map(keys)


def find_label_columns(frame: pd.DataFrame, vocabulary: LabelVocabulary) -> dict[str, str]:
    """The columns that are named after findings or mapped to them, by finding.

    Raises DataError when two mean the same one.
    """
    columns: dict[str, str] = {}
    for column in frame.columns:
        key = vocabulary.find_key(column)
        if key in columns:
            raise DataError(
                f"the columns {printable(columns[key])} and {printable(column)} both mean {finding_name(key)}; keep "
                "one of them: map the other to ignore, or remove it from the table"
            )
        if key is not None:
            columns[key] = column
    return columns


def report_unknown_label(
    counts: Mapping[str, int], films: Sequence[str], vocabulary: LabelVocabulary
) -> Issue:
    """Labels that are no known finding. counts: films by label.  films: their `image`, each once."""
    vocabulary.unknown.update(counts)
    message = f"Unknown labels in {format_count(len(films), 'films')}: {_name_labels(counts)}."
    return film_issue("unknown_label", message, films, excludable=True)


def _name_labels(counts: Mapping[str, int]) -> str:
    labels = [f"{label!r} ({count:,})" for label, count in list(counts.items())[:EXAMPLES]]
    more = f" and {len(counts) - EXAMPLES} others" if len(counts) > EXAMPLES else ""
    return f"{', '.join(labels)}{more}"


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


def is_label(text: str, *, positive: bool = False) -> bool:
    """Whether a cell says yes or no. positive: whether it says yes."""
    return text.lower() in (POSITIVE if positive else POSITIVE | NEGATIVE)


def says_nothing(text: str) -> bool:
    """Whether a cell of a column of labels leaves it open: it is empty, -1 or the like."""
    return text.lower() in UNCERTAIN or is_unstated(text)


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


def _report_unknown_labels(
    rows: Mapping[str, np.ndarray],
    films: pd.Series,
    issues: list[Issue],
    vocabulary: LabelVocabulary,
) -> None:
    """rows: which films have each unknown label."""
    if rows:
        affected = np.logical_or.reduce(list(rows.values()))
        counts = {label: films[where].nunique() for label, where in rows.items()}
        images = list(films[affected].drop_duplicates())
        issues.append(report_unknown_label(counts, images, vocabulary))


def _report_unknown_values_of_columns(
    rows: Mapping[str, np.ndarray], films: pd.Series, issues: list[Issue]
) -> None:
    """rows: which films have each unknown value, as "column=value"."""
    if rows:
        affected = np.logical_or.reduce(list(rows.values()))
        counts = {label: films[where].nunique() for label, where in rows.items()}
        images = films[affected].drop_duplicates()
        message = (
            f"Values that are no labels in {format_count(len(images), 'films')}: {_name_labels(counts)}. A label is "
            f"{LABEL_VALUES}."
        )
        issues.append(film_issue("unknown_label", message, images, excludable=True))


def _refuse_text_column(column: str, key: str, texts: Sequence[str]) -> NoReturn:
    shown = ", ".join(repr(f"{text:.40}") for text in texts[:NAMED_VALUES])
    raise DataError(
        f"the column {printable(column)} is mapped to {finding_name(key)}, but holds text: {shown}. A label is "
        f"{LABEL_VALUES}. Map another column, or map this one to ignore"
    )


def _report_aliases(
    uses: Mapping[str, int], unit: str, issues: list[Issue], vocabulary: LabelVocabulary
) -> None:
    """uses: how many films or boxes are labelled with each alias."""
    readings = []
    for name, count in uses.items():
        key = vocabulary.find_key(name)
        if key:
            readings.append(f"{name} as {finding_name(key)} ({format_count(count, unit)})")
    if readings:
        issues.append(
            Issue(
                code="label_alias",
                message=f"Read {', '.join(readings)}.",
                count=sum(uses.values()),
                examples=tuple(uses),
            )
        )
