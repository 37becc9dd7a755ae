"""Bands of curves: against a plain bootstrap written out, against scikit-learn's curves, and with patients as one."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, percentile_interval
from cxr_core.evaluation.bootstrap.confidence_bands import (
    GRID,
    compute_confidence_bands,
    percentile_intervals,
)
from cxr_core.evaluation.metrics.sweep import THRESHOLDS

RESAMPLES = 200
RNG = np.random.default_rng(3)
PATIENTS = np.repeat(np.arange(60), 2)
LABELS = np.repeat((RNG.random(60) < 0.4).astype(float), 2)
PROBABILITIES = np.round(np.clip(RNG.normal(0.4 + 0.15 * LABELS, 0.2), 0, 1), 3)


@pytest.fixture(scope="module")
def bands():
    return compute_confidence_bands(PROBABILITIES, LABELS, PATIENTS, resamples=RESAMPLES)


def test_the_curves_in_the_middle_are_scikit_learns(bands):
    false_rate, true_rate, _ = roc_curve(LABELS, PROBABILITIES, drop_intermediate=False)
    for place in (0, 13, 50, 100):
        # The top of the curve where it rises straight up.
        below = np.flatnonzero(false_rate <= GRID[place] + 1e-12)[-1]
        above = min(below + 1, len(false_rate) - 1)
        run = false_rate[above] - false_rate[below]
        part = (GRID[place] - false_rate[below]) / run if run else 0
        expected = true_rate[below] + part * (true_rate[above] - true_rate[below])
        assert bands.roc.value[place] == pytest.approx(expected)
    precision, recall, _ = precision_recall_curve(LABELS, PROBABILITIES)
    for place in (50, 100):  # recalls that whole numbers of these films give
        reached = np.isclose(recall, GRID[place])
        assert bands.precision_recall.value[place] == pytest.approx(precision[reached].max())


def test_a_band_is_the_plain_bootstrap_of_whole_patients(bands):
    """Written out: the same draws, each resample's films repeated, scikit-learn's curve of them."""
    heights = []

    def curve(resamples):
        weights = resamples.to_weights()
        for times in weights.astype(int):
            films = np.repeat(np.arange(len(LABELS)), times)
            false_rate, true_rate, _ = roc_curve(
                LABELS[films], PROBABILITIES[films], drop_intermediate=False
            )
            heights.append(np.interp(GRID, false_rate, true_rate))
        return {"value": np.zeros(len(weights))}

    bootstrap_patients(curve, PATIENTS, resamples=RESAMPLES, by_film=True)
    low, high = np.percentile(heights[1:], [2.5, 97.5], axis=0)
    assert bands.roc.low == pytest.approx(low)
    assert bands.roc.high == pytest.approx(high)


@pytest.mark.parametrize("place", [0, 250, 432, 700])
def test_figures_against_the_threshold_have_the_plain_bootstraps_intervals(place, bands):
    called = THRESHOLDS[place] <= PROBABILITIES

    def precision(resamples):
        rows = [row * called for row in resamples.to_weights()]
        return {"value": np.array([np.sum(row * LABELS) / np.sum(row) for row in rows])}

    with np.errstate(invalid="ignore"):
        values = bootstrap_patients(precision, PATIENTS, resamples=RESAMPLES, by_film=True)
        low, high = percentile_interval(values["value"])
    band = bands.at_thresholds["precision"]
    assert (band.low[place], band.high[place]) == pytest.approx((low, high), nan_ok=True)
    (tn, fp), (fn, tp) = confusion_matrix(LABELS, called, labels=[0, 1])
    assert bands.at_thresholds["sensitivity"].value[place] == pytest.approx(tp / (tp + fn))
    assert bands.at_thresholds["specificity"].value[place] == pytest.approx(tn / (tn + fp))


def test_films_of_one_patient_widen_the_band():
    twice = np.repeat(PROBABILITIES[::2], 2)
    together, apart = (
        compute_confidence_bands(twice, LABELS, each, resamples=RESAMPLES)
        for each in (PATIENTS, np.arange(len(LABELS)))
    )
    widths = [np.nanmean(each.roc.high - each.roc.low) for each in (together, apart)]
    assert widths[0] > 1.2 * widths[1]


def test_many_distinct_scores_change_the_band_by_little():
    rng = np.random.default_rng(5)
    labels = (rng.random(4000) < 0.1).astype(float)
    scores = rng.normal(labels, 1)
    probabilities = 1 / (1 + np.exp(-scores))
    bands = compute_confidence_bands(probabilities, labels, np.arange(4000), resamples=RESAMPLES)
    false_rate, true_rate, _ = roc_curve(labels, probabilities)
    assert bands.roc.value == pytest.approx(np.interp(GRID, false_rate, true_rate), abs=0.01)


def test_one_class_alone_has_no_curve_but_the_rate_that_it_defines():
    bands = compute_confidence_bands(np.array([0.2, 0.6, 0.7]), np.zeros(3), np.arange(3))
    assert bands.roc is None
    assert bands.precision_recall is None
    assert np.isnan(bands.at_thresholds["sensitivity"].value).all()
    assert bands.at_thresholds["specificity"].value[500] == pytest.approx(1 / 3)


def test_intervals_of_columns_are_those_of_each():
    values = np.random.default_rng(1).random((101, 5))
    values[20:90, 1] = np.nan
    values[1:, 2] = np.nan
    values[0, 3] = np.nan
    expected = np.array([percentile_interval(column) for column in values.T]).T
    np.testing.assert_allclose(percentile_intervals(values), expected)
