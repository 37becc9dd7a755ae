"""Cards: what they refuse, and the keys that they have on disk."""

import json
from dataclasses import replace

import pytest

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import PREPROCESSING_VERSION
from cxr_core.models.card import Fusion, ModelCard, OperatingPoint
from cxr_core.models.segmenter_card import SegmenterCard
from tests.models.networks.test_segmenter import CARD as SEGMENTER_CARD
from tests.tiny import tiny_card

CARDS = [(tiny_card(), ModelCard), (SEGMENTER_CARD, SegmenterCard)]


@pytest.mark.parametrize(("card", "kind"), CARDS, ids=["classifier", "segmenter"])
def test_a_card_of_another_preprocessing_version_is_a_model_error(card, kind) -> None:
    content = json.loads(card.to_json())
    content["input_spec"]["version"] = PREPROCESSING_VERSION + 1
    with pytest.raises(ModelError, match=f"preprocessing version {PREPROCESSING_VERSION + 1}"):
        kind.from_json(json.dumps(content))


@pytest.mark.parametrize(("card", "kind"), CARDS, ids=["classifier", "segmenter"])
@pytest.mark.parametrize("wrong", [{"side": 4}, {"side": "big"}, {"unknown": 1}])
def test_a_card_with_an_impossible_input_is_a_model_error(card, kind, wrong) -> None:
    content = json.loads(card.to_json())
    content["input_spec"] |= wrong
    with pytest.raises(ModelError):
        kind.from_json(json.dumps(content))


@pytest.mark.parametrize(("card", "kind"), CARDS, ids=["classifier", "segmenter"])
@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"card"'])
def test_text_that_is_no_card_is_a_model_error(card, kind, text) -> None:
    with pytest.raises(ModelError):
        kind.from_json(text)


def test_card_json_keeps_its_keys() -> None:
    point = OperatingPoint(name="youden", threshold=0.4, source="chosen by a test")
    fusion = Fusion(
        measurement="cardiothoracic_ratio",
        model="anatomy 1.0.0",
        intercept=0.1,
        classifier=0.7,
        measured=9.0,
        centre=0.5,
        ap=-0.3,
        operating_points=(point,),
        source="fitted by a test",
    )
    card = replace(
        tiny_card(),
        baseline_attribution={"cardiomegaly": [[0.0, 1.0]]},
        ood_limit=1.5,
        fusion={"cardiomegaly": fusion},
    )
    content = json.loads(card.to_json())
    assert list(content) == [
        "model",
        "version",
        "findings",
        "architecture",
        "arguments",
        "input_spec",
        "population",
        "calibration",
        "operating_points",
        "evidence_scale",
        "usual_evidence",
        "combination",
        "familiarity_limit",
        "training",
        "metrics",
        "software",
        "weights_sha256",
        "schema",
    ]
    assert content["familiarity_limit"] == 1.5
    assert list(content["combination"]["cardiomegaly"]) == [
        "measurement",
        "model",
        "intercept",
        "classifier",
        "measured",
        "centre",
        "ap",
        "operating_points",
        "source",
    ]
    assert ModelCard.from_json(card.to_json()) == card
