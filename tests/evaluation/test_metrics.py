import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import balanced_accuracy_score, brier_score_loss

from cxr_core.evaluation import metrics
from cxr_core.evaluation.intervals import patient_bootstrap


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    labels = (chance.random(400) < 0.3).astype(float)
    return 1 / (1 + np.exp(-(chance.normal(0, 1, 400) + labels))), labels


def test_auroc_is_the_mann_whitney_statistic(sample):
    scores, labels = sample
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
    assert np.isnan(metrics.auroc(scores, none))
    assert np.isnan(metrics.average_precision(scores, none))
    assert np.isnan(metrics.sensitivity(scores > 0.5, none))
    figure = patient_bootstrap(metrics.auroc, scores, none, ["a", "b"], resamples=5)
    assert (figure.value, figure.low, figure.high, figure.positives) == (None, None, None, 0)


def test_rates_agree_with_scikit_learn(sample):
    scores, labels = sample
    called = scores >= 0.6
    balanced = (metrics.sensitivity(called, labels) + metrics.specificity(called, labels)) / 2
    assert balanced == pytest.approx(balanced_accuracy_score(labels, called))
    assert metrics.brier(scores, labels) == pytest.approx(brier_score_loss(labels, scores))


def test_calibration_error_is_the_gap_that_was_built_in():
    probabilities = np.repeat([0.1, 0.5, 0.9], 1000)
    labels = np.concatenate([np.arange(1000) < count for count in (200, 500, 800)]).astype(float)
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(0.2 / 3)


def test_resampling_patients_widens_the_interval_when_their_films_agree(sample):
    scores, labels = sample
    scores, labels = np.repeat(scores, 5), np.repeat(labels, 5)
    apart = patient_bootstrap(metrics.auroc, scores, labels, np.arange(2000), resamples=300)
    together = patient_bootstrap(metrics.auroc, scores, labels, np.repeat(np.arange(400), 5), resamples=300)
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert together.low < together.value < together.high
    assert (together.n, together.positives) == (2000, int(labels.sum()))
