"""DeLong's variance against the definition over all pairs of films, and its intervals against drawn samples."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cxr_core.evaluation.metrics.delong import compare_aurocs_by_delong, compute_delong_auroc


def two_scores(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two correlated scores with ties, and labels."""
    chance = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(float)
    shared = chance.normal(size=count)
    first, second = (
        np.round(shared + chance.normal(size=count) + by * labels, 1) for by in (1.5, 1.0)
    )
    return first, second, labels


def by_pairs(scores: list[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs (M,) and their covariance (M, M) as DeLong et al. define them: every positive beside every negative."""
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wins = np.zeros((len(scores), len(positives), len(negatives)))
    for which, (row, i), (column, j) in product(
        range(len(scores)), enumerate(positives), enumerate(negatives)
    ):
        wins[which, row, column] = (
            1.0
            if scores[which][i] > scores[which][j]
            else 0.5 * (scores[which][i] == scores[which][j])
        )
    areas = wins.mean(axis=(1, 2))
    of_positives, of_negatives = (
        wins.mean(axis=2) - areas[:, None],
        wins.mean(axis=1) - areas[:, None],
    )
    m, n = len(positives), len(negatives)
    return areas, of_positives @ of_positives.T / (m - 1) / m + of_negatives @ of_negatives.T / (
        n - 1
    ) / n


@pytest.mark.parametrize("seed", range(4))
def test_one_auroc_is_that_of_all_pairs(seed):
    scores, _, labels = two_scores(seed)
    areas, covariance = by_pairs([scores], labels)
    found = compute_delong_auroc(scores, labels)
    assert found.value == pytest.approx(areas[0]) == pytest.approx(roc_auc_score(labels, scores))
    error = np.sqrt(covariance[0, 0]) / (areas[0] * (1 - areas[0]))
    assert logit([found.low, found.high]) == pytest.approx(
        logit(areas[0]) + np.array([-1, 1]) * 1.959964 * error, abs=1e-6
    )
    assert (found.n, found.positives) == (60, 20)


@pytest.mark.parametrize("seed", range(4))
def test_a_difference_is_that_of_all_pairs(seed):
    first, second, labels = two_scores(seed)
    areas, covariance = by_pairs([first, second], labels)
    error = np.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    found = compare_aurocs_by_delong(first, second, labels)
    assert found.value == pytest.approx(areas[0] - areas[1])
    assert found.z == pytest.approx(found.value / error)
    assert found.p == pytest.approx(2 * min(norm.cdf(found.z), 1 - norm.cdf(found.z)))
    assert found.high - found.low == pytest.approx(2 * 1.959964 * error, abs=1e-6)
    assert (found.low > 0 or found.high < 0) is (found.p < 0.05)


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_difference_mirrors_with_its_scores_and_knows_only_their_order(seed):
    first, second, labels = two_scores(seed, 30)
    found, back = (
        compare_aurocs_by_delong(first, second, labels),
        compare_aurocs_by_delong(second, np.exp(first), labels),
    )
    assert found.p == back.p
    assert (found.value, found.low, found.high) == pytest.approx(
        (-back.value, -back.high, -back.low)
    )


def test_intervals_hold_the_truth_as_often_as_they_say():
    chance = np.random.default_rng(0)
    truth, inside = norm.cdf(1.5 / np.sqrt(2)), []
    labels = (np.arange(120) < 40).astype(float)
    for _ in range(600):
        found = compute_delong_auroc(chance.normal(size=120) + 1.5 * labels, labels)
        inside.append(found.low < truth < found.high)
    assert 0.925 < np.mean(inside) < 0.975


def test_two_models_of_one_quality_differ_by_chance_as_often_as_the_test_says():
    chance = np.random.default_rng(1)
    labels = (np.arange(120) < 40).astype(float)
    low = []
    for _ in range(600):
        shared = chance.normal(size=120) + labels
        low.append(
            compare_aurocs_by_delong(
                *(shared + chance.normal(size=120) for _ in range(2)), labels
            ).p
            < 0.05
        )
    assert 0.025 < np.mean(low) < 0.08


def test_undefined_stays_undefined():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    for labels, value in (
        ([0, 0, 0, 0], None),
        ([1, 1, 1, 1], None),
        ([0, 0, 0, 1], 1.0),
        ([0, 0, 1, 1], 1.0),
    ):
        found = compute_delong_auroc(scores, np.array(labels))
        assert (found.value, found.low, found.high) == (value, None, None)
    assert (
        compute_delong_auroc(np.array([0.1, np.nan, 0.3, 0.4]), np.array([0, 1, 0, 1])).value
        is None
    )
    same = compare_aurocs_by_delong(scores, scores**2, np.array([0, 1, 0, 1]))
    assert (same.value, same.low, same.high, same.z, same.p) == (0, None, None, None, None)
    assert compare_aurocs_by_delong(scores, -scores, np.zeros(4)).value is None
