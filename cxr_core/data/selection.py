"""Selects films of a dataset by their properties: for filters, and for charts that filter one another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, assign_age_bands
from cxr_core.data.checks.issue import Issue
from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.identifiers import canonical_patient
from cxr_core.data.manifest import NO_SPLIT, SPLITS, Manifest
from cxr_core.presentation.wording import finding_in_sentence, format_count

UNKNOWN = "unknown"
SEXES = ("F", "M")
VIEWS = ("PA", "AP")
# Upper ends of the longer side's classes, in px; the last class has none.
SIZE_ENDS_PX = (128, 256, 512, 1024, 2048, 4096)

Label = Literal["positive", "negative", "unknown"]
LABELS: tuple[Label, ...] = ("positive", "negative", "unknown")
LABEL_CODES = {"positive": 1, "negative": 0, "unknown": -1}
# A selection names levels of each of these columns; the size is the class of the longer side.
LEVEL_COLUMNS = ("split", "view", "sex", "source", "size", "status")
# What can be restricted, each with the fields of a selection that say how; a chart shows one of them.
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "finding": ("finding", "label", "also"),
    "age": ("age_min", "age_max", "age_unknown"),
    **{column: (column,) for column in LEVEL_COLUMNS},
    "films": ("films_min", "films_max"),
    "patient": ("patient",),
    "issue": ("issue",),
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which films. What has its default does not restrict; "unknown" and "undivided" select a missing value.

    also: a second finding that must be positive.  split, view, sex, source, size, status: levels, one of which the film
    must have.  age_min, age_max: whole years, both included; an unknown age is left out once one is given.
    films_min, films_max: films that the patient has.  issue: the code of one.
    """

    finding: str | None = None
    label: Label = "positive"
    also: str | None = None
    split: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    sex: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    age_min: int | None = None
    age_max: int | None = None
    age_unknown: bool = False
    films_min: int | None = None
    films_max: int | None = None
    patient: str | None = None
    issue: str | None = None

    def __bool__(self) -> bool:
        """Whether it restricts anything."""
        return any(self.restricts(dimension) for dimension in DIMENSIONS)

    def restricts(self, dimension: str) -> bool:
        """Whether it restricts one of DIMENSIONS."""
        names = [name for name in DIMENSIONS[dimension] if name != "label"]
        return any(getattr(self, name) != getattr(EVERY_FILM, name) for name in names)

    def with_dimension(self, dimension: str, other: "Selection") -> "Selection":
        """The same, but for one dimension, which is that of another selection."""
        return self.with_values(**{name: getattr(other, name) for name in DIMENSIONS[dimension]})

    def with_values(self, **values: Any) -> "Selection":
        """The same with other values of some fields, given by name."""
        return replace(self, **values)

    def without(self, dimension: str) -> "Selection":
        """The same without the restriction of one dimension."""
        return self.with_dimension(dimension, EVERY_FILM)

    def includes(self, other: "Selection", dimension: str) -> bool:
        """Whether films of another selection may be among these, by one dimension: whether a bar is a chosen one."""
        if dimension in LEVEL_COLUMNS:
            chosen, others = getattr(self, dimension), getattr(other, dimension)
            return not chosen or bool(set(chosen) & set(others))
        if dimension == "finding":
            return other.finding in (self.finding, self.also) and other.also in (None, self.also)
        if dimension == "age" and (self.age_unknown or other.age_unknown):
            return self.age_unknown == other.age_unknown
        low, high = DIMENSIONS[dimension][:2]
        first, last = _find_ends(self, low, high)
        other_first, other_last = _find_ends(other, low, high)
        return other_first <= last and other_last >= first

    def describe(self) -> dict[str, str]:
        """What is selected: a phrase for each dimension that is restricted."""
        return dict(self._phrases())

    def _phrases(self) -> Iterator[tuple[str, str]]:
        findings = [f"{finding_in_sentence(self.finding)} {self.label}"] if self.finding else []
        if self.also:
            findings.append(f"{finding_in_sentence(self.also)} positive")
        if findings:
            yield "finding", " and ".join(findings)
        if self.age_unknown:
            yield "age", "age unknown"
        else:
            for phrase in _describe_range(self.age_min, self.age_max, "years"):
                yield "age", phrase
        for column in LEVEL_COLUMNS:
            levels = getattr(self, column)
            if levels:
                yield column, f"{column} {' or '.join(levels)}"
        for phrase in _describe_range(self.films_min, self.films_max, "films"):
            yield "films", f"{phrase} of the patient"
        if self.patient:
            yield "patient", f"patient {self.patient}"
        if self.issue in ISSUES:
            yield "issue", f"with the issue: {ISSUES[self.issue].title}"


