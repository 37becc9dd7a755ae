"""When the measured heart and the classifier's call tell different things, and when nobody can say."""

import dataclasses

import pytest

from cxr_core.reading.agreement import disagreements
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    VIEW_AP,
    VIEW_LATERAL,
    VIEW_UNKNOWN,
    Measurement,
)
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
def test_a_ratio_wholly_on_the_other_side_of_the_limit_disagrees(value, half, call, side):
    (said,) = disagreements(measured(value, half), [called(call)])
    assert f"{value:.2f} lies {side} 0.5" in said
    assert f"calls cardiomegaly {call} (20 %)" in said
    assert "heart-adults" in said


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
def test_agreement_and_ignorance_are_silent(value, half, call):
    assert disagreements(measured(value, half), [called(call)]) == ()


@pytest.mark.parametrize("reason", [VIEW_AP, VIEW_UNKNOWN, CHILD])
def test_under_doubts_of_view_and_age_a_wide_heart_may_only_look_it(reason):
    (said,) = disagreements(measured(0.56, 0.02, reason), [called("absent")])
    assert "The view or the age may be why the ratio is large." in said
    (said,) = disagreements(measured(0.44, 0.02, reason), [called("present")])
    assert "view or the age" not in said


@pytest.mark.parametrize(
    "reason", [VIEW_LATERAL, "Two looks at the same film outline the heart differently."]
)
def test_a_ratio_that_is_not_trusted_contradicts_nobody(reason):
    assert disagreements(measured(0.56, 0.02, VIEW_AP, reason), [called("absent")]) == ()


def test_each_model_of_cardiomegaly_is_asked_and_no_other():
    findings = [
        called("absent", model="a"),
        called("present", model="b"),
        called("absent", finding="pneumonia"),
    ]
    (said,) = disagreements(measured(0.56), findings)
    assert "while a calls" in said
    both = [*findings, dataclasses.replace(findings[0], model="c")]
    assert len(disagreements(measured(0.56), both)) == 2


def test_a_reading_tells_programs_what_it_tells_people():
    contrary, agreeing = called("absent"), called("present")
    for finding in (contrary, agreeing):
        reading = Reading(
            sha256="0" * 64, status="read", findings=(finding,), measurements=(measured(0.56),)
        )
        (told,) = reading.to_json("a.png")["measurements"]
        assert list(told["disagreements"]) == list(disagreements(measured(0.56), [finding]))
        assert bool(told["disagreements"]) is (finding is contrary)
