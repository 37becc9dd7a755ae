"""What a hand changes of a measurement, and what stays said whoever measures."""

import dataclasses

import pytest

from cxr_core.film.concern import Concern
from cxr_core.film.phantom.phantom import draw
from cxr_core.reading.cardiothoracic.ratio import VIEW_AP, Measurement, edited, measure, suggested
from cxr_core.reading.cardiothoracic.ratio_wording import diameter_words, ratio_text, ratio_words
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading
from tests.hearts import SLENDER, outlined

SHAPE = (420, 400)
HEART, THORAX = ((100.0, 260.0), (240.0, 280.0)), ((60.0, 300.0), (340.0, 310.0))
TURNED = Concern("turned", "The film lies on its side.", unsettles=True)
UNLIKE = Concern("inverted", "Unlike the others.")


def automatic(found: bool = True, spacing_mm: tuple[float, float] | None = None) -> Measurement:
    film = dataclasses.replace(draw(SLENDER), spacing_mm=spacing_mm)
    return measure(
        outlined(SLENDER, found), film, Patient(age_years=50, view="AP"), (TURNED, UNLIKE)
    )


def test_a_hand_keeps_the_doubts_of_patient_and_film_and_drops_those_of_the_program():
    assert automatic().reasons == (VIEW_AP, TURNED.message, UNLIKE.message)
    by_hand = edited(automatic(), HEART, THORAX, SHAPE)
    assert by_hand.value == pytest.approx(140 / 280)
    assert by_hand.reasons == (VIEW_AP, TURNED.message)
    assert (by_hand.low, by_hand.high, by_hand.edited) == (None, None, True)


def test_a_film_that_could_not_be_measured_keeps_its_patient_s_doubts_when_a_hand_measures_it():
    none = automatic(found=False)
    assert none.value is None
    assert none.reasons == ("No heart was found on this picture.",)
    by_hand = edited(none, HEART, THORAX, SHAPE)
    assert by_hand.value == pytest.approx(0.5)
    assert by_hand.reasons == (VIEW_AP, TURNED.message)


def test_an_edit_of_an_edit_still_has_the_program_s_own_beside_it():
    once = edited(automatic(), HEART, THORAX, SHAPE)
    again = edited(once, THORAX, THORAX, SHAPE)
    assert again.automatic == automatic()
    assert again.value == 1


@pytest.mark.parametrize(
    ("heart", "thorax", "said"),
    [
        (((-4.0, 260.0), (240.0, 280.0)), THORAX, "outside the film of 400 × 420 px"),
        (HEART, ((60.0, 300.0), (340.0, 500.0)), "A point of the thorax lies at (340, 500)"),
        (HEART[::-1], THORAX, "The two ends of the heart are crossed."),
        (((50.0, 260.0), (390.0, 280.0)), THORAX, "The heart is wider than the thorax."),
    ],
)
def test_points_that_make_no_diameters_are_a_sentence_and_no_ratio(heart, thorax, said):
    wrong = edited(automatic(), heart, thorax, SHAPE)
    assert wrong.value is None
    assert said in " ".join(wrong.reasons)
    assert said in ratio_words(wrong)
    assert diameter_words(wrong) is None
    assert wrong.to_json()["automatic"]["value"] == round(automatic().value or 0, 4)


def test_a_reading_without_a_measurement_has_nothing_to_edit():
    bare = Reading(sha256="00", status="read")
    assert bare.with_ends(HEART, THORAX, SHAPE).measurements == ()
    whole = dataclasses.replace(bare, measurements=(automatic(),))
    assert (
        whole.with_ends(HEART, THORAX, SHAPE).to_json("a.png")["measurements"][0]["edited"] is True
    )


def test_suggested_ends_lie_on_the_film_and_make_a_ratio():
    assert edited(automatic(), *suggested(SHAPE), SHAPE).value is not None


def test_diameters_are_in_mm_only_where_the_film_says_how_large_its_pixels_are():
    assert "px" in (diameter_words(automatic()) or "")
    scaled = edited(automatic(spacing_mm=(0.5, 0.7)), HEART, THORAX, SHAPE)
    assert diameter_words(scaled) == "heart 98 mm, thorax 196 mm"


@pytest.mark.parametrize(
    ("value", "said"), [(0.431, "0.43"), (0.4961, "0.496"), (0.5, "0.50"), (0.507, "0.51")]
)
def test_a_third_decimal_tells_the_side_of_the_limit_where_two_do_not(value, said):
    assert ratio_text(value) == said
