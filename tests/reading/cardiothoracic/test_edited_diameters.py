"""Diameters set by hand: the new ratio, the reasons that persist, and the automatic ratio beside it."""

import dataclasses

import pytest

from cxr_core.film.phantom.phantom import draw_phantom
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.ratio import (
    VIEW_AP,
    Measurement,
    describe_diameters,
    describe_ratio,
    edit_diameters,
    measure_ratio,
    suggest_diameters,
)
from cxr_core.reading.interpret import replace_diameters
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading
from tests.hearts import SLENDER, segment_drawing

SHAPE = (420, 400)
HEART, THORAX = ((100.0, 260.0), (240.0, 280.0)), ((60.0, 300.0), (340.0, 310.0))
# Little beyond their limits: well beyond them no ratio is given.
TURNED = QualityFlag("turned", "The film lies on its side.", withholds_call=True, severity=0.05)
UNLIKE = QualityFlag("inverted", "Unlike the others.", severity=0.05)


def automatic(found: bool = True, spacing_mm: tuple[float, float] | None = None) -> Measurement:
    film = dataclasses.replace(
        draw_phantom(SLENDER), spacing_mm=spacing_mm, spacing_source="detector"
    )
    return measure_ratio(
        segment_drawing(SLENDER, found), film, Patient(age_years=50, view="AP"), (TURNED, UNLIKE)
    )


def test_editing_keeps_reasons_of_patient_and_film_and_drops_those_of_the_segmentation():
    assert automatic().reasons == (VIEW_AP, TURNED.message, UNLIKE.message)
    by_hand = edit_diameters(automatic(), HEART, THORAX, SHAPE)
    assert by_hand.value == pytest.approx(140 / 280)
    assert by_hand.reasons == (VIEW_AP, TURNED.message)
    assert (by_hand.low, by_hand.high, by_hand.edited) == (None, None, True)


def test_editing_a_film_without_a_ratio_keeps_reasons_of_patient_and_film():
    none = automatic(found=False)
    assert none.value is None
    assert none.reasons == ("No heart was found on this picture.",)
    by_hand = edit_diameters(none, HEART, THORAX, SHAPE)
    assert by_hand.value == pytest.approx(0.5)
    assert by_hand.reasons == (VIEW_AP, TURNED.message)


def test_a_ratio_that_could_be_anything_is_not_quoted_but_can_be_measured_by_hand():
    sure = segment_drawing(SLENDER, True)
    assert sure.ratio is not None
    film, patient = draw_phantom(SLENDER), Patient(age_years=50, view="PA")
    for half_width, is_measured in ((0.15, True), (0.16, False)):
        segmentation = dataclasses.replace(sure, half_width=half_width)
        measurement = measure_ratio(segmentation, film, patient)
        assert (measurement.value is not None) == is_measured
    low, high = sure.ratio - 0.16, sure.ratio + 0.16
    assert measurement.reasons == (
        f"The outlines are too uncertain: the ratio may lie anywhere from {low:.2f} to {high:.2f}.",
    )
    assert (measurement.low, measurement.heart) == (None, None)
    by_hand = edit_diameters(measurement, HEART, THORAX, SHAPE)
    assert (by_hand.value, by_hand.reasons) == (pytest.approx(0.5), ())


def test_a_second_edit_keeps_the_automatic_measurement():
    once = edit_diameters(automatic(), HEART, THORAX, SHAPE)
    again = edit_diameters(once, THORAX, THORAX, SHAPE)
    assert again.automatic == automatic()
    assert again.value == 1


@pytest.mark.parametrize(
    ("heart", "thorax", "sentence"),
    [
        (((-4.0, 260.0), (240.0, 280.0)), THORAX, "outside the film of 400 × 420 px"),
        (HEART, ((60.0, 300.0), (340.0, 500.0)), "A point of the thorax lies at (340, 500)"),
        (HEART[::-1], THORAX, "The two ends of the heart are crossed."),
        (((50.0, 260.0), (390.0, 280.0)), THORAX, "The heart is wider than the thorax."),
    ],
)
def test_impossible_points_give_a_sentence_and_no_ratio(heart, thorax, sentence):
    wrong = edit_diameters(automatic(), heart, thorax, SHAPE)
    assert wrong.value is None
    assert sentence in " ".join(wrong.reasons)
    assert sentence in describe_ratio(wrong)
    assert describe_diameters(wrong) is None
    assert wrong.to_json()["automatic"]["value"] == round(automatic().value or 0, 4)


def test_a_reading_without_a_measurement_is_unchanged_by_editing():
    bare = Reading(sha256="00", status="read")
    assert replace_diameters(bare, HEART, THORAX, SHAPE).measurements == ()
    measured = dataclasses.replace(bare, measurements=(automatic(),))
    assert (
        replace_diameters(measured, HEART, THORAX, SHAPE).to_json("a.png")["measurements"][0][
            "edited"
        ]
        is True
    )


def test_suggested_diameters_lie_on_the_film_and_give_a_ratio():
    assert edit_diameters(automatic(), *suggest_diameters(SHAPE), SHAPE).value is not None


def test_diameters_are_in_mm_only_where_the_pixel_spacing_is_known():
    assert "px" in (describe_diameters(automatic()) or "")
    scaled = edit_diameters(automatic(spacing_mm=(0.5, 0.9)), HEART, THORAX, SHAPE)
    assert describe_diameters(scaled) == "heart 126 mm, thorax 252 mm (at the detector)"
    assert scaled.to_json()["spacing_source"] == "detector"


@pytest.mark.parametrize("spacing", [0.7, 3.3])
def test_diameters_are_in_px_where_a_chest_would_be_20_or_90_cm_wide(spacing):
    measured = edit_diameters(automatic(spacing_mm=(spacing, spacing)), HEART, THORAX, SHAPE)
    assert measured.has_implausible_spacing
    assert describe_diameters(measured) == "heart 140 px, thorax 280 px"
    assert measured.to_json()["spacing_source"] is None
    child = dataclasses.replace(measured, age_years=5)
    assert child.unit == ("mm" if spacing < 1 else "px")


@pytest.mark.parametrize(
    ("patient", "unit"),
    [
        (Patient(), "px"),
        (Patient(age_years=50), "px"),
        (Patient(age_group="adult"), "px"),
        (Patient(age_years=4), "mm"),
        (Patient(age_group="child_1_to_5"), "mm"),
    ],
)
def test_a_narrow_chest_is_believed_of_a_child_by_age_or_by_age_group(patient, unit):
    film = dataclasses.replace(
        draw_phantom(SLENDER), spacing_mm=(0.5, 0.5), spacing_source="detector"
    )
    assert measure_ratio(segment_drawing(SLENDER), film, patient).unit == unit


@pytest.mark.parametrize(
    ("value", "sentence"), [(0.431, "0.43"), (0.4961, "0.496"), (0.5, "0.50"), (0.507, "0.51")]
)
def test_a_third_decimal_shows_the_side_of_the_limit_where_two_do_not(value, sentence):
    assert format_ratio(value) == sentence
