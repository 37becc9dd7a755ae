"""Labels that the ratio contradicts, found on simulated films whose truth is known."""

import numpy as np
import pytest

from cxr_core.errors import DataError
from cxr_core.reading.fitting.conformal import choose_decisions
from cxr_core.reading.fitting.finding import calibrate_finding
from cxr_core.reading.fitting.label_conflicts import MAX_CONFLICTS, find_label_conflicts
from tests.reading.fitting.test_noisy_labels import make_noise


def find(ratio: float, label: int, view: str = "PA", error: float = 0.01) -> bool:
    arrays = (np.array([value]) for value in (ratio, error, view, label))
    return bool(find_label_conflicts(*arrays)[0])


@pytest.mark.parametrize(
    ("ratio", "label", "view", "expected"),
    [
        (0.541, 0, "PA", True),  # 0.541 - 0.0196 lies 0.02 above the limit
        (0.539, 0, "PA", False),
        (0.541, 0, "AP", False),
        (0.591, 0, "AP", True),
        (0.459, 1, "PA", True),
        (0.461, 1, "PA", False),
        (0.461, 1, "AP", True),
        (0.30, 0, "PA", False),
        (0.70, 1, "PA", False),
        (0.70, 0, "", False),
        (0.70, 0, "LATERAL", False),
        (np.nan, 0, "PA", False),
    ],
)
def test_the_whole_interval_must_lie_beyond_the_limit_of_the_view(ratio, label, view, expected):
    assert find(ratio, label, view) == expected


def test_a_wide_interval_contradicts_nothing():
    assert find(0.60, 0, error=0.01)
    assert not find(0.60, 0, error=0.05)


def test_only_the_clearest_are_taken():
    count = 3 * MAX_CONFLICTS
    ratios = np.random.default_rng(0).permutation(np.linspace(0.56, 0.8, count))
    found = find_label_conflicts(
        ratios, np.full(count, 0.01), np.full(count, "PA"), np.zeros(count)
    )
    assert found.sum() == MAX_CONFLICTS
    assert ratios[found].min() > ratios[~found].max()


@pytest.fixture(scope="module")
def films() -> dict[str, np.ndarray]:
    """Logits, ratios, verdicts and labels that name a third of the enlarged hearts."""
    rng = np.random.default_rng(3)
    truth = (rng.random(6000) < 0.15).astype(float)
    ratios = np.where(truth == 1, rng.normal(0.58, 0.03, 6000), rng.normal(0.45, 0.03, 6000))
    labels = truth * (rng.random(6000) < 0.33)
    return {
        "logits": rng.normal(3.5 * truth, 1),
        "ratios": ratios,
        "truth": truth,
        "labels": labels,
    }


def test_thresholds_without_the_conflicts_lie_nearer_those_of_the_truth(films):
    logits, labels = films["logits"], films["labels"]
    errors, views = np.full(6000, 0.015), np.full(6000, "PA")
    conflicts = find_label_conflicts(films["ratios"], errors, views, labels)
    assert films["truth"][conflicts & (labels == 0)].mean() > 0.95, "these are missed hearts"
    noise = make_noise(0.33, 0.0)
    with_all = calibrate_finding(logits, labels, "a test", noise)
    without = calibrate_finding(logits, labels, "a test", noise, conflicts)
    assert with_all.calibration == without.calibration, "all films calibrate"
    assert "without 200 whose label the measured ratio contradicts" in without.decisions[0].source
    of_truth = choose_decisions(with_all.probabilities, films["truth"], "a test")
    for name, thresholds in enumerate(of_truth):
        gap_with = abs(np.log(with_all.decisions[name].present_from / thresholds.present_from))
        gap_without = abs(np.log(without.decisions[name].present_from / thresholds.present_from))
        assert gap_without < gap_with


def test_the_prevalence_is_the_readers(films):
    found = calibrate_finding(films["logits"], films["labels"], "a test", make_noise(0.33, 0.0))
    assert found.prevalence == pytest.approx(films["truth"].mean(), abs=0.02)
    plain = calibrate_finding(films["logits"], films["labels"], "a test")
    assert plain.prevalence == films["labels"].mean()
    assert plain.label_noise is None


def test_films_of_one_class_are_refused():
    with pytest.raises(DataError, match="one class is missing"):
        calibrate_finding(np.zeros(9), np.zeros(9), "a test", make_noise(0.3, 0.01))
