"""A film that is not normal: what the reading says of it beside named findings, and when a film is likely normal."""

from dataclasses import replace

import pytest

from cxr_core.errors import ModelError
from cxr_core.models.card import DecisionThresholds, ModelCard, Population
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import MeanFigure
from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading
from tests.reading.test_interpret import ADULTS, card, examination, output, points

ADULT = Patient(age_years=57, view="PA")
OPACITY = "Lung opacity as radiologists of a challenge label it."
LUNG = replace(
    card("lung", "pneumonia", Population(text="adults, 18 and over", age_min=18)),
    definitions={"pneumonia": OPACITY},
)
LIKELY_NORMAL = ConfidentNormal(
    threshold=0.05,
    negative_predictive_value=MeanFigure(0.975, 0.95, 0.99, 200),
    share=MeanFigure(0.3, 0.25, 0.35, 660),
    prevalence=0.6,
    source="a test",
)
BETWEEN = DecisionThresholds(
    name="standard", error=0.1, present_from=0.7, absent_below=0.3, source="a test"
)
WHOLE = replace(
    card("whole", "abnormality", Population(text="adults, 18 and over", age_min=18)),
    operating_points={
        "abnormality": points(youden=0.5, sensitivity_95=0.2, specificity_95=0.8),
    },
    decisions={"abnormality": (BETWEEN,)},
    default_decisions={"abnormality": "sensitive"},
    confident_normal={"abnormality": LIKELY_NORMAL},
    prevalence={"abnormality": 0.6},
)
NAMED = "Cardiomegaly and pneumonia"
POSSIBLE = "findings that this program does not name are possible."
END = "No other finding was assessed."


def read(
    heart: float, lung: float, whole: float, of: ModelCard = WHOLE, **question: object
) -> Reading:
    outputs = (output(of, whole), output(ADULTS, heart), output(LUNG, lung))
    return interpret(examination(*outputs), ADULT, **question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("heart", "lung", "whole", "text"),
    [
        (
            *(0.1, 0.1, 0.9),
            "Cardiomegaly is not suspected. Pneumonia is not suspected. No finding with a name is suspected, yet the "
            f"film is unlikely to be normal; {POSSIBLE} {END}",
        ),
        (
            *(0.1, 0.9, 0.9),
            "Pneumonia is suspected. Cardiomegaly is not suspected. The film is unlikely to be normal; "
            f"{POSSIBLE} {END}",
        ),
        (
            *(0.1, 0.9, 0.6),
            "Pneumonia is suspected. Cardiomegaly is not suspected. The film may not be normal; "
            f"{POSSIBLE} {END}",
        ),
        (
            *(0.1, 0.9, 0.04),
            "Pneumonia is suspected. Cardiomegaly is not suspected. The film as a whole does not look abnormal to the "
            "program. The suspicion of pneumonia counts nevertheless: its model looks for it alone, and a single "
            f"finding can be missed in the film as a whole. {END}",
        ),
        (
            *(0.1, 0.1, 0.1),
            "Cardiomegaly is not suspected. Pneumonia is not suspected. The film is not suspected to be abnormal. "
            f"{END}",
        ),
        (
            *(0.1, 0.1, 0.04),
            "Cardiomegaly is not suspected. Pneumonia is not suspected. The film is likely normal: of 200 validation "
            "films with as low a probability, 98 % (95 % interval 95 % to 99 %) were normal, where 60 % of all films "
            f"were abnormal. {END}",
        ),
    ],
)
def test_named_findings_come_first_and_nothing_contradicts_them(heart, lung, whole, text):
    reading = read(heart, lung, whole)
    assert write_impression(reading) == text
    assert [finding.finding for finding in reading.findings] == [
        *("cardiomegaly", "pneumonia"),
        "abnormality",
    ]


def test_a_finding_decides_by_its_cards_own_decision_until_another_is_chosen():
    assert read(0.1, 0.1, 0.25).findings[2].call == "present"
    assert read(0.1, 0.1, 0.25).findings[2].decision == "sensitive"
    assert read(0.1, 0.1, 0.25).findings[1].decision == "standard"
    assert read(0.1, 0.1, 0.25, decision="balanced").findings[2].call == "absent"
    assert "is abnormal" not in write_impression(read(0.1, 0.1, 0.25, decision="balanced"))


def test_likely_normal_needs_normal_films_to_be_frequent_and_a_film_like_those_of_training():
    def is_likely_normal(reading: Reading) -> object:
        return reading.to_json("a.png")["findings"][2].get("likely_normal")

    assert is_likely_normal(read(0.1, 0.1, 0.04)) is True
    assert is_likely_normal(read(0.1, 0.1, 0.05)) is False
    rarer, frequent = ({"abnormality": share} for share in (0.3, 0.9))
    assert is_likely_normal(read(0.1, 0.1, 0.04, prevalence=rarer)) is True
    assert is_likely_normal(read(0.1, 0.1, 0.04, prevalence=frequent)) is False
    unlike = examination(output(WHOLE, 0.04, ood_score=1.1), output(ADULTS, 0.1))
    assert "likely normal" not in write_impression(interpret(unlike, ADULT))
    without = replace(WHOLE, confident_normal={})
    assert is_likely_normal(read(0.1, 0.1, 0.04, of=without)) is None


def test_an_undecided_named_finding_leaves_no_film_likely_normal():
    wide = replace(BETWEEN, absent_below=0.05)
    lung = replace(LUNG, decisions={"pneumonia": (wide,)})
    reading = interpret(examination(output(lung, 0.1), output(WHOLE, 0.04)), ADULT)
    assert reading.findings[0].call == "indeterminate"
    assert "The film is not suspected to be abnormal." in write_impression(reading)


def test_a_child_gets_no_word_on_an_abnormal_film():
    reading = interpret(examination(output(WHOLE, 0.9)), Patient(age_years=4))
    text = write_impression(reading)
    assert text == f"Abnormality was not assessed: no model for this patient. {END}"
    assert "abnormal film (no model for this patient)" in reading.not_assessed


def test_the_cards_own_definition_of_a_finding_is_said_and_is_no_local_finding():
    record = read(0.1, 0.9, 0.9).to_json("a.png")["findings"]
    assert record[1]["definition"] == OPACITY
    assert record[1]["locally_defined"] is False
    assert "definition" not in record[0]


def test_a_card_keeps_the_new_fields_and_omits_them_where_empty():
    again = ModelCard.from_json(WHOLE.to_json())
    assert (again.confident_normal, again.default_decisions) == (
        WHOLE.confident_normal,
        WHOLE.default_decisions,
    )
    assert ModelCard.from_json(LUNG.to_json()).definitions == LUNG.definitions
    assert not {"definitions", "default_decisions", "confident_normal"} & set(
        ADULTS.to_json().replace('"', " ").split()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"definitions": {"mass": "Round."}}, "defines 'mass'"),
        ({"definitions": {"pneumonia": "two\nlines"}}, "on one line"),
        ({"default_decisions": {"pneumonia": "keen"}}, "decides 'pneumonia' by 'keen'"),
        ({"confident_normal": {"mass": LIKELY_NORMAL}}, "normal by mass"),
    ],
)
def test_a_card_whose_new_fields_fit_no_finding_is_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        replace(LUNG, **changes)
