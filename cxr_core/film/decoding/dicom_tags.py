"""Reads the few facts about a DICOM film that a reading needs; each is None when the file does not state it.

Only terms of film/vocabulary.py, codes of dicom_header/codes.py and plain numbers pass, so a name typed into the wrong
field does not.
"""

from dataclasses import dataclass
from typing import cast

from pydicom import Dataset

from cxr_core.film.decoding.dicom_header import (
    age,
    display,
    functional_groups,
    spacing,
    statements,
)
from cxr_core.film.decoding.dicom_header.display import Turn
from cxr_core.film.decoding.dicom_header.values import read_text
from cxr_core.film.radiograph import Sex, SpacingSource, View
from cxr_core.film.spacing import is_plausible_film
from cxr_core.film.vocabulary import parse_sex

TAGS = (
    "PatientSex", *age.TAGS, *statements.TAGS, *display.TAGS, *spacing.TAGS, *functional_groups.GROUP_SEQUENCES,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DicomFacts:
    """The facts of a Radiograph that come from DICOM tags."""

    spacing_mm: tuple[float, float] | None
    spacing_source: SpacingSource | None
    view: View | None
    age_years: float | None
    conflicting_age_years: float | None
    sex: Sex | None
    modality: str | None
    body_part: str | None


def read_dicom_facts(
    dataset: Dataset, turn: Turn | None = None
) -> tuple[DicomFacts, tuple[str, ...]]:
    """The facts that a data set states, for a film as it lies after `turn`; and irregularities."""
    orientation = display.read_orientation(dataset)
    modality = statements.decide_modality(dataset)
    view = statements.decide_view(dataset, orientation)
    part = statements.decide_body_part(dataset)
    patient_age = age.decide_age(dataset)
    found = [
        *modality.irregularities,
        *view.irregularities,
        *part.irregularities,
        *patient_age.irregularities,
    ]
    if statements.is_unprocessed(dataset):
        found.append("unprocessed")
    if turn is not None:
        found.append("set_upright")
    distance = spacing.read_spacing(dataset)
    size = (int(dataset.Rows), int(dataset.Columns))
    if distance is not None and turn is not None and turn.exchange:
        distance, size = distance.exchanged(), size[::-1]
    if distance is not None and not is_plausible_film(size, distance.mm, None):
        found.append("implausible_spacing")
        distance = None
    stated = DicomFacts(
        spacing_mm=None if distance is None else distance.mm,
        spacing_source=None if distance is None else distance.source,
        view=cast(View | None, view.value),
        age_years=patient_age.years,
        conflicting_age_years=patient_age.conflicting_years,
        sex=parse_sex(read_text(dataset, "PatientSex")),
        modality=modality.value,
        body_part=part.value,
    )
    return stated, tuple(dict.fromkeys(found))
