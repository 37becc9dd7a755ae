"""Cards: what they refuse, and the keys that they have on disk."""

import json
from dataclasses import replace

import pytest

from cxr_core.decisions import ERRORS
from cxr_core.errors import ModelError
from cxr_core.film.preprocess import PREPROCESSING_VERSION
from cxr_core.known_findings import LocalFinding
from cxr_core.models.card import Fusion, ModelCard, OperatingPoint, order_points
from cxr_core.models.card_file import is_segmenter, read_card_of
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
    "population.age_min": ([1], "population.age_min: found [1], expected a whole number"),
    "population.age_max": (1000, "population.age_max: found 1000, expected less than or equal to 150"),
    "population.views": (["sideways"], "population.views.0: found \"sideways\", expected 'PA', 'AP'"),
    "training": (5, "training: found 5, expected an object"),
    "training.data": ({"parts": {"val": {"films": "many"}}}, "training.data.parts.val.films: found \"many\""),
    "training.terms": ([1], "training.terms: found [1], expected text"),
    "metrics": (5, "metrics: found 5, expected an object"),
    "metrics.test": (5, "metrics.test: found 5, expected an object"),
    "metrics.validation": ({"pneumonia": {"auroc": {"value": "high"}}}, "pneumonia.auroc.value: found \"high\""),
    "operating_points.pneumonia": ("ab", "operating_points.pneumonia: found \"ab\", expected a list"),
    "operating_points.pneumonia.0.threshold": (float("nan"), "found the number NaN"),
    "operating_points.pneumonia.1.threshold": (1e308, "pneumonia.1.threshold: found 1e+308, expected less than"),
    "decisions": ({"pneumonia": [{"name": "standard"}]}, "decisions.pneumonia.0.error is missing"),
    "prevalence": ({"pneumonia": 7}, "prevalence.pneumonia: found 7, expected less than or equal to 1"),
    "evidence_scale.pneumonia": (0, "evidence_scale.pneumonia: found 0, expected greater than 0"),
    "usual_evidence.pneumonia": ([[1.0], [1.0, 2.0]], "baseline attribution of pneumonia in the card of tiny has rows"),
    "calibration.pneumonia.slope": (-1, "calibration.pneumonia.slope: found -1, expected greater than 0"),
    "calibration.pneumonia.intercept": (float("-inf"), "found the number -Infinity"),
    "familiarity_limit": (True, "familiarity_limit: found true, expected a number"),
    "arguments.side": (10**30, "found the number 1000000"),
    "arguments.findings": (1, "has 2 findings and an input side of 64, its network 1 and 64"),
    "arguments.colour": (1, "arguments.colour is no key that this program knows"),
    "input_spec.std": (1e-300, "std 1e-300: expected a mean in [0, 1] and a std from 0.001"),
    "software.torch": (2, "software.torch: found 2, expected text"),
    "model": ("\ud800", "model: found \"\\ud800\", expected text"),
    "nickname": ("x", "nickname is no key that this program knows"),
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG_VALUES)
def test_a_wrong_value_is_a_model_error_that_says_which(key) -> None:
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


OPTIONAL_KEYS = (
    "prevalence",
    "decisions",
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
    fusion = Fusion(
        measurement="cardiothoracic_ratio",
        model="anatomy 1.0.0",
        intercept=0.1,
        classifier=0.7,
        measured=9.0,
        centre=0.5,
        ap=-0.3,
        operating_points=(point("youden", 0.4),),
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
        "prevalence",
        "operating_points",
        "decisions",
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
        "decisions",
        "ratio_variance",
    ]
    assert ModelCard.from_json(card.to_json()) == card


def test_a_card_says_how_films_are_reduced_and_nothing_where_they_are_not():
    card = tiny_card()
    assert set(json.loads(card.to_json())["input_spec"]) == {
        "side", "channels", "mean", "std", "equalisation", "aspect", "version",
    }  # fmt: skip
    reduced = replace(card, input_spec=replace(card.input_spec, reduce_to=32, blur=0.7))
    assert json.loads(reduced.to_json())["input_spec"]["blur"] == 0.7
    assert ModelCard.from_json(reduced.to_json()) == reduced


def point(name: str, threshold: float) -> OperatingPoint:
    return OperatingPoint(name=name, threshold=threshold, source="chosen by a test")


CROSSED = (point("youden", 0.8), point("sensitivity_95", 0.9), point("specificity_95", 0.3))
ORDERED = (point("youden", 0.8), point("sensitivity_95", 0.3), point("specificity_95", 0.9))


@pytest.mark.parametrize("points", [CROSSED, ORDERED, CROSSED[:2], ()])
def test_the_sensitive_threshold_never_lies_above_the_specific_one(points) -> None:
    assert order_points(points) == (ORDERED if len(points) == 3 else points)


def test_an_older_card_whose_thresholds_cross_is_read_in_order_with_the_figures_at_each() -> None:
    figures = {"youden": {"at": 0.8}, "sensitivity_95": {"at": 0.9}, "specificity_95": {"at": 0.3}}
    ordered = {**figures, "sensitivity_95": {"at": 0.3}, "specificity_95": {"at": 0.9}}
    of_both = {"pneumonia": figures, "cardiomegaly": figures}
    old = tiny_card(
        operating_points={"pneumonia": CROSSED, "cardiomegaly": ORDERED},
        metrics={"validation": of_both, "test_combined": of_both, "boxes": {"pneumonia": 3}},
    )
    card = ModelCard.from_json(old.to_json())
    assert card.operating_points == dict.fromkeys(("pneumonia", "cardiomegaly"), ORDERED)
    assert card.operating_point("pneumonia", "sensitivity_95").threshold == 0.3
    assert card.metrics["validation"] == {"pneumonia": ordered, "cardiomegaly": figures}
    # Figures with the ratio are at the thresholds of the fusion, which did not cross.
    assert card.metrics["test_combined"] == of_both
    assert card.metrics["boxes"] == {"pneumonia": 3}
    assert ModelCard.from_json(card.to_json()) == card


def test_the_prevalence_at_calibration_is_the_cards_own_or_that_of_its_validation_films() -> None:
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 400, "positives": 100}
    old = tiny_card(metrics={"validation": {"pneumonia": {"auroc": auroc}}})
    assert old.calibration_prevalence("pneumonia") == 0.25
    assert old.calibration_prevalence("cardiomegaly") is None
    card = replace(old, prevalence={"pneumonia": 0.2})
    assert card.calibration_prevalence("pneumonia") == 0.2