EVERY_FILM = Selection()


def join_selections(parts: Sequence[Selection], dimension: str) -> Selection:
    """The bars that were selected together in one chart, as one selection.

    Levels: any of them. Ages and films of a patient: from the first to the last. Findings: the first two, together.
    """
    if not parts:
        return EVERY_FILM
    if dimension in LEVEL_COLUMNS:
        levels = dict.fromkeys(level for part in parts for level in getattr(part, dimension))
        return EVERY_FILM.with_values(**{dimension: tuple(levels)})
    if dimension == "finding":
        others = [part.finding for part in parts if part.finding != parts[0].finding]
        return replace(parts[0], also=parts[0].also or next(iter(others), None))
    known = [part for part in parts if not part.age_unknown]
    if not known:
        return parts[0]
    low, high = DIMENSIONS[dimension][:2]
    ends = [getattr(part, high) for part in known]
    return EVERY_FILM.with_values(
        **{
            low: min(getattr(part, low) or 0 for part in known),
            high: None if None in ends else max(ends),
        },
    )


class FilmIndex:
    """A manifest's columns as small codes, so that a selection of 112,120 films takes milliseconds. Read-only.

    labels: (N, L) int8: 1, 0 or -1 for unknown.  levels: the levels of each of LEVEL_COLUMNS.  codes: (N,) each film's
    level.  age_band: (N,) its place among AGE_BANDS, the last for unknown.  patients: (N,) each film's patient.
    """

    def __init__(self, manifest: Manifest, issues: Sequence[Issue] = ()):
        table = manifest.table
        self.findings = manifest.findings
        labels = manifest.label_matrix(manifest.findings)
        self.labels = np.where(np.isnan(labels), -1, labels).astype(np.int8)
        self.age = table["age"].to_numpy(np.float32)
        bands = [band.name for band in AGE_BANDS]
        self.age_band = _encode(assign_age_bands(table["age"]), (*bands, UNKNOWN))
        self.levels: dict[str, tuple[str, ...]] = {}
        self.codes: dict[str, np.ndarray] = {}
        for column, values in _level_columns(table).items():
            found = set(values.unique())
            usual = [level for level in _USUAL_LEVELS.get(column, ()) if level in found]
            self.levels[column] = (*usual, *sorted(found - set(usual)))
            self.codes[column] = _encode(values, self.levels[column])
        self.patients, names = pd.factorize(table["patient"])
        self._patient_code = {str(name): code for code, name in enumerate(names)}
        self._spelled_code = {
            canonical_patient(name).casefold(): code for name, code in self._patient_code.items()
        }
        self.films_of_patient = np.bincount(self.patients)[self.patients]  # (N,)
        self.concerned = _find_concerned_rows(table["image"], issues)

    def __len__(self) -> int:
        return len(self.age)

    def find_rows(self, selection: Selection) -> np.ndarray:
        """(n,) rows of the table whose films fit, in its order."""
        return np.flatnonzero(self.match(selection))

    def match(self, selection: Selection) -> np.ndarray:
        """(N,) bool: the films that fit."""
        fits = np.ones(len(self), dtype=bool)
        for dimension in DIMENSIONS:
            if selection.restricts(dimension):
                fits &= self.match_dimension(selection, dimension)
        return fits

    def match_dimension(self, selection: Selection, dimension: str) -> np.ndarray:
        """(N,) bool: the films that fit by one dimension, which the selection restricts."""
        if dimension in LEVEL_COLUMNS:
            known = self.levels[dimension]
            levels = [known.index(each) for each in getattr(selection, dimension) if each in known]
            return np.isin(self.codes[dimension], levels)
        if dimension == "finding":
            return self._has_findings(selection)
        if dimension == "age":
            return self._has_age(selection)
        if dimension == "films":
            low, high = selection.films_min or 0, selection.films_max or np.inf
            return (self.films_of_patient >= low) & (self.films_of_patient <= high)
        if dimension == "patient":
            return self.patients == self._find_patient(selection.patient or "")
        fits = np.zeros(len(self), dtype=bool)
        fits[self.concerned.get(selection.issue or "", [])] = True
        return fits

    def count_patients(self, rows: np.ndarray) -> int:
        """How many patients these films show."""
        return int(np.count_nonzero(np.bincount(self.patients[rows])))

    def _find_patient(self, patient: str) -> int:
        """The code of a patient, in whatever spelling; -1 for none."""
        spelled = self._spelled_code.get(canonical_patient(patient).casefold(), -1)
        return self._patient_code.get(patient, spelled)

    def _has_findings(self, selection: Selection) -> np.ndarray:
        fits = np.ones(len(self), dtype=bool)
        for finding, label in ((selection.finding, selection.label), (selection.also, "positive")):
            if finding is None:
                continue
            if finding not in self.findings:
                return np.zeros(len(self), dtype=bool)
            fits &= self.labels[:, self.findings.index(finding)] == LABEL_CODES[label]
        return fits

    def _has_age(self, selection: Selection) -> np.ndarray:
        if selection.age_unknown:
            return np.isnan(self.age)
        end = np.inf if selection.age_max is None else selection.age_max + 1
        return (self.age >= (selection.age_min or 0)) & (self.age < end)


