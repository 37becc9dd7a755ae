"""Selects films of a dataset by their properties: for the filter of the Data page, and for the films behind a bar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import canonical_patient
from cxr_core.data.manifest import NO_SPLIT, Manifest
from cxr_core.data.summary import UNKNOWN
from cxr_core.presentation.wording import finding_name

Label = Literal["positive", "negative", "unknown"]
LABELS: tuple[Label, ...] = ("positive", "negative", "unknown")
LABEL_CODES = {"positive": 1, "negative": 0, "unknown": -1}
# A selection names one level of each of these columns.
LEVEL_COLUMNS = ("split", "view", "sex", "source", "status")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which films. None does not restrict; "unknown" and "undivided" select a missing value.

    also: a second finding that must be positive.  age_min, age_max: whole years, both included; an unknown age is
    left out once one is given.  films_min, films_max: films that the patient has.  issue: its position in the list.
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
        """Whether it restricts anything."""
        restricting = [field for field in fields(self) if field.name != "label"]
        return any(getattr(self, field.name) != field.default for field in restricting)

    def describe(self, issues: Sequence[Issue] = ()) -> tuple[str, ...]:
        """What is selected, a phrase for each restriction. issues: the list that `issue` refers to."""
        return tuple(self._phrases(issues))

    def _phrases(self, issues: Sequence[Issue]) -> Iterator[str]:
        if self.finding:
            yield f"{finding_name(self.finding).lower()} {self.label}"
        if self.also:
            yield f"{finding_name(self.also).lower()} positive"
        for column in ("split", "view", "sex"):
            level = getattr(self, column)
            if level:
                yield f"{column} {level}"
        if self.age_unknown:
            yield "age unknown"
        else:
            yield from _describe_range(self.age_min, self.age_max, "years")
        yield from _describe_range(self.films_min, self.films_max, "films of the patient")
        if self.source:
            yield f"from {self.source}"
        if self.status:
            yield f"status {self.status}"
        if self.patient:
            yield f"patient {self.patient}"
        if self.issue is not None and self.issue < len(issues):
            yield f"with the issue: {issues[self.issue].title}"


class FilmIndex:
    """A manifest's columns as small codes, so that a selection of 112,120 films takes milliseconds. Read-only."""

    def __init__(self, manifest: Manifest, issues: Sequence[Issue] = ()):
        table = manifest.table
        self.findings = manifest.findings
        labels = manifest.label_matrix(manifest.findings)
        self.labels = np.where(np.isnan(labels), -1, labels).astype(np.int8)  # (N, L)
        self.age = table["age"].to_numpy(np.float32)
        self.levels: dict[str, tuple[str, ...]] = {}
        self._codes: dict[str, np.ndarray] = {}
        for column in LEVEL_COLUMNS:
            missing = NO_SPLIT if column == "split" else UNKNOWN
            codes, levels = pd.factorize(table[column].fillna(missing), sort=True)
            self._codes[column] = codes.astype(np.int32)
            self.levels[column] = tuple(map(str, levels))
        self.patients, names = pd.factorize(table["patient"])
        self._patient_code = {str(name): code for code, name in enumerate(names)}
        self._spelled_code = {
            canonical_patient(name).casefold(): code for name, code in self._patient_code.items()
        }
        self.films_of_patient = np.bincount(self.patients)[self.patients]  # (N,)
        self.concerned = _find_concerned_rows(table["image"], issues)

    def find_rows(self, selection: Selection) -> np.ndarray:
        """(n,) rows of the table whose films fit, in its order."""
        fits = self._has_findings(selection) & self._has_levels(selection)
        fits &= self._has_age(selection)
        if selection.films_min is not None or selection.films_max is not None:
            fits &= self.films_of_patient >= (selection.films_min or 0)
            fits &= self.films_of_patient <= (selection.films_max or np.inf)
        if selection.patient is not None:
            fits &= self.patients == self._find_patient(selection.patient)
        rows = np.flatnonzero(fits)
        if selection.issue is None:
            return rows
        if selection.issue >= len(self.concerned):
            return rows[:0]
        return np.intersect1d(rows, self.concerned[selection.issue])

    def _find_patient(self, patient: str) -> int:
        """The code of a patient, in whatever spelling; -1 for none."""
        spelled = self._spelled_code.get(canonical_patient(patient).casefold(), -1)
        return self._patient_code.get(patient, spelled)

    def count_patients(self, rows: np.ndarray) -> int:
        """How many patients these films show."""
        return int(np.count_nonzero(np.bincount(self.patients[rows])))

    def _has_findings(self, selection: Selection) -> np.ndarray:
        fits = np.ones(len(self.age), dtype=bool)
        for finding, label in ((selection.finding, selection.label), (selection.also, "positive")):
            if finding is None:
                continue
            if finding not in self.findings:
                return np.zeros(len(self.age), dtype=bool)
            fits &= self.labels[:, self.findings.index(finding)] == LABEL_CODES[label]
        return fits

    def _has_levels(self, selection: Selection) -> np.ndarray:
        fits = np.ones(len(self.age), dtype=bool)
        for column in LEVEL_COLUMNS:
            level = getattr(selection, column)
            if level is not None:
                levels = self.levels[column]
                code = levels.index(level) if level in levels else -1
                fits &= self._codes[column] == code
        return fits

    def _has_age(self, selection: Selection) -> np.ndarray:
        if selection.age_unknown:
            return np.isnan(self.age)
        if selection.age_min is None and selection.age_max is None:
            return np.ones(len(self.age), dtype=bool)
        end = np.inf if selection.age_max is None else selection.age_max + 1
        return (self.age >= (selection.age_min or 0)) & (self.age < end)


def _find_concerned_rows(image: pd.Series, issues: Sequence[Issue]) -> tuple[np.ndarray, ...]:
    """For each issue the rows of its films, in the table's order."""
    if not any(issue.images for issue in issues):
        return tuple(np.empty(0, dtype=np.int64) for _ in issues)
    index = pd.Index(image)
    concerned = []
    for issue in issues:
        rows = index.get_indexer(pd.Index(list(issue.images), dtype=index.dtype))
        concerned.append(np.unique(rows[rows >= 0]))
    return tuple(concerned)


def _describe_range(low: int | None, high: int | None, unit: str) -> list[str]:
    if low is None and high is None:
        return []
    if low == high:
        return [f"{low} {unit}"]
    if high is None:
        return [f"{low} or more {unit}"]
    return [f"{low or 0} to {high} {unit}"]
