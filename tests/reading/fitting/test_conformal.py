"""Thresholds of decisions: against crepes, against a known truth, and where they cannot be had."""

import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from cxr_core.decisions import ERRORS
from cxr_core.reading.fitting.calibration import choose_youden_threshold
from cxr_core.reading.fitting.conformal import choose_decisions, count_allowed_errors


def draw_films(
    rng: np.random.Generator, absent: int, present: int, distance: float, decimals: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels. distance: between the classes, in log-odds.  decimals: few of them make ties."""
    labels = np.repeat([0.0, 1.0], [absent, present])
    probabilities = expit(rng.normal(distance * (labels - 0.5), 1.0))
    if decimals is not None:
        probabilities = probabilities.round(decimals)
    return probabilities, labels


def reject_by_crepes(
    probabilities: np.ndarray, labels: np.ndarray, new: np.ndarray, error: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each new film whether "absent", and whether "present", is rejected: a p-value of at most the error."""
    strangeness = np.where(labels == 1, -probabilities, probabilities)
    reference = ConformalClassifier()
    reference.fit(strangeness, bins=labels)
    absent = reference.predict_p(new, bins=np.zeros(len(new)), smoothing=False)
    present = reference.predict_p(-new, bins=np.ones(len(new)), smoothing=False)
    return absent <= error, present <= error


@pytest.mark.parametrize("decimals", [None, 2, 1], ids=["no ties", "some ties", "many ties"])
@pytest.mark.parametrize(("absent", "present"), [(160, 469), (2098, 42), (59, 19), (300, 300)])
def test_decisions_are_the_prediction_sets_of_crepes(absent, present, decimals) -> None:
    crossing = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        films, labels = draw_films(rng, absent, present, 0.5 + seed % 6, decimals)
        new, _ = draw_films(rng, 100, 100, 3.0, decimals)
        new = np.concatenate(
            [new, rng.choice(films, 100), [0.0, 1.0]]
        )  # on the very thresholds too
        decisions = {one.name: one for one in choose_decisions(films, labels, "a test")}
        for name, error in ERRORS.items():
            not_absent, not_present = reject_by_crepes(films, labels, new, error)
            decision = decisions[name]
            suspected = new >= decision.present_from
            not_suspected = new < decision.absent_below
            either = not_absent & not_present  # the empty set, where the classes lie apart
            assert np.array_equal(suspected[~either], not_absent[~either])
            assert np.array_equal(not_suspected[~either], not_present[~either])
            assert (suspected ^ not_suspected)[either].all()
            if either.any():
                crossing += 1
                assert decision.present_from == decision.absent_below
    assert crossing or present < 100


@pytest.mark.parametrize(("distance", "draws"), [(1.0, 400), (2.0, 400), (6.0, 50)])
def test_each_class_is_misjudged_no_more_often_than_promised(distance, draws) -> None:
    """The mean over many validation splits of the true error, known from 20,000 films of each class."""
    rng = np.random.default_rng(0)
    truth, labels = draw_films(rng, 20_000, 20_000, distance, None)
    absent, present = np.sort(truth[labels == 0]), np.sort(truth[labels == 1])
    errors: dict[str, list[tuple[float, float]]] = {name: [] for name in ERRORS}
    for _ in range(draws):
        for decision in choose_decisions(*draw_films(rng, 250, 45, distance, None), "a test"):
            false_alarms = 1 - np.searchsorted(absent, decision.present_from) / len(absent)
            missed = np.searchsorted(present, decision.absent_below) / len(present)
            errors[decision.name].append((false_alarms, missed))
    for name, error in ERRORS.items():
        means = np.mean(errors[name], axis=0)
        assert len(errors[name]) == draws
        assert (means < error * 1.05).all()
        if distance < 6:  # where both thresholds are needed, they are no wider than they must be
            # With 250 and 45 films the promise can be met up to 1/251 and 1/46.
            assert (means > error - np.array([1 / 251, 1 / 46]) - 0.05 * error).all()


def test_films_that_would_be_on_both_sides_are_divided_at_the_balanced_threshold() -> None:
    films, labels = draw_films(np.random.default_rng(0), 160, 470, 8.0, None)
    for decision in choose_decisions(films, labels, "a test"):
        assert decision.present_from == choose_youden_threshold(films, labels)
        assert decision.absent_below == decision.present_from
        assert np.mean(films[labels == 0] >= decision.present_from) <= decision.error
        assert np.mean(films[labels == 1] < decision.absent_below) <= decision.error


def test_a_balanced_threshold_that_would_break_the_promise_is_moved_to_the_nearer_end() -> None:
    """Six absent films in a hundred lie above all but a few present ones, and draw the balanced threshold up."""
    labels = np.repeat([0, 1], [100, 100])
    films = np.concatenate(
        [
            np.linspace(0.01, 0.02, 94),
            np.full(6, 0.9),
            np.full(8, 0.03),
            np.linspace(0.95, 0.99, 92),
        ]
    )
    (standard,) = (
        one for one in choose_decisions(films, labels, "a test") if one.name == "standard"
    )
    assert standard.present_from == standard.absent_below
    assert np.mean(films[labels == 0] >= standard.present_from) <= 0.10
    assert np.mean(films[labels == 1] < standard.absent_below) <= 0.10


@pytest.mark.parametrize(
    ("few", "names"), [(8, []), (9, ["standard"]), (18, ["standard"]), (19, ["standard", "strict"])]
)
@pytest.mark.parametrize("scarce", ["absent", "present"])
def test_too_few_films_of_a_class_give_no_thresholds(few, names, scarce) -> None:
    counts = {"absent": 500, "present": 500} | {scarce: few}
    films, labels = draw_films(np.random.default_rng(0), **counts, distance=1.0, decimals=None)
    assert [one.name for one in choose_decisions(films, labels, "a test")] == names


def test_absent_films_of_probability_one_leave_no_threshold_above_them() -> None:
    labels = np.repeat([0, 1], [20, 20])
    films = np.where(labels == 1, 0.6, 1.0)
    assert choose_decisions(films, labels, "a test") == ()


@given(films=st.integers(0, 5000), error=st.sampled_from(sorted(ERRORS.values())))
def test_the_films_allowed_are_the_most_whose_p_value_is_at_most_the_error(films, error) -> None:
    allowed = count_allowed_errors(films, error)
    assert (allowed + 1) / (films + 1) <= error or allowed == -1
    assert (allowed + 2) / (films + 1) > error
