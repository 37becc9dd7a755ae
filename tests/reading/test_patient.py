"""A patient whose exact age is not known may still be known to be an adult, or a child of 1 to 5."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import Population
from cxr_core.reading.cardiothoracic.ratio import CHILD, measure_ratio
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from tests.hearts import SLENDER, segment_drawing
from tests.pages.fake_reader import ADULTS, CHILDREN, FakeReader, card

SENIORS = card("heart-seniors", "effusion", Population(text="60 and over", age_min=60))


def read(patient: Patient, *cards):
    examination = FakeReader(cards=cards).examine(film_bytes())
    return {f.finding: f for f in interpret(examination, patient).findings}


def film_bytes() -> bytes:
    return cv2.imencode(".png", np.full((64, 64), 120, np.uint8))[1].tobytes()


def test_an_adult_of_unknown_age_is_read_by_the_model_for_adults_alone():
    findings = read(Patient(age_group="adult"), ADULTS, CHILDREN)
    assert findings["cardiomegaly"].probability is not None
    assert not findings["cardiomegaly"].needs_age
    assert findings["pneumonia"].probability is None
    assert "No model for this patient" in (findings["pneumonia"].reason or "")


def test_a_child_of_1_to_5_is_read_by_the_model_for_children_alone():
    findings = read(Patient(age_group="child_1_to_5"), ADULTS, CHILDREN)
    assert findings["cardiomegaly"].probability is None
    assert findings["pneumonia"].probability is not None
    assert not findings["pneumonia"].needs_age


def test_a_model_for_a_part_of_the_age_group_still_needs_the_age():
    findings = read(Patient(age_group="adult"), SENIORS)
    assert findings["effusion"].probability is not None
    assert findings["effusion"].needs_age


def test_every_model_for_an_age_group_needs_the_age_while_nothing_is_known():
    anyone = card("nodule-anyone", "nodule", Population(text="anyone"))
    findings = read(Patient(), ADULTS, CHILDREN, anyone)
    assert {key: f.needs_age for key, f in findings.items()} == {
        "cardiomegaly": True,
        "pneumonia": True,
        "nodule": False,
    }


def test_a_model_for_another_view_fits_no_patient_of_any_age():
    pa_only = card("heart-pa", "cardiomegaly", Population(text="PA", age_min=18, views=("PA",)))
    assert read(Patient(view="AP"), pa_only)["cardiomegaly"].probability is None
    assert read(Patient(view="PA"), pa_only)["cardiomegaly"].probability is not None


def test_an_age_group_that_was_entered_overrides_the_age_of_the_file():
    film = Radiograph(pixels=np.zeros((64, 64), np.float32), age_years=57.0)
    examination = FakeReader().examine(film_bytes())
    reading = interpret(replace(examination, film=film), Patient(age_group="child_1_to_5"))
    assert reading.patient == Patient(age_group="child_1_to_5")
    assert reading.to_json("a.png")["patient"] == {
        "age_years": None,
        "age_group": "child_1_to_5",
        "view": None,
    }


@pytest.mark.parametrize(("group", "is_child"), [("adult", False), ("child_1_to_5", True)])
def test_the_limit_of_the_ratio_holds_for_the_age_group_of_adults(group, is_child):
    film = Radiograph(pixels=np.zeros((SLENDER.height, SLENDER.width), np.float32))
    patient = Patient(age_group=group, view="PA")
    measurement = measure_ratio(segment_drawing(SLENDER), film, patient)
    assert (CHILD in measurement.reasons) == is_child


@pytest.mark.parametrize(
    ("patient", "words"),
    [
        (Patient(age_years=57), "57 years"),
        (Patient(age_years=0.5), "6 months"),
        (Patient(age_group="adult"), "adult"),
        (Patient(age_group="child_1_to_5"), "child of 1 to 5 years"),
        (Patient(), "age unknown"),
    ],
)
def test_an_age_is_described_as_exactly_as_it_is_known(patient, words):
    assert patient.describe_age() == words
