"""Films picked from a dataset by what is known of them: the filter of the Data page, and what lies behind a bar."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.data.summary import UNDIVIDED, UNKNOWN
from cxr_core.findings import FINDINGS

Label = Literal["positive", "negative", "unknown"]
LABELS: tuple[Label, ...] = ("positive", "negative", "unknown")
CODES = {"positive": 1, "negative": 0, "unknown": -1}
ASKED = ("split", "view", "sex", "source", "status")  # columns whose levels a selection names


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which films. None asks nothing; "unknown" and "undivided" ask for a missing value.

    also: a second finding that must be positive.  age_min, age_max: whole years, both included; an unknown age is
    left out once one is given.  films_min, films_max: films that the patient has.  issue: its place in the list.
    """

    finding: str | None = None
    label: Label = "positive"
    also: str | None = None
    split: str | None = None
    view: str | None = None
    sex: str | None = None
    source: str | None = None
    status: str | None = None
    age_min: int | None = None
    age_max: int | None = None
    age_unknown: bool = False
    films_min: int | None = None
    films_max: int | None = None
    patient: str | None = None
    issue: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return any(
            getattr(self, each.name) != each.default
            for each in fields(self)
            if each.name != "label"
        )

    def words(self, issues: Sequence[Issue] = ()) -> tuple[str, ...]:
        """What is asked, a phrase for each thing."""
        asked = [f"{_name(self.finding)} {self.label}"] if self.finding else []
        asked += [f"{_name(self.also)} positive"] if self.also else []
        asked += [f"part {self.split}"] if self.split else []
        asked += [f"view {self.view}"] if self.view else []
        asked += [f"sex {self.sex}"] if self.sex else []
        asked += (
            ["age unknown"] if self.age_unknown else _range(self.age_min, self.age_max, "years")
        )
        asked += _range(self.films_min, self.films_max, "films of the patient")
        asked += [f"from {self.source}"] if self.source else []
        asked += [f"status {self.status}"] if self.status else []
        asked += [f"patient {self.patient}"] if self.patient else []
        if self.issue is not None and self.issue < len(issues):
            asked.append(f"concerned by: {issues[self.issue].title}")
        return tuple(asked)


class FilmIndex:
    """A manifest's columns as small codes, so that a selection of 112,120 films takes milliseconds. Read-only."""

    def __init__(self, manifest: Manifest, issues: Sequence[Issue] = ()):
        table = manifest.table
        self.findings = manifest.findings
        labels = manifest.labels(manifest.findings)
        self.labels = np.where(np.isnan(labels), -1, labels).astype(np.int8)  # (N, L)
        self.age = table["age"].to_numpy(np.float32)
        self.levels: dict[str, tuple[str, ...]] = {}
        self._codes: dict[str, np.ndarray] = {}
        for column in ASKED:
            missing = UNDIVIDED if column == "split" else UNKNOWN
            codes, levels = pd.factorize(table[column].fillna(missing), sort=True)
            self._codes[column], self.levels[column] = (
                codes.astype(np.int32),
                tuple(map(str, levels)),
            )
        self.patients, names = pd.factorize(table["patient"])
        self._patient_code = {str(name): code for code, name in enumerate(names)}
        self.films_of_patient = np.bincount(self.patients)[self.patients]  # (N,)
        self.concerned = _rows_of(table["image"], issues)

    def rows(self, selection: Selection) -> np.ndarray:
        """(n,) places in the table of the films that fit, in its order."""
        fits = np.ones(len(self.age), dtype=bool)
        for finding, label in ((selection.finding, selection.label), (selection.also, "positive")):
            if finding is not None:
                fits &= self._has(finding, label)
        for column in ASKED:
            asked = getattr(selection, column)
            if asked is not None:
                fits &= self._is(column, asked)
        fits &= self._of_age(selection)
        if selection.films_min is not None or selection.films_max is not None:
            fits &= self.films_of_patient >= (selection.films_min or 0)
            fits &= self.films_of_patient <= (selection.films_max or np.inf)
        if selection.patient is not None:
            fits &= self.patients == self._patient_code.get(selection.patient, -1)
        rows = np.flatnonzero(fits)
        if selection.issue is None:
            return rows
        known = selection.issue < len(self.concerned)
        return np.intersect1d(rows, self.concerned[selection.issue]) if known else rows[:0]

    def patients_among(self, rows: np.ndarray) -> int:
        """How many patients these films show."""
        return int(np.count_nonzero(np.bincount(self.patients[rows])))

    def _has(self, finding: str, label: str) -> np.ndarray:
        if finding not in self.findings:
            return np.zeros(len(self.age), dtype=bool)
        found: np.ndarray = self.labels[:, self.findings.index(finding)] == CODES[label]
        return found

    def _is(self, column: str, level: str) -> np.ndarray:
        levels = self.levels[column]
        found: np.ndarray = self._codes[column] == (levels.index(level) if level in levels else -1)
        return found

    def _of_age(self, selection: Selection) -> np.ndarray:
        if selection.age_unknown:
            return np.isnan(self.age)
        if selection.age_min is None and selection.age_max is None:
            return np.ones(len(self.age), dtype=bool)
        oldest = np.inf if selection.age_max is None else selection.age_max + 1
        return (self.age >= (selection.age_min or 0)) & (self.age < oldest)


def _rows_of(image: pd.Series, issues: Sequence[Issue]) -> tuple[np.ndarray, ...]:
    """For each issue the places of its films, in the table's order."""
    if not any(issue.images for issue in issues):
        return tuple(np.empty(0, dtype=np.int64) for _ in issues)
    places = pd.Index(image)
    found = (
        places.get_indexer(pd.Index(list(issue.images), dtype=places.dtype)) for issue in issues
    )
    return tuple(np.unique(rows[rows >= 0]) for rows in found)


def _name(finding: str | None) -> str:
    return FINDINGS[finding].name.lower() if finding in FINDINGS else str(finding)


def _range(low: int | None, high: int | None, unit: str) -> list[str]:
    if low is None and high is None:
        return []
    if low == high:
        return [f"{low} {unit}"]
    return [f"{low} or more {unit}" if high is None else f"{low or 0} to {high} {unit}"]