SHIPPED_CLASSIFIERS = [
    folder for folder in sorted(SHIPPED_MODELS.glob("*/*")) if not is_segmenter(folder)
]


@pytest.mark.parametrize("folder", SHIPPED_CLASSIFIERS, ids=lambda path: path.parent.name)
def test_a_shipped_classifier_has_every_decision_in_order_with_its_figures(folder) -> None:
    card = read_card_of(ModelCard, folder)
    for key in card.findings:
        validation = card.metrics["validation"][key]["auroc"]
        labelled = validation["positives"] / validation["n"]
        if key in card.label_noise:  # the share that a reader would call; labels name a part of it
            assert (
                labelled < card.prevalence[key] < labelled / card.label_noise[key].sensitivity.low
            )
        else:
            assert card.prevalence[key] == pytest.approx(labelled, abs=1e-6)
        fused = [card.fusion[key]] if key in card.fusion else []
        for decisions in (card.decisions[key], *(fusion.decisions for fusion in fused)):
            assert {decision.name: decision.error for decision in decisions} == ERRORS
            standard, strict = decisions
            assert strict.absent_below <= standard.absent_below
            assert standard.present_from <= strict.present_from
        for figures in (card.metrics["validation"][key], card.metrics["test"][key]):
            sensitive, specific = figures["sensitivity_95"], figures["specificity_95"]
            assert sensitive["sensitivity"]["value"] >= specific["sensitivity"]["value"]
            assert sensitive["specificity"]["value"] <= specific["specificity"]["value"]
            assert set(figures["decisions"]) == set(ERRORS)
        for name, error in ERRORS.items():
            shares = card.metrics["validation"][key]["decisions"][name]
            left_out = card.label_repair[key].absent if key in card.label_repair else 0
            absent = validation["n"] - validation["positives"]
            assert shares["present_not_suspected"]["value"] <= error
            assert shares["absent_suspected"]["value"] <= error + left_out / absent


def test_a_card_carries_the_definitions_of_its_own_findings():
    definition = LocalFinding(key="callus", name="Callus", definition="New bone at a rib.")
    card = replace(tiny_card("ribs", ("callus",)), local_findings=(definition,))
    assert ModelCard.from_json(card.to_json()).find_definition("callus") == definition
    assert card.name_finding("callus") == "Callus (locally defined)"
    assert "local_findings" not in json.loads(tiny_card().to_json())


def test_a_definition_that_a_later_version_ships_stays_as_the_model_learnt_it():
    definition = LocalFinding(key="mass", name="Mass", definition="Larger than 4 cm.")
    card = replace(tiny_card("old", ("mass",)), local_findings=(definition,))
    assert ModelCard.from_json(card.to_json()) == card
    assert card.name_finding("mass") == "Mass (locally defined)"


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        ("callus", "<b>Callus</b>", "cannot be the name"),
        ("other", "Other", "must define each of its own findings once"),
    ],
)
def test_a_card_whose_definitions_are_wrong_is_refused(key, name, reason):
    content = json.loads(tiny_card("ribs", ("callus", "mass")).to_json())
    content["local_findings"] = [{"key": key, "name": name, "definition": "x"}]
    with pytest.raises(ModelError, match=reason):
        ModelCard.from_json(json.dumps(content))
