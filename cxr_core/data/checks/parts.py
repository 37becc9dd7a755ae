"""Checks of the parts that data is divided into: is each patient in one of them, has each of them both classes?"""

from collections.abc import Iterator

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue, counted
from cxr_core.data.manifest import PARTS, Manifest
from cxr_core.findings import FINDINGS


def patients_in_two_parts(films: Manifest) -> Iterator[Issue]:
    """Patients with films in more than one part; those outside the last part that they reach can be excluded."""
    order = films.table["split"].map({part: place for place, part in enumerate(PARTS)})
    of_patient = order.groupby(films.table["patient"])
    last = of_patient.transform("max")
    earlier = films.table[order < last]
    if earlier.empty:
        return
    patients = earlier["patient"].unique()
    message = (
        f"{counted(len(patients), 'patients')} with films in more than one part. Excluding those in the earlier part "
        f"leaves out {counted(len(earlier), 'films')}."
    )
    yield Issue(
        code="patient_in_two_parts",
        message=message,
        count=len(patients),
        examples=tuple(_where(films.table, patient) for patient in patients[:EXAMPLES]),
        images=tuple(earlier["image"]),
    )


def without_one_class(films: Manifest) -> Iterator[Issue]:
    """Findings that no usable film of a part has, or that every labelled one has."""
    split = films.table["split"].fillna("the whole")
    labels = films.table[list(films.findings)]
    for code, value, word in (("no_positives", 1, "positive"), ("no_negatives", 0, "negative")):
        there = (labels == value).groupby(split, sort=False).any()
        lacking = {part: [key for key in there if not there.at[part, key]] for part in there.index}
        lines = tuple(f"{part}: {_named(keys)}" for part, keys in lacking.items() if keys)
        if lines:
            yield Issue(
                code=code,
                message=f"No film is {word} for these. {_capital('; '.join(lines))}.",
                count=len({key for keys in lacking.values() for key in keys}),
                examples=lines,
            )


def _where(table: pd.DataFrame, patient: str) -> str:
    """Where the films of a patient lie: train 3, test 2."""
    counts = table.loc[table["patient"] == patient, "split"].value_counts()
    return f"patient {patient}: " + ", ".join(
        f"{part} {counts[part]:,}" for part in PARTS if part in counts
    )


def _named(keys: list[str]) -> str:
    return ", ".join(FINDINGS[key].name.lower() for key in keys)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
