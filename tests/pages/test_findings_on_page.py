"""Findings on the Read page: verdicts, thresholds, prevalence, the edited ratio, and what was not assessed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.models.card import DecisionThresholds, Fusion, ModelCard, OperatingPoint
from cxr_core.reading.results import Examination
from tests.hearts import SLENDER, WIDE, file_of, segment_drawing, sha256_of
from tests.pages.app_bench import (
    endpoint_field,
    find_button,
    find_labelled,
    finding_text,
    not_assessed_text,
    open_page,
    prevalence_field,
    upload,
    visible_text,
)
from tests.pages.fake_evaluations import predictions, write_evaluation
from tests.pages.fake_reader import ADULTS, CHILDREN, FakeReader
from tests.pages.fake_reader import card as fake_card
from tests.pages.test_evaluate_page import open_tab
from tests.pages.test_read_page import film

FIGURE = {"low": 0.1, "high": 0.9, "n": 1000, "positives": 20}
POINTS = tuple(
    OperatingPoint(name=name, threshold=threshold, source="800 films")
    for name, threshold in (("youden", 0.5), ("sensitivity_95", 0.1), ("specificity_95", 0.9))
)
STANDARD = DecisionThresholds(
    name="standard", error=0.1, present_from=0.6, absent_below=0.2, source="800 films"
)


def decisive(card: ModelCard) -> ModelCard:
    """A card with two thresholds, a prevalence of 2 % on validation films, and figures of two decisions."""
    (finding,) = card.findings
    rates = {"sensitivity": {"value": 0.93, **FIGURE}, "specificity": {"value": 0.46, **FIGURE}}
    shares = {
        "present_suspected": {"value": 0.81, **FIGURE},
        "absent_not_suspected": {"value": 0.77, **FIGURE},
    }
    return replace(
        card,
        decisions={finding: (STANDARD,)},
        metrics={
            "validation": {finding: {"auroc": {"value": 0.9, **FIGURE}}},
            "test": {finding: {"youden": rates, "decisions": {"standard": shares}}},
        },
    )


@pytest.fixture
def reader() -> FakeReader:
    """A reader whose cards have two thresholds, and which segments two of the films."""
    fusion = Fusion(
        measurement="cardiothoracic_ratio",
        model="outlines 1.0.0",
        intercept=0.0,
        classifier=1.0,
        measured=20.0,
        centre=0.45,
        ap=0.0,
        operating_points=POINTS,
        source="800 films",
        decisions=(STANDARD,),
    )
    adults = replace(decisive(ADULTS), fusion={"cardiomegaly": fusion})
    segmentations = {sha256_of(spec): segment_drawing(spec) for spec in (SLENDER, WIDE)}
    return FakeReader(cards=(adults, decisive(CHILDREN)), segmentations=segmentations)


def decision_figures(app: AppTest) -> str:
    """What the sidebar says of the chosen decision on test films."""
    return "\n".join(caption.value for caption in app.sidebar.caption)


def read_adult(app: AppTest, brightness: float) -> str:
    """The card of cardiomegaly of an adult's film."""
    upload(app, heart=film(brightness))
    find_button(app, "Adult").click().run()
    assert not app.exception
    return finding_text(app, "cardiomegaly", "heart-adults")


@pytest.mark.parametrize(
    ("brightness", "verdict"), [(0.2, "Not suspected"), (0.35, "Undecided"), (0.6, "Suspected")]
)
def test_reader_sees_one_of_three_verdicts_and_never_present(
    app: AppTest, brightness: float, verdict: str
) -> None:
    card = read_adult(app, brightness)
    assert verdict in card
    assert "present" not in card.lower().replace("represent", "")
    assert "absent" not in card.lower()
    assert "suspected from 60 %, not suspected below 20 %" in card


def test_undecided_film_says_why(app: AppTest) -> None:
    card = read_adult(app, 0.35)
    assert "**Undecided:** the probability lies between the two thresholds" in card


def test_probability_is_explained_by_frequency_and_by_the_average_film(app: AppTest) -> None:
    card = read_adult(app, 0.35)
    assert "Of 100 such films at a prevalence of 2 %, 40 have it" in card
    assert "20 times as likely as on the average film" in card


