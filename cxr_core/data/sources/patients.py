"""Decides whom each film shows: by a table's column, else by the film's path, else by its study."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.sources.files import film_issue
from cxr_core.data.sources.film_paths import PathPatient, find_patient, find_study
from cxr_core.data.sources.labels import is_unstated
from cxr_core.presentation.wording import format_count


@dataclass(frozen=True, eq=False)
class Patients:
    """patient: (N,) whom each film shows.  placeholders: patients that stand for one film each.  issues: how known."""

    patient: pd.Series
    placeholders: frozenset[str]
    issues: tuple[Issue, ...]


def assign_patients(
    cells: pd.Series, studies: pd.Series, paths: pd.Series, split: pd.Series
) -> Patients:
    """The patient of each film.

    cells, studies: (N,) what tables say.  paths: (N,) below the folder given.  split: (N,) a number that a collection
    counts from 1 in each split counts within it. A film of which nothing is known is a patient of its own, named by its
    path.
    """
    is_known = ~cells.map({text: is_unstated(text) for text in cells.unique()}).astype(bool)
    patient = cells.copy()
    by_path: dict[int, PathPatient] = {}
    by_study: list[int] = []
    placeholders: list[str] = []
    for row in cells.index[~is_known]:
        path = paths[row]
        found = find_patient(path)
        study = None if is_unstated(studies[row]) else studies[row]
        study = study or find_study(path)
        if found is not None:
            by_path[row] = found
            patient[row] = _scope_number(found, split[row])
        elif study is not None:
            by_study.append(row)
            patient[row] = f"study {study}"
        else:
            placeholders.append(path)
            patient[row] = path
    issues = _report_paths(by_path, paths, split)
    if by_study:
        films = format_count(len(by_study), "films")
        message = f"No patient is given for {films}; those of one study count as one patient."
        issues.append(film_issue("patients_from_studies", message, paths[by_study]))
    if placeholders:
        films = format_count(len(placeholders), "films")
        message = f"No patient is given for {films}; each counts as a patient of its own."
        issues.append(film_issue("patient_unknown", message, placeholders))
    return Patients(patient, frozenset(placeholders), tuple(issues))


def report_shared_numbers(numbers: Sequence[str], places: str = "splits") -> list[Issue]:
    """Numbers that occur in several places: nothing says whether they are the same patients."""
    if not numbers:
        return []
    count = format_count(len(numbers), "patients")
    message = f"The same number in two {places}, for {count}; they count as different patients."
    return [
        Issue(code="patients_scoped", message=message, count=len(numbers), examples=tuple(numbers))
    ]


def _scope_number(found: PathPatient, split: object) -> str:
    if found.is_unique or not isinstance(split, str):
        return found.number
    return f"{split}/{found.number}"


def _report_paths(
    by_path: dict[int, PathPatient], paths: pd.Series, split: pd.Series
) -> list[Issue]:
    if not by_path:
        return []
    films = format_count(len(by_path), "films")
    first = next(iter(by_path.values())).number
    message = f"The paths of {films} name the patient, such as {first}."
    examples = paths[list(by_path)[:EXAMPLES]]
    issue = Issue(
        code="patients_from_paths", message=message, count=len(by_path), examples=tuple(examples)
    )
    splits_by_number: dict[str, set[object]] = {}
    for row, found in by_path.items():
        if not found.is_unique and isinstance(split[row], str):
            splits_by_number.setdefault(found.number, set()).add(split[row])
    shared = [number for number, splits in splits_by_number.items() if len(splits) > 1]
    return [issue, *report_shared_numbers(sorted(shared))]
