from dataclasses import replace

import numpy as np
import pytest

from cxr_core.film.concern import Concern
from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard, OperatingPoint, Population
from cxr_core.reading.patient import Patient
from cxr_core.reading.remarks import AGE_UNKNOWN
from cxr_core.reading.results import Examination, ModelOutput, interpret
from tests.tiny import tiny_card

PLACEMENT = Placement.fit((80, 80), InputSpec(side=64))


def points(**thresholds: float) -> tuple[OperatingPoint, ...]:
    return tuple(
        OperatingPoint(name=name, threshold=value, source="a test")
        for name, value in thresholds.items()
    )


def card(model: str, finding: str, population: Population) -> ModelCard:
    thresholds = {finding: points(youden=0.4, sensitivity_95=0.1, specificity_95=0.8)}
    return tiny_card(model, (finding,), population=population, operating_points=thresholds)


ADULTS = card("heart", "cardiomegaly", Population(text="adults, 18 and over", age_min=18))
CHILDREN = card("lung", "pneumonia", Population(text="children aged 1 to 5", age_min=1, age_max=5))


def output(of: ModelCard, probability: float, unfamiliarity: float = 0.5) -> ModelOutput:
    chance = np.array([probability])
    return ModelOutput(
        card=of,
        logits=np.log(chance / (1 - chance)),
        probabilities=chance,
        evidence={},
        features=np.zeros((1, 1, 1), np.float32),
        unfamiliarity=unfamiliarity,
    )


def examination(
    *outputs: ModelOutput, concerns: tuple[Concern, ...] = (), **film: object
) -> Examination:
    radiograph = Radiograph(pixels=np.zeros((80, 80), np.float32), **film)  # type: ignore[arg-type]
    return Examination(
        sha256="00", film=radiograph, concerns=concerns, outputs=outputs, seconds=0.1
    )


BOTH = examination(output(ADULTS, 0.5), output(CHILDREN, 0.2))


def found(reading, key):
    return next(finding for finding in reading.findings if finding.finding == key)


@pytest.mark.parametrize(
    ("age", "fits", "not_fits"),
    [
        (3, "pneumonia", "cardiomegaly"),
        (5.9, "pneumonia", "cardiomegaly"),
        (18, "cardiomegaly", "pneumonia"),
    ],
)
def test_a_model_answers_only_for_its_population(age, fits, not_fits):
    reading = interpret(BOTH, Patient(age_years=age), "youden")
    assert reading.status == "read"
    assert found(reading, fits).probability is not None
    without = found(reading, not_fits)
    assert (without.probability, without.call) == (None, None)
    assert "No model for this patient" in without.reason
    assert without.to_json()["reason"] == without.reason


@pytest.mark.parametrize("age", [0.5, 6, 12, 17.9])
def test_where_no_model_fits_every_finding_keeps_its_place_without_a_number(age):
    reading = interpret(BOTH, Patient(age_years=age), "youden")
    assert reading.status == "read"
    assert [finding.probability for finding in reading.findings] == [None, None]


def test_with_the_age_unknown_every_model_reads_and_names_its_population():
    reading = interpret(BOTH, Patient(), "youden")
    assert {f.finding: f.population for f in reading.findings} == {
        "cardiomegaly": "adults, 18 and over",
        "pneumonia": "children aged 1 to 5",
    }


def test_what_the_user_says_overrides_the_file():
    from_file = examination(output(ADULTS, 0.5), output(CHILDREN, 0.2), age_years=40.0, view="AP")
    assert found(interpret(from_file, Patient(), "youden"), "pneumonia").probability is None
    corrected = interpret(from_file, Patient(age_years=4, view="PA"), "youden")
    assert found(corrected, "pneumonia").probability == pytest.approx(0.2)
    assert corrected.patient == Patient(age_years=4, view="PA")


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("youden", {"cardiomegaly": "present", "pneumonia": "absent"}),
        ("sensitivity_95", {"cardiomegaly": "present", "pneumonia": "present"}),
        ("specificity_95", {"cardiomegaly": "absent", "pneumonia": "absent"}),
    ],
)
def test_calls_follow_the_named_operating_point(name, calls):
    reading = interpret(BOTH, Patient(), name)
    assert {f.finding: f.call for f in reading.findings} == calls
    assert {f.operating_point for f in reading.findings} == {name}


def test_a_film_that_no_model_knows_is_refused():
    strange = examination(
        output(ADULTS, 0.5, unfamiliarity=1.2), output(CHILDREN, 0.2, unfamiliarity=1.1)
    )
    refused = interpret(strange, Patient(age_years=50), "youden")
    assert refused.status == "refused"
    assert refused.findings == ()
    assert "unlike every chest film" in refused.reason


