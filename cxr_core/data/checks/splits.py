"""Checks the splits: whether each patient is in only one, and whether each split has both classes of a finding."""

from collections.abc import Iterator

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import SPLITS, Manifest
from cxr_core.presentation.wording import finding_in_sentence, format_count


def find_patients_in_two_splits(films: Manifest) -> Iterator[Issue]:
    """Patients with films in more than one split; those outside the last split that they reach can be excluded."""
    order = films.table["split"].map({split: number for number, split in enumerate(SPLITS)})
    last = order.groupby(films.table["patient"]).transform("max")
    earlier = films.table[order < last]
    if earlier.empty:
        return
    patients = earlier["patient"].unique()
    message = (
        f"{format_count(len(patients), 'patients')} with films in more than one split. "
        f"Excluding those in the earlier split leaves out {format_count(len(earlier), 'films')}."
    )
    yield Issue(
        code="patient_in_two_parts",
        message=message,
        count=len(patients),
        examples=tuple(_describe_patient(films.table, patient) for patient in patients[:EXAMPLES]),
        images=tuple(earlier["image"]),
    )


def find_missing_classes(films: Manifest) -> Iterator[Issue]:
    """Findings for which no usable film of a split is positive, or none is negative."""
    yield from _find_missing_class(films, "no_positives", 1, "positive")
    yield from _find_missing_class(films, "no_negatives", 0, "negative")


def _find_missing_class(films: Manifest, code: str, label: int, word: str) -> Iterator[Issue]:
    split = films.table["split"].fillna("all films")
    has_class = (films.table[list(films.findings)] == label).groupby(split, sort=False).any()
    lines = []
    findings: set[str] = set()
    for name in has_class.index:
        missing = [key for key in has_class if not has_class.at[name, key]]
        if missing:
            lines.append(f"{name}: {_list_findings(missing)}")
            findings.update(missing)
    if lines:
        sentence = "; ".join(lines)
        yield Issue(
            code=code,
            message=f"No film is {word} for these. {sentence[:1].upper()}{sentence[1:]}.",
            count=len(findings),
            examples=tuple(lines),
        )


def _describe_patient(table: pd.DataFrame, patient: str) -> str:
    """Where the films of a patient are: "patient 12: train 3, test 2"."""
    counts = table.loc[table["patient"] == patient, "split"].value_counts()
    numbers = [f"{split} {counts[split]:,}" for split in SPLITS if split in counts]
    return f"patient {patient}: {', '.join(numbers)}"


def _list_findings(keys: list[str]) -> str:
    return ", ".join(finding_in_sentence(key) for key in keys)
