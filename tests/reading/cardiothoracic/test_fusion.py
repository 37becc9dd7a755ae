"""What the ratio adds to the network's probability is what the card says, and nothing where it must not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from cxr_core.errors import ModelError
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import Combination, ModelCard, OperatingPoint
from cxr_core.reading.cardiothoracic.fusion import combine
from cxr_core.reading.cardiothoracic.ratio import CHILD, RATIO, VIEW_AP, VIEW_UNKNOWN, Measurement
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.report import threshold_source
from cxr_core.reading.results import Examination, FindingReading, ModelOutput, interpret
from tests.reading.cardiothoracic.test_contours import drawn, seen
from tests.tiny import tiny_card

FITTED = Combination(
    measurement=RATIO,
    model="m 1",
    intercept=-0.4,
    classifier=0.7,
    measured=20.0,
    centre=0.5,
    ap=-0.6,
    operating_points=(OperatingPoint(name="youden", threshold=0.33, source="a test"),),
    source="a test",
)
CARD = tiny_card("heart", ("cardiomegaly",), combination={"cardiomegaly": FITTED})
MEASURED = Measurement(value=0.56, low=0.54, high=0.58, model="m", version="1")


@pytest.mark.parametrize(("view", "share"), [("PA", 0), ("AP", 1), (None, 0.5)])
def test_the_formula_is_the_cards(view, share):
    probability, parts = combine(CARD, "cardiomegaly", 0.3, MEASURED, view)
    expected = expit(-0.4 + 0.7 * logit(0.3) + 20 * (0.56 - 0.5) - 0.6 * share)
    assert probability == pytest.approx(expected, abs=1e-9)
    assert parts.to_json() == {"classifier": 0.3, RATIO: 0.56}


@pytest.mark.parametrize(
    "measured",
    [
        None,
        replace(MEASURED, value=None, reasons=("No heart was found on this picture.",)),
        replace(MEASURED, reasons=("Two looks at the same film outline the heart differently.",)),
        replace(MEASURED, version="2"),
    ],
)
def test_a_ratio_that_is_absent_doubted_or_of_another_model_is_left_out(measured):
    assert combine(CARD, "cardiomegaly", 0.3, measured, "PA") == (0.3, None)


def test_a_card_without_a_combination_keeps_its_own_probability():
    assert combine(replace(CARD, combination={}), "cardiomegaly", 0.3, MEASURED, "PA") == (
        0.3,
        None,
    )


@pytest.mark.parametrize("reason", [VIEW_AP, VIEW_UNKNOWN, CHILD])
def test_doubts_of_view_and_age_were_in_what_it_was_fitted_on(reason):
    assert (
        combine(CARD, "cardiomegaly", 0.3, replace(MEASURED, reasons=(reason,)), "PA")[1]
        is not None
    )


def test_ends_set_by_hand_do_not_change_what_was_fitted_on_measured_ones():
    by_hand = replace(MEASURED, value=0.9, edited=True, automatic=MEASURED)
    assert combine(CARD, "cardiomegaly", 0.3, by_hand, "PA") == combine(
        CARD, "cardiomegaly", 0.3, MEASURED, "PA"
    )


def test_the_reading_calls_by_the_combined_probability_and_says_who_said_what():
    masks, ratio = drawn(heart_width=0.42)
    output = ModelOutput(
        card=CARD,
        logits=np.array([-1.0]),
        probabilities=np.array([0.2]),
        evidence={},
        features=np.zeros((1, 1, 1), np.float32),
        unfamiliarity=0.5,
    )
    film = Radiograph(pixels=np.zeros((1024, 1024), np.float32))
    examination = Examination(
        sha256="00", film=film, concerns=(), outputs=(output,), seconds=0.1, anatomy=seen(masks)
    )
    (finding,) = interpret(examination, Patient(age_years=50, view="PA"), "youden").findings
    assert finding.probability == pytest.approx(
        expit(-0.4 + 0.7 * logit(0.2) + 20 * (ratio - 0.5)), abs=0.03
    )
    assert (finding.threshold, finding.call) == (0.33, "present")
    assert finding.logit == -1.0
    assert finding.to_json()["parts"]["classifier"] == 0.2
    (alone,) = interpret(
        replace(examination, anatomy=None), Patient(age_years=50, view="PA"), "youden"
    ).findings
    assert (alone.probability, "parts" in alone.to_json()) == (0.2, False)


def test_a_card_keeps_its_combination():
    assert ModelCard.from_json(CARD.to_json()) == CARD


@pytest.mark.parametrize("wrong", [{"measured": -1.0}, {"intercept": float("nan")}])
def test_weights_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ModelError, match="cannot be meant"):
        replace(FITTED, **wrong)


def test_the_source_of_a_combined_threshold_is_the_combinations():
    probability, parts = combine(CARD, "cardiomegaly", 0.3, MEASURED, "PA")
    alone = FindingReading(
        finding="cardiomegaly", probability=probability, operating_point="youden", card=CARD
    )
    assert threshold_source(alone) == "chosen by a test"
    assert threshold_source(replace(alone, parts=parts)) == "a test"
