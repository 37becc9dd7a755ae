"""Output that is of no use is recognised; a weak, a rare and a saturated model that tell films apart are not."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cxr_core.evaluation.metrics.degenerate import MIN_LOG_ODDS_SD, describe_degenerate_output
from cxr_core.reading.decision import Thresholds


def thresholds(present_from: float, absent_below: float) -> Thresholds:
    return Thresholds(
        present_from=present_from, absent_below=absent_below, operating_point=None, source=""
    )


def draw(mean: float, sd: float, count: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Correct probabilities, and labels drawn from them."""
    rng = np.random.default_rng(0)
    probabilities = expit(rng.normal(mean, sd, count))
    return probabilities, (rng.random(count) < probabilities).astype(float)


@pytest.mark.parametrize(
    "output",
    [
        np.full(100, 0.5),
        np.full(100, 1.0),
        0.25 + np.linspace(-0.005, 0.005, 100),
        np.where(np.arange(100) < 96, 0.02, 0.99),
    ],
)
def test_nearly_constant_output_is_named(output: np.ndarray) -> None:
    labels = np.arange(100) % 2
    assert describe_degenerate_output(output, labels).startswith("Nearly constant output")


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.4), (-4.5, 0.5), (0.0, 60.0)])
def test_weak_rare_and_saturated_output_is_not(mean: float, sd: float) -> None:
    assert describe_degenerate_output(*draw(mean, sd)) == ""


def test_correct_probabilities_at_the_limit_hardly_rank() -> None:
    """So nothing of use is shut out: the formula of the module against scikit-learn."""
    probabilities, labels = draw(0.0, MIN_LOG_ODDS_SD, 400_000)
    expected = norm.cdf(MIN_LOG_ODDS_SD / np.sqrt(2))
    assert roc_auc_score(labels, probabilities) == pytest.approx(expected, abs=0.004)
    assert expected < 0.53


def test_verdicts_of_one_kind_only_are_named() -> None:
    probabilities, labels = draw(0.0, 1.0)
    assert describe_degenerate_output(probabilities, labels, thresholds(0.6, 0.4)) == ""
    everything = describe_degenerate_output(probabilities, labels, thresholds(0.0, 0.0))
    assert everything.startswith("Specificity 0")
    nothing = describe_degenerate_output(probabilities, labels, thresholds(1.0, 1.0))
    assert nothing.startswith("Sensitivity 0")
    undecided = describe_degenerate_output(probabilities, labels, thresholds(1.0, 0.0))
    assert "Sensitivity 0" in undecided
    assert "Specificity 0" in undecided


def test_few_films_say_nothing() -> None:
    assert describe_degenerate_output(np.full(9, 0.5), np.ones(9), thresholds(0.9, 0.9)) == ""
