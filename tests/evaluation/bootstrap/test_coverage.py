"""The sets that coverage is measured on have the truths that are stated, and their intervals are counted."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score

from benchmarks.coverage import THRESHOLD, coverage, films, truth


@pytest.mark.parametrize("each", [1, 2])
def test_the_truth_is_that_of_many_films(each):
    probabilities, labels, patients = films(np.random.default_rng(1), 200_000, each)
    stated = truth()
    assert len(np.unique(patients)) == len(patients) / each
    assert roc_auc_score(labels, probabilities) == pytest.approx(stated["auroc"], abs=0.003)
    assert recall_score(labels, probabilities >= THRESHOLD) == pytest.approx(
        stated["sensitivity"], abs=0.006
    )
    assert brier_score_loss(labels, probabilities) == pytest.approx(stated["brier"], abs=0.002)
    assert probabilities.mean() == pytest.approx(labels.mean(), abs=0.003)


def test_most_intervals_hold_the_truth():
    found = coverage(12, resamples=100)
    assert set(found) == {
        "delong",
        *(f"{n}.{k}" for n in ("one", "two") for k in ("auroc", "sensitivity", "brier")),
    }
    assert (
        min(found.values()) >= 0.6
    )  # 12 sets at 95 % fall below with a chance of less than one in a million each
