"""The calibration line against scikit-learn and scipy, on films repeated as weights say; and where there is none."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cxr_core.evaluation.metrics.calibration_slope import fit_calibration_line
from tests.evaluation.metrics.test_metrics import films


def by_scikit_learn(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(
        logit(probabilities)[:, None], labels
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def by_scipy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    def loss(line: np.ndarray) -> float:
        said = line[0] * logit(probabilities) + line[1]
        return float(np.mean(np.logaddexp(0, said) - labels * said))

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="BFGS", options={"gtol": 1e-9}).x
    return float(slope), float(intercept)


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_scikit_learns_and_scipys_on_repeated_films(seed):
    probabilities, labels, weights = films(seed)
    found = fit_calibration_line(probabilities, labels, np.stack([np.ones(400), weights]))
    again = np.repeat(np.arange(400), weights.astype(int))
    for row, chosen in enumerate((np.arange(400), again)):
        line = found.slope[row], found.intercept[row]
        assert line == pytest.approx(
            by_scikit_learn(probabilities[chosen], labels[chosen]), abs=1e-6
        )
        assert line == pytest.approx(by_scipy(probabilities[chosen], labels[chosen]), abs=1e-5)


def test_many_rows_are_each_fitted_as_if_alone():
    probabilities, labels, _ = films(5, 150)
    chance = np.random.default_rng(0)
    weights = np.stack(
        [np.bincount(chance.integers(0, 150, 150), minlength=150) for _ in range(120)]
    ).astype(float)
    found = fit_calibration_line(probabilities, labels, weights)
    alone = [fit_calibration_line(probabilities, labels, row) for row in weights]
    assert found.slope == pytest.approx(np.array([each.slope for each in alone]), abs=1e-8)
    assert found.intercept == pytest.approx(np.array([each.intercept for each in alone]), abs=1e-8)


@given(st.floats(0.2, 4), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_what_was_built_into_the_log_odds_is_found(stretch, shift):
    """Probabilities that are right, made wrong by a line: the line found is that of the right ones taken back."""
    probabilities, labels, _ = films(6)
    right = fit_calibration_line(probabilities, labels)
    moved = (logit(probabilities) - shift) / stretch
    assume(np.abs(moved).max() < 20)  # beyond it a probability does not hold enough digits
    wrong = fit_calibration_line(expit(moved), labels)
    assert wrong.slope == pytest.approx(right.slope * stretch, rel=1e-5)
    assert wrong.intercept == pytest.approx(right.intercept + right.slope * shift, abs=1e-5)


def test_right_probabilities_have_slope_one_and_intercept_nought():
    probabilities = np.repeat([0.1, 0.5, 0.9], 1000)
    labels = np.concatenate([np.arange(1000) < count for count in (100, 500, 900)]).astype(float)
    found = fit_calibration_line(probabilities, labels)
    assert (found.slope, found.intercept) == pytest.approx((1, 0), abs=1e-9)


def test_nearly_parted_films_and_certain_probabilities_still_have_their_line():
    said = np.array([-9.0, -8.0, -0.01, 0.01, 8.0, 9.0])
    labels = np.array([0.0, 0, 1, 0, 1, 1])
    found = fit_calibration_line(expit(said), labels)
    assert (found.slope, found.intercept) == pytest.approx(
        by_scikit_learn(expit(said), labels), abs=1e-3
    )
    certain = fit_calibration_line(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1, 0, 1]))
    assert certain.slope == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_few_and_far_flung_films_have_their_line_wherever_there_is_one(seed):
    """Every film once more with the other label, counting a little: so there is a line, however steep."""
    chance = np.random.default_rng(seed)
    said = np.clip(np.round(3 * chance.standard_t(1, 20), 1), -30, 30)
    labels = (chance.random(20) < 0.3).astype(float)
    twice, both = np.tile(logit(expit(said)), 2), np.concatenate([labels, 1 - labels])
    weights = np.stack([np.repeat([1.0, share], 20) for share in (0.5, 0.05, 0.001)])
    found = fit_calibration_line(expit(np.tile(said, 2)), both, weights)
    for row, counts in enumerate(weights):
        off = expit(found.slope[row] * twice + found.intercept[row]) - both
        assert [counts @ off, counts @ (off * twice)] == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ([0.1, 0.2, 0.3], [0, 0, 0]),
        ([0.1, 0.2, 0.3], [1, 1, 1]),
        ([0.3, 0.3, 0.3], [0, 1, 0]),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]),
        ([0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0]),
        ([0.1, 0.2, 0.2, 0.4], [0, 0, 1, 1]),
        ([0.1, np.nan, 0.3, 0.4], [0, 1, 0, 1]),
        ([], []),
    ],
)
def test_where_no_line_is_best_there_is_none(said, labels):
    found = fit_calibration_line(np.array(said, float), np.array(labels, float))
    assert np.isnan([found.slope, found.intercept]).all()


def test_a_row_that_parts_the_classes_has_no_line_and_the_others_keep_theirs():
    said, labels = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.0, 1, 0, 1, 1])
    found = fit_calibration_line(
        said, labels, np.array([[1.0, 1, 1, 1, 1], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]])
    )
    assert np.isnan(found.slope[1:]).all()
    assert found.slope[0] == pytest.approx(by_scikit_learn(said, labels)[0], abs=1e-6)
