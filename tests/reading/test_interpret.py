"""Which models read a film for a patient, what they call, and the warnings beside their numbers."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_core.errors import SettingsError
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.known_findings import LocalFinding
from cxr_core.models.card import DecisionThresholds, ModelCard, OperatingPoint, Population
from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import AGE_UNKNOWN, interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, ModelOutput
from tests.tiny import tiny_card


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


VALIDATION_AUROC = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 100, "positives": 20}


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
    assert all(f.threshold == f.present_from == f.absent_below for f in reading.findings)


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
    adult = Patient(age_years=50)
    mild = interpret(examination(output(ADULTS, 0.45)), adult, "youden")
    strong = interpret(examination(output(ADULTS, 0.9)), adult, "youden")
    nothing = interpret(examination(), adult, "youden")
    assert strong.suspicion > mild.suspicion > 0 > nothing.suspicion


def test_a_model_for_an_age_group_does_not_count_as_suspicious_while_the_age_is_unknown():
    unknown = interpret(examination(output(ADULTS, 0.9)), Patient(), "youden")
    (finding,) = unknown.findings
    assert (finding.needs_age, finding.call) == (True, "present")
    assert finding.to_json()["needs_age"] is True
    assert unknown.suspicion == -np.inf
    (known,) = interpret(examination(output(ADULTS, 0.9)), Patient(age_years=50)).findings
    assert not known.needs_age


def test_json_has_the_promised_fields():
    line = interpret(BOTH, Patient(), "youden").to_json("a.png")
    assert list(line) == [
        "file", "sha256", "status", "reason", "concerns", "findings", "measurements", "remarks",
        "not_assessed", "patient", "adjustments", "seconds", "backends",
    ]  # fmt: skip
    assert list(line["findings"][0]) == [
        "finding", "probability", "logit", "threshold", "operating_point", "call", "decision", "present_from",
        "absent_below", "undecided_because", "prevalence", "likelihood_ratio", "needs_age", "model", "version",
        "population", "name", "locally_defined",
    ]  # fmt: skip


def test_a_finding_that_the_card_defines_is_marked_with_its_definition_everywhere():
    definition = LocalFinding(key="callus", name="Callus", definition="New bone at a rib.")
    local = replace(
        card("ribs", "callus", Population(text="adults", age_min=18)), local_findings=(definition,)
    )
    reading = interpret(examination(output(local, 0.9)), Patient(age_years=40), "youden")
    assert reading.findings[0].name == "Callus (locally defined)"
    record = reading.to_json("a.png")["findings"][0]
    assert (record["locally_defined"], record["definition"]) == (True, "New bone at a rib.")
    assert write_impression(reading).startswith("Callus (locally defined) is suspected.")
    child = interpret(examination(output(local, 0.9)), Patient(age_years=4), "youden")
    assert "callus (locally defined) (no model for this patient)" in child.not_assessed
    shipped = interpret(BOTH, Patient(), "youden").to_json("a.png")["findings"][0]
    assert (shipped["locally_defined"], "definition" in shipped) == (False, False)


def test_an_unknown_age_is_a_warning_when_a_model_is_for_certain_ages():
    unknown = interpret(BOTH, Patient(view="PA"), "youden")
    assert unknown.warnings == (AGE_UNKNOWN,)
    line = unknown.to_json("a.png")
    assert line["remarks"] == [AGE_UNKNOWN]
    assert line["patient"] == {"age_years": None, "age_group": None, "view": "PA"}
    assert interpret(BOTH, Patient(age_years=40), "youden").warnings == ()
    anybody = card("heart", "cardiomegaly", Population(text="anybody"))
    assert interpret(examination(output(anybody, 0.5)), Patient(), "youden").warnings == ()


def decided(standard: tuple[float, float], **fields: object) -> ModelCard:
    """A card with two thresholds, absent below the first and present from the second."""
    absent_below, present_from = standard
    thresholds = DecisionThresholds(
        name="standard",
        error=0.1,
        present_from=present_from,
        absent_below=absent_below,
        source="a test",
    )
    return replace(ADULTS, decisions={"cardiomegaly": (thresholds,)}, **fields)


@pytest.mark.parametrize(
    ("probability", "call"),
    [(0.19, "absent"), (0.2, "indeterminate"), (0.59, "indeterminate"), (0.6, "present")],
)
def test_between_two_thresholds_a_film_is_undecided_and_says_why(probability, call):
    seen = examination(output(decided((0.2, 0.6)), probability))
    (finding,) = interpret(seen, Patient(age_years=50)).findings
    assert (finding.call, finding.decision) == (call, "standard")
    assert (finding.threshold, finding.operating_point) == (None, None)
    assert (finding.absent_below, finding.present_from) == (0.2, 0.6)
    expected = "between the two thresholds (suspected from 60 %, not suspected below 20 %)"
    assert (expected in (finding.undecided_because or "")) == (call == "indeterminate")


def test_without_two_thresholds_the_balanced_one_decides():
    (finding,) = interpret(examination(output(ADULTS, 0.5)), Patient(age_years=50)).findings
    assert (finding.decision, finding.operating_point) == ("standard", "youden")
    assert finding.threshold == 0.4
    (single,) = interpret(
        examination(output(decided((0.3, 0.3)), 0.5)), Patient(age_years=50)
    ).findings
    assert (single.operating_point, single.threshold, single.call) == ("youden", 0.3, "present")


def test_prevalence_moves_the_probability_by_bayes_and_never_the_verdict():
    figures = {"validation": {"cardiomegaly": {"auroc": VALIDATION_AUROC}}}
    seen = examination(output(decided((0.2, 0.6), metrics=figures), 0.5))
    readings = {
        share: interpret(seen, Patient(age_years=50), prevalence={"cardiomegaly": share})
        for share in (0.01, 0.2, 0.9)
    }
    for share, reading in readings.items():
        (finding,) = reading.findings
        odds = 1.0 * (share / (1 - share)) / (0.2 / 0.8)
        assert finding.probability == pytest.approx(odds / (1 + odds))
        assert finding.prevalence == share
        assert finding.likelihood_ratio == pytest.approx(4.0)
        assert finding.call == "indeterminate"
        assert finding.absent_below < finding.probability < finding.present_from
    (usual,) = interpret(seen, Patient(age_years=50)).findings
    assert (usual.prevalence, usual.probability) == (0.2, pytest.approx(0.5))


def test_a_prevalence_that_the_card_cannot_use_is_a_warning():
    seen = examination(output(ADULTS, 0.5))
    reading = interpret(seen, Patient(age_years=50), prevalence={"cardiomegaly": 0.3})
    assert "does not say at which prevalence it was calibrated" in reading.warnings[0]
    assert reading.findings[0].probability == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_an_impossible_prevalence_is_refused(share):
    with pytest.raises(SettingsError, match="above 0 and below 1"):
        interpret(BOTH, Patient(), prevalence={"pneumonia": share})


def test_an_unknown_decision_lists_those_there_are():
    with pytest.raises(SettingsError, match="standard, strict, balanced, sensitive, specific"):
        interpret(BOTH, Patient(), "careful")


def test_what_was_not_looked_for_is_listed_with_findings_of_other_patients():
    child = interpret(BOTH, Patient(age_years=3))
    assert child.not_assessed == (
        "pneumothorax",
        "pleural effusion",
        "nodules and masses",
        "fractures",
        "lines and tubes",
        "cardiomegaly (no model for this patient)",
    )
    effusions = card("fluid", "effusion", Population(text="anybody"))
    assert (
        "pleural effusion"
        not in interpret(examination(output(effusions, 0.5)), Patient()).not_assessed
    )
    refused = examination(concerns=(QualityFlag("lateral", "Lateral.", withholds_reading=True),))
    assert "fractures" in interpret(refused, Patient()).not_assessed


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


@pytest.mark.parametrize(
    ("entered", "is_doubted"),
    [
        (Patient(), True),
        (Patient(age_group="adult"), True),
        (Patient(age_years=3), False),
        (Patient(age_group="child_1_to_5"), False),
    ],
)
def test_a_small_film_is_believed_of_a_child_even_if_the_file_states_an_adult(entered, is_doubted):
    examined = examination(output(ADULTS, 0.5), age_years=45, spacing_mm=(2.0, 2.0))  # 16 cm wide
    codes = [concern.code for concern in interpret(examined, entered).concerns]
    assert ("implausible_spacing" in codes) is is_doubted


def test_a_small_film_is_believed_while_no_age_is_known():
    examined = examination(output(ADULTS, 0.5), spacing_mm=(2.0, 2.0))
    assert interpret(examined, Patient()).concerns == ()
