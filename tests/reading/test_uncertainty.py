"""Why a verdict is undecided, or needs caution: by code, beside the sentence, in the reading and in its JSON."""

from dataclasses import replace

import pytest

from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.decision import UNCERTAINTIES, uncertainty_of_flag
from cxr_core.reading.interpret import interpret, replace_diameters
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading
from tests.reading.test_consistency_check import called, measured
from tests.reading.test_interpret import ADULTS, card, decided, examination, output

ADULT = Patient(age_years=50)
INVERTED = QualityFlag("inverted", "It seems inverted.", withholds_call=True)


def read(probability: float, *flags: QualityFlag, ood_score: float = 0.5):
    seen = examination(
        replace(output(decided((0.2, 0.6)), probability), ood_score=ood_score),
        # Another model knows the film, so that it is not refused.
        output(card("other", "pneumonia", ADULTS.population), 0.9),
    )
    reading = interpret(replace(seen, concerns=flags), ADULT)
    (finding,) = (one for one in reading.findings if one.finding == "cardiomegaly")
    return finding


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.1, ()), (0.4, ("between_thresholds",)), (0.7, ())],
)
def test_a_film_between_the_thresholds_says_so_by_code_and_a_decided_one_says_nothing(
    probability, expected
):
    finding = read(probability)
    assert finding.uncertain_because == expected
    assert finding.to_json().get("uncertain_because", []) == list(expected)


def test_every_reason_counts_not_only_the_one_of_the_sentence():
    finding = read(0.4, IRREGULARITIES["special_view"], INVERTED, ood_score=1.5)
    assert finding.call == "indeterminate"
    assert finding.undecided_because == IRREGULARITIES["special_view"].message
    assert finding.uncertain_because == ("view", "quality", "between_thresholds", "unlike_training")


def test_a_film_unlike_the_training_films_keeps_its_verdict_and_carries_the_reason():
    finding = read(0.7, ood_score=1.5)
    assert (finding.call, finding.uncertain_because) == ("present", ("unlike_training",))


def test_a_flag_that_withholds_nothing_is_no_reason():
    assert read(0.7, QualityFlag("low_resolution", "Small.")).uncertain_because == ()


def test_flags_about_the_view_are_told_from_those_about_quality():
    assert uncertainty_of_flag("special_view") == "view"
    assert uncertainty_of_flag("inverted") == "quality"
    withholding = [flag.code for flag in IRREGULARITIES.values() if flag.withholds_call]
    assert {uncertainty_of_flag(code) for code in withholding} == {"view", "quality"}
    assert {uncertainty_of_flag(code) for code in withholding} <= set(UNCERTAINTIES)


def test_a_ratio_that_a_person_edits_marks_and_unmarks_the_contradicted_finding():
    reading = Reading(
        sha256="0" * 64,
        status="read",
        findings=(called("present"),),
        measurements=(measured(0.56),),
    )
    thorax = ((10.0, 60.0), (90.0, 60.0))
    small = replace_diameters(reading, ((40.0, 50.0), (70.0, 50.0)), thorax, (100, 100))
    assert small.findings[0].uncertain_because == ("ratio_disagrees",)
    large = replace_diameters(small, ((20.0, 50.0), (80.0, 50.0)), thorax, (100, 100))
    assert large.findings[0].uncertain_because == ()
