"""The sentence under a heatmap follows the recorded comparison with the middle of the image."""

from dataclasses import replace

import pytest

from cxr_core.errors import ModelError
from cxr_core.models.figures import EvidenceInBoxes, Localisation, MeanFigure, PointingGame
from cxr_core.reading.heatmap_notes import describe_heatmap, points_elsewhere
from tests.tiny import tiny_card


def figure(value: float, low: float | None = None, high: float | None = None) -> MeanFigure:
    return MeanFigure(value, low, high, 1085)


def compared(
    hit: float,
    centre: float,
    low: float | None,
    high: float | None,
    hit_low: float | None = None,
    hit_high: float | None = 0.4,
) -> Localisation:
    """A comparison whose difference to the middle of the image lies between low and high."""
    unused = figure(0.0)
    pointing = PointingGame(
        tolerance_px=0,
        hit=figure(hit, hit_low, hit_high),
        random=unused,
        centre=figure(centre),
        average_box=unused,
        minus_random=unused,
        minus_centre=figure(hit - centre, low, high),
        minus_average_box=unused,
    )
    inside = EvidenceInBoxes(
        share=figure(0.714),
        area=figure(0.1),
        average_box=unused,
        minus_area=unused,
        minus_average_box=unused,
        lift=unused,
    )
    return Localisation(
        films=1085,
        boxes=1085,
        patients=1000,
        not_labelled=0,
        cells=(7, 7),
        method="evidence",
        scale=1.0,
        training_boxes=0,
        without_evidence=0,
        pointing=(pointing,),
        inside=inside,
        overlap=(),
        verdict={},
    )


def card_with(localisation: Localisation):
    figures = {"localisation": localisation.to_json()}
    return tiny_card(metrics={"validation": {"pneumonia": {}}, "boxes": {"cardiomegaly": figures}})


@pytest.mark.parametrize(
    ("low", "high", "beginning"),
    [
        (0.1, 0.3, "This map points better than the middle of the image does: on 1,085 films"),
        (-0.3, -0.1, "This map does not show where the finding is: on 1,085 films"),
        (-0.1, 0.1, "It is undecided whether this map shows where the finding is"),
        (None, None, "It is undecided whether this map shows where the finding is"),
    ],
)
def test_the_interval_of_the_difference_decides_the_sentence(low, high, beginning):
    card = card_with(compared(0.31, 0.98, low, high))
    sentence = describe_heatmap(card, "cardiomegaly")
    assert sentence.startswith(beginning)
    assert points_elsewhere(card, "cardiomegaly") == ("does not show" in beginning)
    assert "lay in it on 31 %, the middle of the image on 98 %" in sentence


@pytest.mark.parametrize(
    ("hit_low", "hit_high", "low", "beginning"),
    [
        (0.6, 0.9, -0.3, "This map shows the region, not its borders: on 1,085 films"),
        (0.6, 0.9, -0.1, "This map shows the region, not its borders: on 1,085 films"),
        (0.4, 0.6, -0.3, "It is undecided whether this map shows where the finding is"),
        (0.2, 0.49, -0.3, "This map does not show where the finding is"),
    ],
)
def test_a_map_that_hits_most_boxes_is_shown_although_the_middle_hits_as_many(
    hit_low, hit_high, low, beginning
):
    high = 0.1 if low == -0.1 else -0.1  # an interval that holds 0, or one below it
    card = card_with(compared(0.71, 0.98, low, high, hit_low, hit_high))
    sentence = str(describe_heatmap(card, "cardiomegaly"))
    assert sentence.startswith(beginning)
    assert points_elsewhere(card, "cardiomegaly") == beginning.startswith("This map does not")
    covers = "71 % lay in the boxes, which cover 10 % of the image"
    assert (covers in sentence) == ("region" in beginning)


def test_without_a_comparison_there_is_no_sentence():
    assert describe_heatmap(tiny_card(), "cardiomegaly") is None
    assert not points_elsewhere(tiny_card(), "cardiomegaly")
    assert describe_heatmap(card_with(compared(0.3, 0.9, -0.5, -0.4)), "pneumonia") is None


def test_of_several_comparisons_the_one_with_the_most_films_counts():
    small = replace(compared(0.0, 1.0, -1.0, -0.5), films=9)
    large = compared(0.9, 0.3, 0.4, 0.7)
    card = tiny_card(
        metrics={
            "test": {"cardiomegaly": {"localisation": small.to_json()}},
            "boxes": {"cardiomegaly": {"localisation": large.to_json()}},
        }
    )
    assert "on 1,085 films" in str(describe_heatmap(card, "cardiomegaly"))
    assert not points_elsewhere(card, "cardiomegaly")


def test_a_card_with_incomplete_figures_is_an_error_that_names_the_model():
    incomplete = compared(0.9, 0.3, 0.4, 0.7).to_json()
    del incomplete["pointing"]
    card = tiny_card(metrics={"boxes": {"cardiomegaly": {"localisation": incomplete}}})
    with pytest.raises(ModelError, match=r"tiny 1\.0\.0 .*pointing"):
        describe_heatmap(card, "cardiomegaly")