def name_size_classes() -> tuple[str, ...]:
    """The names of all classes of the longer side, the smallest first."""
    starts = (0, *SIZE_ENDS_PX)
    names = [f"{start + 1}–{end} px" for start, end in zip(starts, SIZE_ENDS_PX, strict=False)]
    names[0] = f"up to {SIZE_ENDS_PX[0]} px"
    return (*names, f"over {SIZE_ENDS_PX[-1]} px")


_USUAL_LEVELS = {
    "split": (*SPLITS, NO_SPLIT),
    "view": (*VIEWS, UNKNOWN),
    "sex": (*SEXES, UNKNOWN),
    "size": (*name_size_classes(), UNKNOWN),
}


def _level_columns(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns that have levels, without missing values."""
    longer = table[["width", "height"]].max(axis=1)
    ends = [0, *SIZE_ENDS_PX, np.inf]
    columns = {
        column: table[column].fillna(NO_SPLIT if column == "split" else UNKNOWN).astype("str")
        for column in LEVEL_COLUMNS
        if column != "size"
    }
    sizes = pd.cut(longer, ends, labels=list(name_size_classes())).astype("object")
    columns["size"] = sizes.where(longer.notna(), UNKNOWN).astype("str")
    return columns


def _encode(values: pd.Series, levels: Sequence[str]) -> np.ndarray:
    """(N,) int64: the place of each value among the levels, the last for what is missing or none of them."""
    codes = pd.Categorical(values, categories=list(levels)).codes.astype(np.int64)
    codes[codes < 0] = len(levels) - 1
    return codes


def _find_concerned_rows(image: pd.Series, issues: Sequence[Issue]) -> dict[str, np.ndarray]:
    """The rows of each issue's films, in the table's order, by its code."""
    index = pd.Index(image)
    concerned: dict[str, np.ndarray] = {}
    for issue in issues:
        rows = index.get_indexer(pd.Index(list(issue.images), dtype=index.dtype))
        former = concerned.get(issue.code, np.empty(0, np.int64))
        concerned[issue.code] = np.union1d(former, rows[rows >= 0])
    return concerned


def _find_ends(selection: Selection, low: str, high: str) -> tuple[float, float]:
    """The first and the last number of a range that a selection may leave open."""
    last = getattr(selection, high)
    return getattr(selection, low) or 0, np.inf if last is None else last


def _describe_range(low: int | None, high: int | None, nouns: str) -> list[str]:
    if low is None and high is None:
        return []
    if low is not None and low == high:
        return [format_count(low, nouns)]
    if high is None:
        return [f"{low} or more {nouns}"]
    return [f"{low or 0} to {high} {nouns}"]
