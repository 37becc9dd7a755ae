"""The ratio changes the classifier's probability as the card's fusion says, and only where it may."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from cxr_core.errors import ModelError
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import Fusion, ModelCard, OperatingPoint
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.cardiothoracic.fusion import fuse_probability
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    RATIO,
    READER_ERROR,
    VIEW_AP,
    VIEW_UNKNOWN,
    Measurement,
)
from cxr_core.reading.interpret import (
    interpret,
    recompute_with_edited_ratio,
    replace_diameters,
)
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.report import threshold_source
from cxr_core.reading.results import Examination, FindingReading, ModelOutput
from tests.reading.cardiothoracic.test_contours import draw_masks, segment
from tests.tiny import tiny_card

FITTED = Fusion(
    measurement=RATIO,
    model="m 1",
    intercept=-0.4,
    classifier=0.7,
    measured=20.0,
    centre=0.5,
    ap=-0.6,
    operating_points=(OperatingPoint(name="youden", threshold=0.33, source="a test"),),
    source="a test",
    ratio_variance=0.0016,
)
CARD = tiny_card("heart", ("cardiomegaly",), fusion={"cardiomegaly": FITTED})
MEASURED = Measurement(value=0.56, low=0.52, high=0.60, standard_error=0.02, model="m", version="1")
WEIGHT = 0.0016 / (0.0016 + 0.02**2)  # 0.8


@pytest.mark.parametrize(("view", "share"), [("PA", 0), ("AP", 1), (None, 0.5)])
def test_fusion_follows_the_formula_of_the_card(view, share):
    probability, parts = fuse_probability(CARD, "cardiomegaly", 0.3, MEASURED, view)
    fused = -0.4 + 0.7 * logit(0.3) + 20 * (0.56 - 0.5) - 0.6 * share
    expected = expit((1 - WEIGHT) * logit(0.3) + WEIGHT * fused)
    assert probability == pytest.approx(expected, abs=1e-9)
    assert parts.to_json() == {"classifier": 0.3, RATIO: 0.56, "weight": 0.8}


def test_the_less_certain_a_ratio_the_less_it_counts():
    by_error = []
    for error in (0.0, 0.01, 0.05, 0.2, 5.0):
        uncertain = replace(MEASURED, standard_error=error)
        by_error.append(fuse_probability(CARD, "cardiomegaly", 0.3, uncertain, "PA")[0])
    assert by_error == sorted(by_error, reverse=True)
    assert by_error[0] == pytest.approx(expit(-0.4 + 0.7 * logit(0.3) + 20 * 0.06))
    assert by_error[-1] == pytest.approx(0.3, abs=1e-3)


def test_a_card_fitted_without_weights_counts_ratios_of_usual_certainty_fully():
    card = replace(CARD, fusion={"cardiomegaly": replace(FITTED, ratio_variance=None)})
    fully = expit(-0.4 + 0.7 * logit(0.3) + 20 * 0.06)
    assert fuse_probability(card, "cardiomegaly", 0.3, MEASURED, "PA")[0] == pytest.approx(fully)
    uncertain = replace(MEASURED, standard_error=0.06)
    assert 0.3 < fuse_probability(card, "cardiomegaly", 0.3, uncertain, "PA")[0] < fully - 0.05


@pytest.mark.parametrize(
    ("measured", "parts"),
    [
        (None, False),
        (replace(MEASURED, version="2"), False),
        (
            replace(MEASURED, value=None, standard_error=None, reasons=("No heart was found.",)),
            True,
        ),
        (replace(MEASURED, taper=0.0), True),
    ],
)
def test_a_missing_or_foreign_ratio_leaves_the_classifiers_probability(measured, parts):
    probability, found = fuse_probability(CARD, "cardiomegaly", 0.3, measured, "PA")
    assert probability == 0.3
    # Whoever asks the segmenter in vain decides by the fusion's thresholds all the same.
    assert (found is not None) is parts
    assert found is None or found.describe() == "network 30 % alone, no usable CTR"


def test_a_card_without_fusion_keeps_the_classifiers_probability():
    assert fuse_probability(replace(CARD, fusion={}), "cardiomegaly", 0.3, MEASURED, "PA") == (
        0.3,
        None,
    )


@pytest.mark.parametrize("reason", [VIEW_AP, VIEW_UNKNOWN, CHILD])
def test_reasons_of_view_and_age_do_not_weaken_the_ratio(reason):
    doubted = replace(MEASURED, reasons=(reason,))
    assert fuse_probability(CARD, "cardiomegaly", 0.3, doubted, "PA") == fuse_probability(
        CARD, "cardiomegaly", 0.3, MEASURED, "PA"
    )


def test_edited_diameters_do_not_change_the_probability():
    by_hand = replace(MEASURED, value=0.9, edited=True, automatic=MEASURED)
    assert fuse_probability(CARD, "cardiomegaly", 0.3, by_hand, "PA") == fuse_probability(
        CARD, "cardiomegaly", 0.3, MEASURED, "PA"
    )


def examine(segmentation: SegmentationResult) -> Examination:
    output = ModelOutput(
        card=CARD,
        logits=np.array([-1.0]),
        probabilities=np.array([0.2]),
        attributions={},
        features=np.zeros((1, 1, 1), np.float32),
        ood_score=0.5,
    )
    return Examination(
        sha256="00",
        film=Radiograph(pixels=np.zeros((1024, 1024), np.float32)),
        concerns=(),
        outputs=(output,),
        seconds=0.1,
        segmentation=segmentation,
    )


def test_a_reading_calls_by_the_fused_probability_and_lists_its_parts():
    masks, ratio = draw_masks(heart_width=0.42)
    examination = examine(segment(masks))
    (finding,) = interpret(examination, Patient(age_years=50, view="PA"), "youden").findings
    weight = 0.0016 / (0.0016 + (2 * 0.01 / 1.96) ** 2)  # of the interval that `segment` gives
    fused = -0.4 + 0.7 * logit(0.2) + 20 * (ratio - 0.5)
    assert finding.probability == pytest.approx(
        expit((1 - weight) * logit(0.2) + weight * fused), abs=0.03
    )
    assert (finding.threshold, finding.call) == (0.33, "present")
    assert finding.logit == -1.0
    assert finding.to_json()["parts"]["classifier"] == 0.2
    (alone,) = interpret(
        replace(examination, segmentation=None), Patient(age_years=50, view="PA"), "youden"
    ).findings
    assert (alone.probability, "parts" in alone.to_json()) == (0.2, False)


def test_a_card_keeps_its_fusion():
    assert ModelCard.from_json(CARD.to_json()) == CARD


@pytest.mark.parametrize("wrong", [{"measured": -1.0}, {"intercept": float("nan")}])
def test_a_card_with_invalid_weights_is_not_written(wrong):
    card = replace(CARD, fusion={"cardiomegaly": replace(FITTED, **wrong)})
    with pytest.raises(ModelError, match=rf"combination.cardiomegaly.{next(iter(wrong))}: found"):
        card.to_json()


def test_the_source_of_a_fused_threshold_is_the_fusions():
    probability, parts = fuse_probability(CARD, "cardiomegaly", 0.3, MEASURED, "PA")
    alone = FindingReading(
        finding="cardiomegaly", probability=probability, decision="balanced", card=CARD
    )
    assert threshold_source(alone) == "chosen by a test"
    assert threshold_source(replace(alone, fusion_parts=parts)) == "a test"


def test_recomputed_with_an_edited_ratio_the_probability_says_so():
    masks, automatic = draw_masks(heart_width=0.42)
    examination = examine(segment(masks))
    reading = interpret(examination, Patient(age_years=50, view="PA"), "balanced")
    lines = ((200.0, 500.0), (800.0, 500.0)), ((100.0, 600.0), (1000.0, 600.0))
    edited = replace_diameters(reading, *lines, (1024, 1024))
    assert [vars(finding) for finding in edited.findings] == [vars(f) for f in reading.findings]
    assert f"rests on the automatic CTR of {automatic:.2f}" in edited.warnings[0]
    again = recompute_with_edited_ratio(edited, examination)
    (finding,) = again.findings
    weight = 0.0016 / (0.0016 + (READER_ERROR * 600 / 900) ** 2)
    fused = -0.4 + 0.7 * logit(0.2) + 20 * (600 / 900 - 0.5)
    expected = expit((1 - weight) * logit(0.2) + weight * fused)
    assert finding.probability == pytest.approx(expected)
    assert "edited CTR 0.67" in finding.fusion_parts.describe()
    assert finding.to_json()["parts"]["edited"] is True
    assert again.warnings == ()
    assert recompute_with_edited_ratio(reading, examination) is reading