def test_an_adult_has_pneumonia_by_its_models_definition_and_an_abnormal_film_after_it(
    app: AppTest, reader: FakeReader
) -> None:
    lungs = replace(
        decisive(fake_card("lung-adults", "pneumonia", ADULTS.population)),
        definitions={"pneumonia": "Lung *opacity*."},
    )
    whole = replace(
        decisive(fake_card("whole-adults", "abnormality", ADULTS.population)),
        operating_points={"abnormality": POINTS},
        default_decisions={"abnormality": "sensitive"},
    )
    reader.cards = (whole, *reader.cards, lungs)
    card = read_adult(app, 0.22)
    assert "Not suspected" in card
    assert r"Defined as: Lung \*opacity\*." in finding_text(app, "pneumonia", "lung-adults")
    abnormal = finding_text(app, "abnormality", "whole-adults")
    assert "● Suspected" in abnormal
    assert "No finding with a name is suspected, yet the film may not be normal" in abnormal
    text = visible_text(app)
    assert text.index("**Pneumonia**") < text.index("**Abnormal film**")
    assert "Pneumonia is not suspected. No finding with a name is suspected, yet" in text
    standard = decision_figures(app)
    assert "Pneumonia (adults): sensitivity 81 %" in standard
    assert "Pneumonia (children aged 1 to 5): sensitivity 81 %" in standard


def test_prevalence_moves_the_probability_and_the_thresholds_but_no_verdict(
    app: AppTest, reader: FakeReader
) -> None:
    card = read_adult(app, 0.35)
    assert "40 %" in card
    prevalence = prevalence_field(app, "cardiomegaly")
    assert prevalence.value == 2.0
    prevalence.set_value(10.0).run()
    moved = finding_text(app, "cardiomegaly", "heart-adults")
    assert "Undecided" in moved
    assert "78 %" in moved  # odds of 40 % times (0.1 / 0.9) / (0.02 / 0.98)
    assert "at a prevalence of 10 %" in moved
    assert "suspected from 89 %" in moved
    assert reader.examined == 1
    prevalence_field(app, "cardiomegaly").set_value(None)
    app.run()
    assert "40 %" in finding_text(app, "cardiomegaly", "heart-adults"), "empty: the card's own"


def test_decision_says_its_figures_on_the_official_test_where_the_card_has_them(
    app: AppTest,
) -> None:
    upload(app, heart=film(0.5))
    decision = find_labelled(app.sidebar.radio, "Decision")
    # The figures of a fused probability are not recorded here, and those of the network alone are not shown for it.
    assert "Pneumonia: sensitivity 81 %, specificity 77 %" in decision_figures(app)
    assert "Cardiomegaly" not in decision_figures(app)
    decision.set_value("strict").run()
    assert "sensitivity" not in decision_figures(app)
    find_labelled(app.sidebar.radio, "Decision").set_value("single").run()
    assert "Pneumonia: sensitivity 93 %, specificity 46 %" in decision_figures(app)
    for name in ("sensitive", "specific"):
        find_labelled(app.sidebar.radio, "Single threshold").set_value(name).run()
        assert "sensitivity" not in decision_figures(app)


def test_single_threshold_leaves_no_film_undecided_and_needs_no_network(
    app: AppTest, reader: FakeReader
) -> None:
    assert "Undecided" in read_adult(app, 0.35)
    find_labelled(app.sidebar.radio, "Decision").set_value("single").run()
    assert "Not suspected" in finding_text(app, "cardiomegaly", "heart-adults")
    find_labelled(app.sidebar.radio, "Single threshold").set_value("sensitive").run()
    card = finding_text(app, "cardiomegaly", "heart-adults")
    assert "Suspected" in card
    assert "suspected from 10 %" in card
    assert reader.examined == 1


def test_what_was_not_assessed_stands_below_the_findings(app: AppTest) -> None:
    read_adult(app, 0.5)
    line = not_assessed_text(app)
    for finding in ("pneumothorax", "pleural effusion", "nodules and masses", "fractures"):
        assert finding in line
    assert "pneumonia (no model for this patient)" in line


