"""Bands of curves: against a plain bootstrap written out, against scikit-learn's curves, and with patients as one."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from cxr_core.evaluation.bootstrap.bands import GRID, bands, intervals
from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, interval
from cxr_core.evaluation.metrics.sweep import THRESHOLDS

RESAMPLES = 200
CHANCE = np.random.default_rng(3)
PATIENTS = np.repeat(np.arange(60), 2)
LABELS = np.repeat((CHANCE.random(60) < 0.4).astype(float), 2)
said = np.round(np.clip(CHANCE.normal(0.4 + 0.15 * LABELS, 0.2), 0, 1), 3)


@pytest.fixture(scope="module")
def found():
    return bands(said, LABELS, PATIENTS, resamples=RESAMPLES)


def test_the_curves_in_the_middle_are_scikit_learns(found):
    false_rate, true_rate, _ = roc_curve(LABELS, said, drop_intermediate=False)
    for place in (0, 13, 50, 100):
        # The top of the curve where it rises straight up.
        below = np.flatnonzero(false_rate <= GRID[place] + 1e-12)[-1]
        above = min(below + 1, len(false_rate) - 1)
        run = false_rate[above] - false_rate[below]
        part = (GRID[place] - false_rate[below]) / run if run else 0
        expected = true_rate[below] + part * (true_rate[above] - true_rate[below])
        assert found.roc.value[place] == pytest.approx(expected)
    precision, recall, _ = precision_recall_curve(LABELS, said)
    for place in (50, 100):  # recalls that whole numbers of these films give
        reached = np.isclose(recall, GRID[place])
        assert found.precision_recall.value[place] == pytest.approx(precision[reached].max())


def test_a_band_is_the_plain_bootstrap_of_whole_patients(found):
    """Written out: the same draws, each resample's films repeated, scikit-learn's curve of them."""
    heights = []

    def curve(weights):
        for times in weights.astype(int):
            films = np.repeat(np.arange(len(LABELS)), times)
            false_rate, true_rate, _ = roc_curve(
                LABELS[films], said[films], drop_intermediate=False
            )
            heights.append(np.interp(GRID, false_rate, true_rate))
        return {"value": np.zeros(len(weights))}

    bootstrapped(curve, PATIENTS, resamples=RESAMPLES)
    low, high = np.percentile(heights[1:], [2.5, 97.5], axis=0)
    assert found.roc.low == pytest.approx(low)
    assert found.roc.high == pytest.approx(high)


@pytest.mark.parametrize("place", [0, 250, 432, 700])
def test_figures_against_the_threshold_have_the_plain_bootstraps_intervals(place, found):
    called = said >= THRESHOLDS[place]

    def precision(weights):
        return {
            "value": np.array([np.sum(w * called * LABELS) / np.sum(w * called) for w in weights])
        }

    with np.errstate(invalid="ignore"):
        low, high = interval(bootstrapped(precision, PATIENTS, resamples=RESAMPLES)["value"])
    band = found.at_thresholds["precision"]
    assert (band.low[place], band.high[place]) == pytest.approx((low, high), nan_ok=True)
    (tn, fp), (fn, tp) = confusion_matrix(LABELS, called, labels=[0, 1])
    assert found.at_thresholds["sensitivity"].value[place] == pytest.approx(tp / (tp + fn))
    assert found.at_thresholds["specificity"].value[place] == pytest.approx(tn / (tn + fp))


def test_films_of_one_patient_widen_the_band():
    twice = np.repeat(said[::2], 2)
    together, apart = (
        bands(twice, LABELS, each, resamples=RESAMPLES)
        for each in (PATIENTS, np.arange(len(LABELS)))
    )
    widths = [np.nanmean(each.roc.high - each.roc.low) for each in (together, apart)]
    assert widths[0] > 1.2 * widths[1]


def test_many_distinct_scores_change_the_band_by_little():
    chance = np.random.default_rng(5)
    labels = (chance.random(4000) < 0.1).astype(float)
    scores = chance.normal(labels, 1)
    probabilities = 1 / (1 + np.exp(-scores))
    found = bands(probabilities, labels, np.arange(4000), resamples=RESAMPLES)
    false_rate, true_rate, _ = roc_curve(labels, probabilities)
    assert found.roc.value == pytest.approx(np.interp(GRID, false_rate, true_rate), abs=0.01)


def test_one_class_alone_has_no_curve_but_the_rate_that_it_defines():
    found = bands(np.array([0.2, 0.6, 0.7]), np.zeros(3), np.arange(3))
    assert found.roc is None
    assert found.precision_recall is None
    assert np.isnan(found.at_thresholds["sensitivity"].value).all()
    assert found.at_thresholds["specificity"].value[500] == pytest.approx(1 / 3)


def test_intervals_of_columns_are_those_of_each():
    values = np.random.default_rng(1).random((101, 5))
    values[20:90, 1] = np.nan
    values[1:, 2] = np.nan
    values[0, 3] = np.nan
    expected = np.array([interval(column) for column in values.T]).T
    np.testing.assert_allclose(intervals(values), expected)
