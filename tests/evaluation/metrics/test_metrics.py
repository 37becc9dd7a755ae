"""Every figure against scikit-learn, resamples included, and what an undefined one looks like."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as sk

from cxr_core.evaluation.metrics import metrics

SCORED = {
    metrics.auroc: sk.roc_auc_score,
    metrics.average_precision: sk.average_precision_score,
    metrics.brier_score: sk.brier_score_loss,
    metrics.log_loss: sk.log_loss,
}
RATES = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "precision": sk.precision_score,
    "sensitivity": sk.recall_score,
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
}


def films(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities with ties, labels, and how often each film counts: some not at all."""
    chance = np.random.default_rng(seed)
    labels = (chance.random(count) < 0.3).astype(float)
    probabilities = 1 / (1 + np.exp(-(chance.normal(0, 1, count) + labels)))
    return np.round(probabilities, 2), labels, chance.integers(0, 4, count).astype(float)


@pytest.mark.parametrize(("ours", "theirs"), SCORED.items(), ids=lambda measure: measure.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(ours, theirs, seed):
    probabilities, labels, weights = films(seed)
    assert ours(probabilities, labels) == pytest.approx(theirs(labels, probabilities), abs=1e-12)
    weighted = ours(probabilities, labels, np.stack([weights, np.ones_like(weights)]))
    assert weighted[0] == pytest.approx(
        theirs(labels, probabilities, sample_weight=weights), abs=1e-12
    )
    assert weighted[1] == pytest.approx(theirs(labels, probabilities), abs=1e-12)


@pytest.mark.parametrize(("name", "theirs"), RATES.items())
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_rates_agree_with_scikit_learn(name, theirs, threshold):
    probabilities, labels, weights = films(7)
    called = probabilities >= threshold
    assert getattr(metrics.count_confusion(called, labels), name) == pytest.approx(
        theirs(labels, called)
    )
    resampled = getattr(metrics.count_confusion(called, labels, weights[None]), name)
    assert resampled == pytest.approx(theirs(labels, called, sample_weight=weights))


def test_specificity_is_the_recall_of_the_negative_class():
    probabilities, labels, _ = films(8)
    counts = metrics.count_confusion(probabilities >= 0.5, labels)
    assert counts.specificity == pytest.approx(
        sk.recall_score(labels, probabilities >= 0.5, pos_label=0)
    )
    assert counts.npv == pytest.approx(sk.precision_score(1 - labels, probabilities < 0.5))
    assert counts.of_negatives.precision == pytest.approx(
        sk.precision_score(labels, probabilities >= 0.5, pos_label=0)
    )


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_likelihood_ratios_are_scikit_learns(threshold):
    probabilities, labels, weights = films(7)
    called = probabilities >= threshold
    counts = metrics.count_confusion(called, labels, weights[None])
    expected = sk.class_likelihood_ratios(labels, called, sample_weight=weights)
    assert (counts.lr_positive[0], counts.lr_negative[0]) == pytest.approx(expected)


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_parts_make_up_the_brier_score(seed):
    probabilities, labels, weights = films(seed, 60)
    parts = metrics.decompose_brier_score(probabilities, labels, weights[None])
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert whole[0] == pytest.approx(
        sk.brier_score_loss(labels, probabilities, sample_weight=weights), abs=1e-12
    )


def test_the_parts_of_a_brier_score_are_counted_bin_by_bin():
    probabilities, labels, _ = films(10)
    place, share = np.minimum(np.floor(probabilities * 15), 14), labels.mean()
    reliability = resolution = 0.0
    for each in np.unique(place):
        inside = place == each
        reliability += inside.mean() * (probabilities[inside].mean() - labels[inside].mean()) ** 2
        resolution += inside.mean() * (labels[inside].mean() - share) ** 2
    parts = metrics.decompose_brier_score(probabilities, labels)
    found = (parts.reliability, parts.resolution, parts.uncertainty)
    assert found == pytest.approx((reliability, resolution, share * (1 - share)))


def test_nothing_is_left_over_where_a_bin_says_one_probability():
    probabilities = np.repeat([0.1, 0.5, 0.9], 1000)
    labels = np.concatenate([np.arange(1000) < count for count in (200, 500, 800)]).astype(float)
    parts = metrics.decompose_brier_score(probabilities, labels)
    found = (parts.reliability, parts.resolution, parts.uncertainty, parts.within)
    assert found == pytest.approx((0.02 / 3, 0.18 / 3, 0.25, 0), abs=1e-12)


def test_the_adaptive_error_is_that_of_bins_of_equally_many_films():
    chance = np.random.default_rng(0)
    probabilities = chance.permutation(np.linspace(0.001, 0.999, 600) ** 4)
    labels = (chance.random(600) < np.sqrt(probabilities)).astype(float)
    order = np.argsort(probabilities).reshape(15, 40)
    expected = np.mean([abs(probabilities[each].mean() - labels[each].mean()) for each in order])
    assert metrics.adaptive_calibration_error(probabilities, labels) == pytest.approx(expected)
    shuffled = chance.permutation(600)
    assert metrics.adaptive_calibration_error(
        probabilities[shuffled], labels[shuffled]
    ) == pytest.approx(expected)


def test_films_of_one_probability_share_a_bin_of_the_adaptive_error():
    probabilities, labels = np.repeat([0.2, 0.7], [90, 10]), np.tile([0.0, 1.0], 50)
    assert metrics.adaptive_calibration_error(probabilities, labels) == pytest.approx(
        0.9 * 0.3 + 0.1 * 0.2
    )


def test_weights_are_repetitions():
    probabilities, labels, weights = films(9)
    again = np.repeat(np.arange(len(labels)), weights.astype(int))
    for measure in (
        *SCORED,
        metrics.expected_calibration_error,
        metrics.adaptive_calibration_error,
    ):
        assert measure(probabilities, labels, weights) == pytest.approx(
            measure(probabilities[again], labels[again])
        )


def test_auroc_is_the_mann_whitney_statistic():
    scores, labels, _ = films(0)
    positive, negative = scores[labels == 1], scores[labels == 0]
    expected = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
    assert metrics.auroc(scores, labels) == pytest.approx(expected)


@given(st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_auroc_ignores_monotone_changes_and_mirrors_with_the_classes(seed):
    chance = np.random.default_rng(seed)
    scores, labels = chance.normal(size=50), np.arange(50) % 2
    assert metrics.auroc(np.exp(scores), labels) == pytest.approx(metrics.auroc(scores, labels))
    assert metrics.auroc(scores, 1 - labels) == pytest.approx(1 - metrics.auroc(scores, labels))


def test_undefined_stays_undefined():
    scores, none = np.array([0.2, 0.7]), np.zeros(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = metrics.count_confusion(scores > 0.9, none)
        undefined = [metrics.auroc(scores, none), metrics.average_precision(scores, none)]
        undefined += [metrics.auroc(np.array([0.1, np.nan]), np.array([0, 1]))]
        undefined += [
            counts.sensitivity,
            counts.precision,
            counts.f1,
            counts.balanced_accuracy,
            counts.mcc,
        ]
        undefined += [
            counts.lr_positive,
            counts.lr_negative,
            metrics.count_confusion(scores > 0, none).npv,
        ]
        undefined += [metrics.count_confusion(scores > 0.5, np.array([0, 1])).lr_positive]
        undefined += [
            measure(np.empty(0), np.empty(0))
            for measure in (*SCORED, metrics.adaptive_calibration_error)
        ]
        undefined += vars(metrics.decompose_brier_score(np.empty(0), np.empty(0))).values()
    assert np.isnan(undefined).all()
    assert (counts.specificity, counts.accuracy) == (1, 1)


def test_nothing_found_of_something_is_zero_and_not_undefined():
    counts = metrics.count_confusion(np.array([False, False]), np.array([1, 0]))
    assert (counts.sensitivity, counts.f1, counts.balanced_accuracy) == (0, 0, 0.5)
    assert np.isnan(counts.precision)


def test_calibration_error_is_the_gap_that_was_built_in():
    probabilities = np.repeat([0.1, 0.5, 0.9], 1000)
    labels = np.concatenate([np.arange(1000) < count for count in (200, 500, 800)]).astype(float)
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(0.2 / 3)
