"""Cards: what they refuse, and the keys that they have on disk."""

import json
from dataclasses import replace

import pytest

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import PREPROCESSING_VERSION
from cxr_core.models.card import Fusion, ModelCard, OperatingPoint
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.paths import SHIPPED_MODELS
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
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '"card"',
        "[" * 100_000,
        '{"schema": 1, "schema": 1}',
        '{"schema": 1e999}',
    ],
)
def test_text_that_is_no_card_is_a_model_error(card, kind, text) -> None:
    with pytest.raises(ModelError):
        kind.from_json(text)


# What once installed as a valid card, and then stopped every reading, the page or the report.
WRONG_VALUES = {
    "population.age_min": ([1], "a whole number"),
    "population.age_max": (1000, "150"),
    "population.views": (["sideways"], "'PA', 'AP'"),
    "training": (5, "an object"),
    "training.data": ({"parts": {"val": {"films": "many"}}}, "a whole number"),
    "training.terms": ([1], "text"),
    "metrics": (5, "an object"),
    "metrics.test": (5, "metrics.test: found 5"),
    "metrics.test ": (
        {"pneumonia": {"auroc": {"value": "high"}}},
        "metrics.test .pneumonia.auroc.value: found",
    ),
    "operating_points.pneumonia.0.threshold": (float("nan"), "NaN"),
    "operating_points.pneumonia.1.threshold": (1e308, "1"),
    "operating_points.pneumonia": ("ab", "a list"),
    "evidence_scale.pneumonia": (0, "greater than 0"),
    "evidence_scale.cardiomegaly": (float("nan"), "NaN"),
    "usual_evidence.pneumonia": ([[1.0], [1.0, 2.0]], "rows of different lengths"),
    "calibration.pneumonia.slope": (-1, "greater than 0"),
    "calibration.pneumonia.intercept": (float("-inf"), "-Infinity"),
    "familiarity_limit": (True, "a number"),
    "arguments.side": (10**30, "below 10^18"),
    "arguments.findings": (1, "2 findings"),
    "arguments.colour": (1, "no key that this program knows"),
    "input_spec.std": (1e-300, "a std from 0.001"),
    "software.torch": (2, "text"),
    "model": ("\ud800", "text"),
    "nickname": ("x", "no key that this program knows"),
}


@pytest.mark.parametrize("key", WRONG_VALUES)
def test_a_wrong_value_is_a_model_error_with_its_key(key) -> None:
    value, expected = WRONG_VALUES[key]
    content = json.loads(tiny_card().to_json())
    *path, last = key.split(".")
    place = content
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    with pytest.raises(ModelError) as raised:
        ModelCard.from_json(json.dumps(content))
    assert expected in str(raised.value)
    place_of_number = {"found the number", "rows of different", "2 findings", "std", "metrics"}
    assert key in str(raised.value) or any(words in str(raised.value) for words in place_of_number)


OPTIONAL_KEYS = (
    "usual_evidence",
    "combination",
    "familiarity_limit",
    "training",
    "metrics",
    "software",
    "weights_sha256",
)


@pytest.mark.parametrize("key", list(json.loads(tiny_card().to_json())))
def test_a_card_without_one_of_its_keys_takes_its_default_or_is_refused(key) -> None:
    content = json.loads(tiny_card().to_json())
    del content[key]
    if key in OPTIONAL_KEYS:
        assert ModelCard.from_json(json.dumps(content)) == tiny_card()
    else:
        with pytest.raises(ModelError, match=key):
            ModelCard.from_json(json.dumps(content))


def test_a_card_that_could_not_be_read_back_is_not_written() -> None:
    card = replace(tiny_card(), evidence_scale={"cardiomegaly": 0.1, "pneumonia": float("nan")})
    with pytest.raises(ModelError, match=r"evidence_scale.pneumonia: found NaN, expected a finite"):
        card.to_json()


@pytest.mark.parametrize(
    "folder", sorted(SHIPPED_MODELS.glob("*/*")), ids=lambda path: path.parent.name
)
def test_a_shipped_card_is_written_as_it_was_read(folder) -> None:
    text = (folder / "card.json").read_text(encoding="utf-8")
    kind = SegmenterCard if json.loads(text).get("kind") == "segmenter" else ModelCard
    written = kind.from_json(text).to_json()
    assert json.loads(written) | json.loads(text) == json.loads(written)
    assert set(written.splitlines()) >= {line for line in text.splitlines() if line not in "{}"}


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
