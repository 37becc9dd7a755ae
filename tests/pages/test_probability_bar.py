"""The bar on which a finding's probability lies between its thresholds."""

import re
from html import unescape
from itertools import pairwise

import pytest

from cxr_core.reading.calibration import expit
from pages.components.probability_bar import draw_probability_bar, position_on_bar


def lefts(html: str) -> list[float]:
    return [float(left) for left in re.findall(r"left: ([\d.]+)%", html)]


def test_label_says_in_words_what_is_seen() -> None:
    html = draw_probability_bar("Cardiomegaly", 0.12, 0.06, 0.009, "suspected")
    assert (
        'role="img" aria-label="Cardiomegaly: suspected, 12 %; suspected from 6.0 %, '
        'not suspected below 0.9 %"'
    ) in html


@pytest.mark.parametrize(
    ("probability", "threshold", "verdict", "label"),
    [
        (0.2401, 0.2427, "not suspected", "not suspected, 24.0 %; suspected from 24.3 %"),
        (0.2426, 0.2427, "not suspected", "not suspected, 24.26 %; suspected from 24.27 %"),
        (0.0523, 0.0519, "suspected", "suspected, 5.2 %; suspected from 5.2 %"),
        (0.2449, 0.2427, "suspected", "suspected, 24 %; suspected from 24 %"),
        (0.004, 0.0004, "suspected", "suspected, <1 %; suspected from 0.040 %"),
        (0.9997, 0.9996, "suspected", "suspected, >99 %; suspected from 99.960 %"),
    ],
)
def test_number_and_threshold_never_contradict_the_verdict(
    probability: float, threshold: float, verdict: str, label: str
) -> None:
    html = draw_probability_bar("Abnormal film", probability, threshold, threshold, verdict)
    assert f'aria-label="Abnormal film: {label}"' in unescape(html)


def test_single_threshold_is_named_once() -> None:
    html = draw_probability_bar("Pneumonia", 0.3, 0.5, 0.5, "not suspected")
    assert "not suspected below" not in html
    assert "undecided" not in html
    assert html.count("50 %") == 3  # in the label, at the threshold and on the scale


def test_scale_has_equal_steps_of_odds_and_ends() -> None:
    steps = [position_on_bar(expit(logit)) for logit in (-4, -2, 0, 2, 4)]
    assert steps[2] == 50
    differences = [after - before for before, after in pairwise(steps)]
    assert differences == [pytest.approx(differences[0])] * 4
    assert (position_on_bar(0.0), position_on_bar(1.0)) == (0, 100)


def test_zones_and_the_films_place_follow_thresholds_and_probability() -> None:
    html = draw_probability_bar("Cardiomegaly", 0.12, 0.06, 0.009, "suspected")
    low, high, place = (round(position_on_bar(p), 2) for p in (0.009, 0.06, 0.12))
    zones = re.findall(r"left: ([\d.]+)%[^>]*background: rgb", html)
    assert [float(left) for left in zones[:3]] == [0, low, high]
    assert lefts(html)[-1] == place
    assert low < high < place


@pytest.mark.parametrize("probability", [0.001, 0.01, 0.05, 0.06, 0.12, 0.4, 0.9, 0.99])
def test_the_marker_covers_no_name_of_a_zone(probability: float) -> None:
    html = draw_probability_bar("Cardiomegaly", probability, 0.06, 0.009, "suspected")
    place = position_on_bar(probability)
    names = re.findall(
        r"left: ([\d.]+)%[^>]*width: ([\d.]+)%[^>]*>(not suspected|suspected|undecided)<", html
    )
    assert names
    for left, width, name in names:
        assert not float(left) - 2.9 < place < float(left) + float(width) + 2.9, name


def test_name_is_escaped() -> None:
    assert "<img" not in draw_probability_bar('"><img src=x>', 0.5, 0.5, 0.5, "suspected")
