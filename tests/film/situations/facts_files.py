"""Builds the films of the chapter on facts: a sound DX film, with other tags."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydicom import Dataset, Sequence
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
)

from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom

# A film of 43 by 37 cm, as a detector with 256 by 224 pixels would write it.
SOUND: dict[str, Any] = {
    "SOPClassUID": DigitalXRayImageStorageForPresentation,
    "Modality": "DX",
    "PresentationIntentType": "FOR PRESENTATION",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PatientOrientation": ["L", "F"],
    "PatientAge": "058Y",
    "ImagerPixelSpacing": [1.68, 1.68],
    "BitsStored": 12,
}


def write_film(samples: np.ndarray | None = None, **tags: Any) -> bytes:
    """The sound film with other tags; None leaves one out. samples: unless given, the drawn chest."""
    values = base_values() if samples is None else samples
    stated = {**SOUND, **tags}
    # The writer deletes what it sets itself.
    kept = {key: value for key, value in stated.items() if value is not None or key == "Modality"}
    return write_dicom(values, **kept)


def read_as_sound(name: str, answer: str, *flags: str, **tags: Any) -> Situation:
    """The sound film with other tags, which is read to the same pixels."""
    return Situation(
        name=name,
        build=lambda: write_film(**tags),
        answer=answer,
        expected=base_pixels,
        flags=frozenset(flags),
    )


def refuse(name: str, answer: str, because: str, **tags: Any) -> Situation:
    """The sound film with other tags, which is not read."""
    return Situation(name=name, build=lambda: write_film(**tags), answer=answer, refused=because)


def show(
    name: str,
    answer: str,
    build: Callable[[], bytes],
    expected: Callable[[], np.ndarray],
    *flags: str,
) -> Situation:
    """A film whose file says how to show it."""
    return Situation(
        name=name, build=build, answer=answer, expected=expected, flags=frozenset(flags)
    )


def make_dataset(**tags: Any) -> Dataset:
    """A data set with these elements."""
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str) -> Sequence:
    """A sequence with one coded concept."""
    return Sequence(
        [make_dataset(CodeValue=value, CodeMeaning=meaning, CodingSchemeDesignator="SCT")]
    )


def group(**macros: Dataset) -> Sequence:
    """Functional groups of one frame, each macro with one item."""
    return Sequence([make_dataset(**{name: Sequence([item]) for name, item in macros.items()})])