def test_a_drawing_is_never_refused_as_unfamiliar():
    drawn = examination(
        output(ADULTS, 0.5, unfamiliarity=1.2), concerns=(Concern("drawing", "It is drawn."),)
    )
    reading = interpret(drawn, Patient(), "youden")
    assert reading.status == "read"
    assert [concern.code for concern in reading.concerns] == ["drawing", "unlike_training"]


def test_a_chest_film_that_only_another_populations_model_knows_is_read_with_a_warning():
    elsewhere = examination(
        output(ADULTS, 0.5, unfamiliarity=0.9), output(CHILDREN, 0.2, unfamiliarity=1.4)
    )
    reading = interpret(elsewhere, Patient(age_years=3), "youden")
    assert reading.status == "read"
    assert [concern.code for concern in reading.concerns] == ["unlike_training"]


def test_a_model_that_does_not_know_the_film_says_so_beside_its_number():
    strange = examination(output(ADULTS, 0.5, unfamiliarity=1.2), output(CHILDREN, 0.2))
    concerns = interpret(strange, Patient(), "youden").concerns
    assert [concern.code for concern in concerns] == ["unlike_training"]
    assert "heart" in concerns[0].message


def test_a_refusing_concern_leaves_no_number_behind():
    refused = examination(
        output(ADULTS, 0.5), concerns=(Concern("lateral_view", "It is lateral.", refuses=True),)
    )
    reading = interpret(refused, Patient(), "youden")
    assert (reading.status, reading.reason, reading.findings) == ("refused", "It is lateral.", ())


def test_an_unsettling_concern_leaves_the_number_but_makes_no_call():
    inverted = replace(BOTH, concerns=(Concern("inverted", "It seems inverted.", unsettles=True),))
    reading = interpret(inverted, Patient(), "youden")
    assert {f.call for f in reading.findings} == {"indeterminate"}
    assert all(f.probability is not None for f in reading.findings)


def test_the_most_suspicious_film_is_the_one_furthest_above_its_threshold():
    mild = interpret(examination(output(ADULTS, 0.45)), Patient(), "youden")
    strong = interpret(examination(output(ADULTS, 0.9)), Patient(), "youden")
    nothing = interpret(examination(), Patient(), "youden")
    assert strong.suspicion > mild.suspicion > 0 > nothing.suspicion


def test_json_has_the_promised_fields():
    line = interpret(BOTH, Patient(), "youden").to_json("a.png")
    assert list(line) == [
        "file", "sha256", "status", "reason", "concerns", "findings", "measurements", "remarks", "patient", "seconds",
    ]  # fmt: skip
    assert list(line["findings"][0]) == [
        "finding", "probability", "logit", "threshold", "operating_point", "call", "model", "version", "population",
    ]  # fmt: skip


def test_an_age_that_nobody_told_is_a_remark_where_a_model_is_for_some_ages_alone():
    unknown = interpret(BOTH, Patient(view="PA"), "youden")
    assert unknown.remarks == (AGE_UNKNOWN,)
    line = unknown.to_json("a.png")
    assert (line["remarks"], line["patient"]) == ((AGE_UNKNOWN,), {"age_years": None, "view": "PA"})
    assert interpret(BOTH, Patient(age_years=40), "youden").remarks == ()
    anybody = card("heart", "cardiomegaly", Population(text="anybody"))
    assert interpret(examination(output(anybody, 0.5)), Patient(), "youden").remarks == ()


@pytest.mark.parametrize("point", ["youden", "sensitivity_95", "specificity_95"])
def test_thresholds_that_cross_are_a_remark_beside_the_points_they_belong_to(point):
    crossed = {"pneumonia": points(youden=0.9, sensitivity_95=0.96, specificity_95=0.32)}
    parted = tiny_card(
        "lung", ("pneumonia",), population=CHILDREN.population, operating_points=crossed
    )
    said = interpret(
        examination(output(parted, 0.5), output(ADULTS, 0.5)), Patient(age_years=3), point
    ).remarks
    if point == "youden":
        assert said == ()
    else:
        assert len(said) == 1
        assert (
            "Sensitive (96 %) lies above Specific (32 %): Specific calls more films than Sensitive"
            in said[0]
        )


@pytest.mark.parametrize("code", ["inverted", "turned"])
def test_a_film_that_is_unlike_all_others_because_of_how_it_is_shown_is_refused_by_that(code):
    shown = Concern(code, "Invert the film, or turn it.", unsettles=True)
    strange = output(ADULTS, 0.5, unfamiliarity=2.0)
    reading = interpret(examination(strange, concerns=(shown,)), Patient(), "youden")
    assert reading.status == "refused"
    assert reading.reason.startswith(
        "Invert the film, or turn it. As it is, it is unlike every chest film"
    )
    assert interpret(examination(strange), Patient(), "youden").reason.startswith(
        "This picture is unlike"
    )
