"""The consistency check reports when ratio and classifier contradict each other, and only then."""

import dataclasses

import pytest

from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    VIEW_AP,
    VIEW_LATERAL,
    VIEW_UNKNOWN,
    Measurement,
)
from cxr_core.reading.interpret import check_consistency, replace_diameters
from cxr_core.reading.results import Call, FindingReading, Reading


def measured(value: float | None, half: float | None = 0.02, *reasons: str) -> Measurement:
    interval = {} if half is None or value is None else {"low": value - half, "high": value + half}
    return Measurement(value=value, reasons=reasons, edited=half is None, **interval)


def called(
    call: Call | None, finding: str = "cardiomegaly", model: str = "heart-adults"
) -> FindingReading:
    return FindingReading(
        finding=finding, call=call, probability=0.2 if call else None, model=model
    )


@pytest.mark.parametrize(
    ("value", "half", "call", "side"),
    [
        (0.56, 0.02, "absent", "above"),
        (0.44, 0.02, "present", "below"),
        (0.56, None, "absent", "above"),
        (0.44, None, "present", "below"),
    ],
)
def test_a_ratio_with_its_whole_interval_on_the_other_side_of_the_limit_disagrees(
    value, half, call, side
):
    (sentence,) = check_consistency(measured(value, half), [called(call)])
    assert f"{value:.2f} lies {side} 0.5" in sentence
    verdict = {"present": "suspected", "absent": "not suspected"}[call]
    assert f"cardiomegaly is {verdict} by heart-adults (20 %)" in sentence
    assert "heart-adults" in sentence


@pytest.mark.parametrize(
    ("value", "half", "call"),
    [
        (0.56, 0.02, "present"),
        (0.44, 0.02, "absent"),
        (0.51, 0.02, "absent"),  # the interval holds the limit
        (0.49, 0.02, "present"),
        (0.5, None, "absent"),
        (0.5, None, "present"),
        (0.56, 0.02, "indeterminate"),
        (0.44, 0.02, "indeterminate"),
        (0.56, 0.02, None),
        (None, None, "present"),
    ],
)
def test_agreement_and_uncertainty_give_no_sentence(value, half, call):
    assert check_consistency(measured(value, half), [called(call)]) == ()


@pytest.mark.parametrize("reason", [VIEW_AP, VIEW_UNKNOWN, CHILD])
def test_view_and_age_are_named_as_possible_reasons_for_a_large_ratio(reason):
    (sentence,) = check_consistency(measured(0.56, 0.02, reason), [called("absent")])
    assert "The view or the age may be why the CTR is large." in sentence
    (sentence,) = check_consistency(measured(0.44, 0.02, reason), [called("present")])
    assert "view or the age" not in sentence


@pytest.mark.parametrize(
    "reason",
    [
        VIEW_LATERAL,
        "The contour of the heart changes when the film is made slightly smaller and brighter.",
    ],
)
def test_an_untrusted_ratio_contradicts_no_call(reason):
    assert check_consistency(measured(0.56, 0.02, VIEW_AP, reason), [called("absent")]) == ()


def test_every_classifier_of_cardiomegaly_is_compared_and_no_other():
    findings = [
        called("absent", model="a"),
        called("present", model="b"),
        called("absent", finding="pneumonia"),
    ]
    (sentence,) = check_consistency(measured(0.56), findings)
    assert "is not suspected by a (" in sentence
    both = [*findings, dataclasses.replace(findings[0], model="c")]
    assert len(check_consistency(measured(0.56), both)) == 2


@pytest.mark.parametrize("call", ["absent", "present"])
def test_json_lists_the_disagreements_of_a_measurement(call):
    measurement, finding = measured(0.56), called(call)
    sentences = check_consistency(measurement, [finding])
    measurement = dataclasses.replace(measurement, disagreements=sentences)
    reading = Reading(
        sha256="0" * 64, status="read", findings=(finding,), measurements=(measurement,)
    )
    (record,) = reading.to_json("a.png")["measurements"]
    assert record["disagreements"] == list(sentences)
    assert bool(sentences) is (call == "absent")


def test_edited_diameters_are_compared_anew():
    reading = Reading(
        sha256="0" * 64,
        status="read",
        findings=(called("present"),),
        measurements=(measured(0.56),),
    )
    heart, thorax = ((40.0, 50.0), (70.0, 50.0)), ((10.0, 60.0), (90.0, 60.0))
    (edited,) = replace_diameters(reading, heart, thorax, (100, 100)).measurements
    (sentence,) = edited.disagreements
    assert "0.38 lies below 0.5" in sentence


def test_a_finding_that_waits_for_the_age_is_contradicted_by_no_ratio():
    waiting = dataclasses.replace(called("absent"), needs_age=True)
    assert check_consistency(measured(0.56), [waiting]) == ()
