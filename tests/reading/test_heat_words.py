"""The sentence under a heatmap follows the recorded comparison with the image's centre."""

import pytest

from cxr_core.reading.heat_words import heat_words, points_elsewhere
from tests.tiny import tiny_card


def compared(hit: float, centre: float, low: float | None, high: float | None) -> dict:
    pointing = {
        "hit": {"value": hit, "low": None, "high": None},
        "centre": {"value": centre, "low": None, "high": None},
        "minus_centre": {"value": hit - centre, "low": low, "high": high},
    }
    return {"films": 1085, "pointing": [pointing, {}]}


def card_with(found: dict):
    return tiny_card(metrics={"validation": {"pneumonia": {}}, "boxes": {"cardiomegaly": {"localisation": found}}})


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
    assert points_elsewhere(card_with(compared(0.31, 0.98, low, high)), "cardiomegaly") == ("does not show" in says)
    assert "lay in it on 31 %, the middle of the image on 98 %" in words


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
