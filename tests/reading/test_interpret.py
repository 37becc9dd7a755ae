"""Which models read a film for a patient, what they call, and the warnings beside their numbers."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard, OperatingPoint, Population
from cxr_core.reading.interpret import AGE_UNKNOWN, interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, ModelOutput
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


def output(of: ModelCard, probability: float, ood_score: float = 0.5) -> ModelOutput:
    probabilities = np.array([probability])
    return ModelOutput(
        card=of,
        logits=np.log(probabilities / (1 - probabilities)),
        probabilities=probabilities,
        attributions={},
        features=np.zeros((1, 1, 1), np.float32),
        ood_score=ood_score,
    )


def examination(
    *outputs: ModelOutput, concerns: tuple[QualityFlag, ...] = (), **film: object
) -> Examination:
    radiograph = Radiograph(pixels=np.zeros((80, 80), np.float32), **film)  # type: ignore[arg-type]
    return Examination(
        sha256="00", film=radiograph, concerns=concerns, outputs=outputs, seconds=0.1
    )


BOTH = examination(output(ADULTS, 0.5), output(CHILDREN, 0.2))


def finding_of(reading, key):
    return next(finding for finding in reading.findings if finding.finding == key)


@pytest.mark.parametrize(
    ("age", "fits", "not_fits"),
    [
        (3, "pneumonia", "cardiomegaly"),
        (5.9, "pneumonia", "cardiomegaly"),
        (18, "cardiomegaly", "pneumonia"),
    ],
)
def test_a_model_reads_only_its_own_population(age, fits, not_fits):
    reading = interpret(BOTH, Patient(age_years=age), "youden")
    assert reading.status == "read"
    assert finding_of(reading, fits).probability is not None
    without = finding_of(reading, not_fits)
    assert (without.probability, without.call) == (None, None)
    assert "No model for this patient" in without.reason
    assert without.to_json()["reason"] == without.reason


@pytest.mark.parametrize("age", [0.5, 6, 12, 17.9])
def test_findings_that_no_model_fits_are_listed_without_a_number(age):
    reading = interpret(BOTH, Patient(age_years=age), "youden")
    assert reading.status == "read"
    assert [finding.probability for finding in reading.findings] == [None, None]


def test_every_model_reads_a_film_of_unknown_age_and_names_its_population():
    reading = interpret(BOTH, Patient(), "youden")
    assert {f.finding: f.population for f in reading.findings} == {
        "cardiomegaly": "adults, 18 and over",
        "pneumonia": "children aged 1 to 5",
    }


def test_user_input_overrides_the_file():
    from_file = examination(output(ADULTS, 0.5), output(CHILDREN, 0.2), age_years=40.0, view="AP")
    assert finding_of(interpret(from_file, Patient(), "youden"), "pneumonia").probability is None
    corrected = interpret(from_file, Patient(age_years=4, view="PA"), "youden")
    assert finding_of(corrected, "pneumonia").probability == pytest.approx(0.2)
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


def test_a_film_out_of_distribution_for_every_model_is_refused():
    strange = examination(output(ADULTS, 0.5, ood_score=1.2), output(CHILDREN, 0.2, ood_score=1.1))
    refused = interpret(strange, Patient(age_years=50), "youden")
    assert refused.status == "refused"
    assert refused.findings == ()
    assert "unlike every chest film" in refused.reason


def test_a_drawing_is_never_refused_as_out_of_distribution():
    drawn = examination(
        output(ADULTS, 0.5, ood_score=1.2), concerns=(QualityFlag("drawing", "It is drawn."),)
    )
    reading = interpret(drawn, Patient(), "youden")
    assert reading.status == "read"
    assert [concern.code for concern in reading.concerns] == ["drawing", "unlike_training"]


def test_a_film_in_distribution_for_another_populations_model_is_read_with_a_flag():
    elsewhere = examination(
        output(ADULTS, 0.5, ood_score=0.9), output(CHILDREN, 0.2, ood_score=1.4)
    )
    reading = interpret(elsewhere, Patient(age_years=3), "youden")
    assert reading.status == "read"
    assert [concern.code for concern in reading.concerns] == ["unlike_training"]


def test_a_film_out_of_distribution_for_one_model_is_flagged_with_its_name():
    strange = examination(output(ADULTS, 0.5, ood_score=1.2), output(CHILDREN, 0.2))
    concerns = interpret(strange, Patient(), "youden").concerns
    assert [concern.code for concern in concerns] == ["unlike_training"]
    assert "heart" in concerns[0].message


def test_a_refused_film_has_no_numbers():
    refused = examination(
        output(ADULTS, 0.5),
        concerns=(QualityFlag("lateral_view", "It is lateral.", withholds_reading=True),),
    )
    reading = interpret(refused, Patient(), "youden")
    assert (reading.status, reading.reason, reading.findings) == ("refused", "It is lateral.", ())


def test_a_flag_that_withholds_the_call_keeps_the_number():
    inverted = replace(
        BOTH, concerns=(QualityFlag("inverted", "It seems inverted.", withholds_call=True),)
    )
    reading = interpret(inverted, Patient(), "youden")
    assert {f.call for f in reading.findings} == {"indeterminate"}
    assert all(f.probability is not None for f in reading.findings)


def test_suspicion_orders_films_by_their_distance_above_the_threshold():
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


def test_an_unknown_age_is_a_warning_when_a_model_is_for_certain_ages():
    unknown = interpret(BOTH, Patient(view="PA"), "youden")
    assert unknown.warnings == (AGE_UNKNOWN,)
    line = unknown.to_json("a.png")
    assert (line["remarks"], line["patient"]) == ([AGE_UNKNOWN], {"age_years": None, "view": "PA"})
    assert interpret(BOTH, Patient(age_years=40), "youden").warnings == ()
    anybody = card("heart", "cardiomegaly", Population(text="anybody"))
    assert interpret(examination(output(anybody, 0.5)), Patient(), "youden").warnings == ()


@pytest.mark.parametrize("point", ["youden", "sensitivity_95", "specificity_95"])
def test_crossing_thresholds_are_a_warning_at_their_own_operating_points(point):
    crossed = {"pneumonia": points(youden=0.9, sensitivity_95=0.96, specificity_95=0.32)}
    parted = tiny_card(
        "lung", ("pneumonia",), population=CHILDREN.population, operating_points=crossed
    )
    warnings = interpret(
        examination(output(parted, 0.5), output(ADULTS, 0.5)), Patient(age_years=3), point
    ).warnings
    if point == "youden":
        assert warnings == ()
    else:
        assert len(warnings) == 1
        assert (
            "Sensitive (96 %) lies above Specific (32 %): Specific calls more films than Sensitive"
            in warnings[0]
        )


@pytest.mark.parametrize("code", ["inverted", "turned"])
def test_a_refusal_names_inversion_or_rotation_as_its_likely_reason(code):
    shown = QualityFlag(code, "Invert the film, or turn it.", withholds_call=True)
    strange = output(ADULTS, 0.5, ood_score=2.0)
    reading = interpret(examination(strange, concerns=(shown,)), Patient(), "youden")
    assert reading.status == "refused"
    assert reading.reason.startswith(
        "Invert the film, or turn it. As it is, it is unlike every chest film"
    )
    assert interpret(examination(strange), Patient(), "youden").reason.startswith(
        "This picture is unlike"
    )
