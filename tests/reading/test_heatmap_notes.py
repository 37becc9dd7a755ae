"""The sentence under a heatmap follows the recorded comparison with the image's centre."""

import pytest

from cxr_core.reading.heatmap_notes import heat_words, points_elsewhere
from tests.tiny import tiny_card


def compared(
    hit: float, centre: float, low: float | None, high: float | None, most: float | None = 0.4
) -> dict:
    """A comparison whose hits reach up to `most`, and whose difference to the centre lies between low and high."""
    pointing = {
        "hit": {"value": hit, "low": None, "high": most},
        "centre": {"value": centre, "low": None, "high": None},
        "minus_centre": {"value": hit - centre, "low": low, "high": high},
    }
    inside = {"share": {"value": 0.714}, "area": {"value": 0.1}}
    return {"films": 1085, "pointing": [pointing, {}], "inside": inside}


def card_with(found: dict):
    return tiny_card(
        metrics={
            "validation": {"pneumonia": {}},
            "boxes": {"cardiomegaly": {"localisation": found}},
        }
    )


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.1, 0.3, "This map points better than the middle of the image does: on 1,085 films"),
        (-0.3, -0.1, "This map does not show where the finding is: on 1,085 films"),
        (-0.1, 0.1, "Whether this map shows where the finding is cannot be told"),
        (None, None, "Whether this map shows where the finding is cannot be told"),
    ],
)
def test_the_interval_decides_what_is_said(low, high, says):
    words = heat_words(card_with(compared(0.31, 0.98, low, high)), "cardiomegaly")
    assert words.startswith(says)
    assert points_elsewhere(card_with(compared(0.31, 0.98, low, high)), "cardiomegaly") == (
        "does not show" in says
    )
    assert "lay in it on 31 %, the middle of the image on 98 %" in words


@pytest.mark.parametrize(
    ("least", "most", "low", "says"),
    [
        (0.6, 0.9, -0.3, "This map shows the region, not its borders: on 1,085 films"),
        (
            0.6,
            0.9,
            -0.1,
            "This map shows the region, not its borders: on 1,085 films",
        ),  # cannot be told from the middle
        (0.4, 0.6, -0.3, "Whether this map shows where the finding is cannot be told"),
        (0.2, 0.49, -0.3, "This map does not show where the finding is"),
    ],
)
def test_a_map_that_hits_most_boxes_is_shown_though_the_middle_hits_as_many(least, most, low, says):
    found = compared(0.71, 0.98, low, 0.1 if low == -0.1 else -0.1)
    found["pointing"][0]["hit"] |= {"low": least, "high": most}
    words = str(heat_words(card_with(found), "cardiomegaly"))
    assert words.startswith(says)
    assert points_elsewhere(card_with(found), "cardiomegaly") == says.startswith(
        "This map does not"
    )
    assert ("71 % lay in the boxes, which cover 10 % of the image" in words) == ("region" in says)


def test_without_a_comparison_nothing_is_said():
    assert heat_words(tiny_card(), "cardiomegaly") is None
    assert not points_elsewhere(tiny_card(), "cardiomegaly")
    assert heat_words(card_with(compared(0.3, 0.9, -0.5, -0.4)), "pneumonia") is None


def test_of_several_comparisons_the_one_with_the_most_films_speaks():
    few = {**compared(0.0, 1.0, -1.0, -0.5), "films": 9}
    card = tiny_card(
        metrics={
            "test": {"cardiomegaly": {"localisation": few}},
            "boxes": {"cardiomegaly": {"localisation": compared(0.9, 0.3, 0.4, 0.7)}},
        }
    )
    assert "on 1,085 films" in str(heat_words(card, "cardiomegaly"))
    assert not points_elsewhere(card, "cardiomegaly")
