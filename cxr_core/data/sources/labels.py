"""Labels from the cells of a table: a column for each finding, or one column that names them.

A label is 1, 0 or NaN. What nobody knows is NaN and blocks; what is read under another name is noted.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.sources.cells import unstated
from cxr_core.data.sources.files import examples_of
from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS, finding_named, is_no_finding

POSITIVE = frozenset({"1", "1.0", "true", "yes"})
NEGATIVE = frozenset({"0", "0.0", "false", "no"})
UNCERTAIN = frozenset({"-1", "-1.0"})  # CheXpert's sign for a report that leaves it open
TOLD = 5


def labels_of_columns(
    frame: pd.DataFrame, films: pd.Series, noticed: list[Issue]
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from the columns that are named after one.

    A 1 under "No Finding" makes the film's unknown labels 0. films: the `image` of each row.
    Raises DataError when two columns name the same finding.
    """
    columns = finding_columns(frame)
    labels, strange = {}, {}
    for key, column in columns.items():
        labels[key], wrong = _numbers(frame[column])
        strange.update({f"{column}={text}": rows for text, rows in wrong.items()})
    for column in (name for name in frame.columns if is_no_finding(name)):
        healthy = frame[column].str.lower().isin(POSITIVE).to_numpy()
        labels = {
            key: np.where(healthy & np.isnan(values), np.float32(0), values)
            for key, values in labels.items()
        }
    _note_strange(strange, films, noticed)
    _note_aliases(
        {name: len(frame) for name in _aliases({"": list(columns.values())})}, "films", noticed
    )
    return labels


def labels_of_names(
    cells: pd.Series, films: pd.Series, noticed: list[Issue], findings: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """(N,) float32 by finding, from cells that name findings, separated by "|", ";" or ",".

    An empty cell is unknown. A cell with a name that nobody knows says 1 of those it names, nothing of the others.
    findings: what the labels' makers looked for; unless given, what is named at least once.
    """
    names = {text: _names_in(text) for text in cells.unique()}
    meant = {text: [finding_named(name) for name in inside] for text, inside in names.items()}
    keys = {text: {found.key for found in inside if found} for text, inside in meant.items()}
    strange = {
        text: {name for name in inside if not _is_known(name)} for text, inside in names.items()
    }
    _note_strange(
        {name: _rows_with(name, cells, strange) for name in sorted(set().union(*strange.values()))},
        films,
        noticed,
    )
    _note_aliases(
        {name: int(_rows_with(name, cells, names).sum()) for name in _aliases(names)},
        "films",
        noticed,
    )

    codes, texts = pd.factorize(cells)
    otherwise = [np.nan if strange[text] or not names[text] else 0.0 for text in texts]
    looked_for = set().union(*keys.values()) if findings is None else findings
    return {
        key: np.where([key in keys[text] for text in texts], 1.0, otherwise).astype(np.float32)[
            codes
        ]
        for key in FINDINGS
        if key in looked_for
    }


def finding_keys(cells: pd.Series, films: pd.Series, noticed: list[Issue]) -> pd.Series:
    """The finding that each cell names, by key; missing when nobody knows it."""
    known = {text: finding_named(text) for text in cells.unique()}
    _note_strange(
        {text: (cells == text).to_numpy() for text, found in known.items() if not found},
        films,
        noticed,
    )
    _note_aliases(
        {text: int((cells == text).sum()) for text in _aliases({text: [text] for text in known})},
        "labels",
        noticed,
    )
    return cells.map({text: found.key if found else None for text, found in known.items()})


def finding_columns(frame: pd.DataFrame) -> dict[str, str]:
    """The columns that are named after findings, by finding. Raises DataError when two name the same one."""
    columns: dict[str, str] = {}
    for column in frame.columns:
        found = finding_named(column)
        if found and found.key in columns:
            raise DataError(
                f"the columns {columns[found.key]} and {column} both mean {found.name}; remove one"
            )
        if found:
            columns[found.key] = column
    return columns


def unknown_label(counts: dict[str, int], films: Sequence[str]) -> Issue:
    """Labels that nobody knows. counts: films by label.  films: their `image`, each once."""
    told = ", ".join(f"{label!r} ({count:,})" for label, count in list(counts.items())[:TOLD])
    more = f" and {len(counts) - TOLD} others" if len(counts) > TOLD else ""
    return Issue(
        code="unknown_label",
        message=f"Labels that nobody knows in {counted(len(films), 'films')}: {told}{more}.",
        count=len(films),
        examples=examples_of(films[:TOLD]),
        images=tuple(films),
    )


def _numbers(cells: pd.Series) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels from cells that say yes or no, and the rows of each text that says neither."""
    known = {text: _number(text) for text in cells.unique()}
    strange = {text: (cells == text).to_numpy() for text, value in known.items() if value is None}
    values = cells.map({text: np.nan if value is None else value for text, value in known.items()})
    return values.to_numpy(np.float32), strange


def _number(text: str) -> float | None:
    word = text.lower()
    if word in POSITIVE | NEGATIVE:
        return float(word in POSITIVE)
    return float("nan") if word in UNCERTAIN or unstated(word) else None


def _names_in(text: str) -> list[str]:
    """`Effusion|Mass` and `['Effusion', 'Mass']` -> Effusion, Mass."""
    names = (name.strip(" '\"") for name in re.split(r"[|;,]", text.strip("[] ")))
    return [name for name in names if not unstated(name)]


def _is_known(name: str) -> bool:
    return is_no_finding(name) or finding_named(name) is not None


def _rows_with(name: str, cells: pd.Series, names: Mapping[str, Collection[str]]) -> np.ndarray:
    return cells.isin([text for text, inside in names.items() if name in inside]).to_numpy()


def _aliases(names: Mapping[str, Collection[str]]) -> list[str]:
    """The names that mean a finding without being its own name."""
    every = {name for inside in names.values() for name in inside}
    meant = {name: found for name in sorted(every) if (found := finding_named(name))}
    return [
        name for name, found in meant.items() if name.lower() not in {found.key, found.name.lower()}
    ]


def _note_strange(rows: Mapping[str, np.ndarray], films: pd.Series, noticed: list[Issue]) -> None:
    """rows: which films have each label that nobody knows."""
    if rows:
        anywhere = np.logical_or.reduce(list(rows.values()))
        counts = {label: int(where.sum()) for label, where in rows.items()}
        noticed.append(unknown_label(counts, list(films[anywhere].drop_duplicates())))


def _note_aliases(uses: Mapping[str, int], unit: str, noticed: list[Issue]) -> None:
    """uses: how many films or boxes are labelled with each alias."""
    if uses:
        names = [(name, finding_named(name), count) for name, count in uses.items()]
        told = ", ".join(
            f"{name} as {found.name} ({counted(count, unit)})"
            for name, found, count in names
            if found
        )
        noticed.append(
            Issue(
                code="label_alias",
                message=f"Read {told}.",
                count=sum(uses.values()),
                examples=tuple(uses),
            )
        )
