"""The change of a ratio between two films: its interval holds as often as it says, and its words can be checked."""

import math

import numpy as np
import pytest

from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.cardiothoracic.ratio import Measurement


def measured(value: float | None, low: float | None = None, high: float | None = None):
    return Measurement(value=value, low=low, high=high)


def test_symmetric_intervals_add_by_squares():
    change = compare_ratios(measured(0.48, 0.45, 0.51), measured(0.55, 0.51, 0.59))
    assert change is not None
    assert change.difference == pytest.approx(0.07)
    assert change.low == pytest.approx(0.07 - math.hypot(0.03, 0.04))
    assert change.high == pytest.approx(0.07 + math.hypot(0.03, 0.04))
    assert change.describe() == "0.48 → 0.55, +0.07 (0.02 to 0.12)"


def test_of_lopsided_intervals_the_sides_that_face_each_other_count():
    """A prior that may be much larger than measured widens the difference downwards, not upwards."""
    change = compare_ratios(measured(0.50, 0.49, 0.60), measured(0.50, 0.48, 0.51))
    assert change is not None
    assert change.low == pytest.approx(-math.hypot(0.02, 0.10))
    assert change.high == pytest.approx(math.hypot(0.01, 0.01))


def test_the_interval_holds_the_true_difference_on_95_of_100_pairs():
    """Log-normal errors, whose own intervals are lopsided, and unequal for the two films."""
    chance, z, pairs = np.random.default_rng(0), 1.959964, 20_000
    true_prior, true_current, sd_prior, sd_current = 0.48, 0.55, 0.12, 0.05
    held = 0
    for prior_error, current_error in chance.normal(size=(pairs, 2)):
        prior = true_prior * math.exp(sd_prior * prior_error)
        current = true_current * math.exp(sd_current * current_error)
        change = compare_ratios(
            measured(prior, prior * math.exp(-z * sd_prior), prior * math.exp(z * sd_prior)),
            measured(
                current, current * math.exp(-z * sd_current), current * math.exp(z * sd_current)
            ),
        )
        assert change is not None
        assert change.low is not None
        assert change.high is not None
        held += change.low <= true_current - true_prior <= change.high
    assert held / pairs == pytest.approx(0.95, abs=0.01)


def test_a_ratio_edited_by_hand_has_a_difference_without_an_interval():
    change = compare_ratios(measured(0.48, 0.45, 0.51), measured(0.44))
    assert change is not None
    assert (change.low, change.high) == (None, None)
    assert change.describe() == "0.48 → 0.44, −0.04 (no interval: edited by hand)"


@pytest.mark.parametrize(("prior", "current"), [(None, 0.5), (0.5, None), (None, None)], ids=str)
def test_without_both_ratios_there_is_no_change(prior: float | None, current: float | None):
    assert compare_ratios(measured(prior), measured(current)) is None


def test_the_difference_is_that_of_the_numbers_that_are_written():
    up = compare_ratios(measured(0.4849), measured(0.5451))  # 0.0602 apart
    assert up is not None
    assert up.describe().startswith("0.48 → 0.55, +0.07 ")
    same = compare_ratios(measured(0.441), measured(0.439))
    assert same is not None
    assert same.describe().startswith("0.44 → 0.44, 0.00 ")
