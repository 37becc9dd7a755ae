"""The threshold of likely normal films: as high as the films allow, checked against every other threshold."""

import numpy as np

from cxr_core.training.export.confident_normal import fit_confident_normal


def draw_films(seed: int, distance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities with ties, labels and patients of 400 films; distance between the classes, in log-odds."""
    chance = np.random.default_rng(seed)
    labels = (chance.random(400) < 0.6).astype(np.float32)
    scores = chance.normal(0, 1, 400) + distance * labels
    probabilities = np.round(1 / (1 + np.exp(distance / 2 - scores)), 2)
    return probabilities, labels, np.arange(400) // 2


def test_no_higher_threshold_keeps_97_per_cent_normal():
    for seed in range(5):
        probabilities, labels, patients = draw_films(seed, 4)
        found = fit_confident_normal(probabilities, labels, patients, "a test")
        assert found is not None
        below = probabilities < found.threshold
        normal = found.negative_predictive_value
        assert normal.value == np.round(np.mean(labels[below] == 0), 6) >= 0.97
        assert normal.n == below.sum()
        assert normal.low <= normal.value <= normal.high
        assert found.share.value == np.mean(below) >= 0.2
        for higher in [*np.unique(probabilities[~below])[1:], 1.1]:
            assert np.mean(labels[probabilities < higher] == 0) < 0.97


def test_classes_that_part_badly_have_no_such_threshold():
    probabilities, labels, patients = draw_films(0, 1)
    assert fit_confident_normal(probabilities, labels, patients, "a test") is None


def test_a_threshold_that_few_films_reach_is_not_kept():
    labels = np.repeat([0.0, 1.0], [19, 81])
    probabilities = np.linspace(0.01, 0.99, 100)
    assert fit_confident_normal(probabilities, labels, np.arange(100), "a test") is None
    labels = np.repeat([0.0, 1.0], [20, 80])
    assert fit_confident_normal(probabilities, labels, np.arange(100), "a test") is not None