def test_probability_rests_on_the_automatic_ratio_until_it_is_recomputed(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    find_button(app, "Adult").click().run()
    before = finding_text(app, "cardiomegaly", "heart-adults")
    assert "Recompute" not in " ".join(button.label for button in app.button)
    field = endpoint_field(app, "Heart, patient's left, x")
    field.set_value(field.value + 40).run()
    stale = finding_text(app, "cardiomegaly", "heart-adults")
    assert "still rests on the automatic CTR" in stale
    assert "CTR 0.43" in before
    assert "CTR 0.43" in stale
    find_button(app, "Recompute with the edited CTR").click().run()
    recomputed = finding_text(app, "cardiomegaly", "heart-adults")
    assert "edited CTR 0.57" in recomputed
    assert "rests on the edited CTR" in recomputed
    assert recomputed.split("Of 100")[1] != before.split("Of 100")[1]
    find_button(app, "Use the automatic CTR").click().run()
    assert "still rests on the automatic CTR" in finding_text(app, "cardiomegaly", "heart-adults")
    find_button(app, "Recompute with the edited CTR").click().run()
    find_button(app, "Back to the automatic measurement").click().run()
    assert finding_text(app, "cardiomegaly", "heart-adults") == before


def test_impression_can_be_copied(app: AppTest) -> None:
    read_adult(app, 0.6)
    (impression,) = [code.value for code in app.code]
    assert "Cardiomegaly is suspected" in impression
    assert "No other finding was assessed." in impression


def test_words_of_the_page_name_no_internal_key(app: AppTest) -> None:
    read_adult(app, 0.35)
    text = visible_text(app)
    for key in ("youden", "sensitivity_95", "indeterminate", "present_from"):
        assert key not in text


def test_prevalence_is_the_same_setting_on_the_evaluate_page(app: AppTest, workspace: Path) -> None:
    write_evaluation(workspace / "evaluations" / "tiny-test", predictions())
    read_adult(app, 0.35)
    prevalence_field(app, "cardiomegaly").set_value(10.0)
    app.run()
    open_tab(app, "Prevalence and benefit")
    label = "Share of your patients who have the finding, in %"
    assert find_labelled(app.number_input, label).value == 10.0
    find_labelled(app.number_input, label).set_value(5.0).run()
    open_page(app, "read")
    assert prevalence_field(app, "cardiomegaly").value == 5.0
    assert "at a prevalence of 5 %" in finding_text(app, "cardiomegaly", "heart-adults")


def test_two_models_that_differ_are_one_card_with_both_opinions(
    app: AppTest, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = reader.examine

    def examine_by_two(*given: Any) -> Examination:
        examination = examine(*given)
        (heart,) = (o for o in examination.outputs if o.card.model == ADULTS.model)
        copied = replace(heart.card, model="copied-by-hand")
        other = replace(heart, card=copied, probabilities=1 - heart.probabilities)
        return replace(examination, outputs=(*examination.outputs, other))

    monkeypatch.setattr(reader, "examine", examine_by_two)
    card = read_adult(app, 0.9).replace("\\", "")
    assert "? Undecided" in card
    assert "2 models answer it and differ" in card
    assert "heart-adults 1.0.0: ● suspected" in card
    assert "copied-by-hand 1.0.0: ○ not suspected" in card


def test_model_of_several_findings_has_a_card_for_each(app: AppTest, reader: FakeReader) -> None:
    keys = ("cardiomegaly", "effusion", "mass")
    several = replace(
        ADULTS,
        findings=keys,
        calibration=dict.fromkeys(keys, ADULTS.calibration["cardiomegaly"]),
        operating_points=dict.fromkeys(keys, ADULTS.operating_points["cardiomegaly"]),
        evidence_scale=dict.fromkeys(keys, ADULTS.evidence_scale["cardiomegaly"]),
    )
    reader.cards = (several,)
    upload(app, heart=film(0.6))
    find_button(app, "Adult").click().run()
    assert not app.exception
    assert not app.error
    for key in keys:
        assert "90 %" in finding_text(app, key, "heart-adults")
    about = [button for button in app.button if button.label == "About the model"]
    about[2].click().run()
    assert "**heart-adults** 1.0.0 · mass" in visible_text(app).replace("\\", "")
    assert not app.exception
