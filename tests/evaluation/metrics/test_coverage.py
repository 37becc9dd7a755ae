"""Risk against coverage: against a count film by film, and on drawn films whose true error is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from cxr_core.evaluation.metrics import coverage
from cxr_core.evaluation.metrics.coverage import (
    GRID,
    TABLE,
    ClassSample,
    RankedCalls,
    ValidationSample,
    add_p_values,
    compute_p_values,
    decide_share,
    measure_rule,
    rank_by_distance,
    rank_by_p_values,
    rank_films,
)
from cxr_core.reading.fitting.conformal import choose_decisions

SPREAD = 2.0  # of the drawn log-odds


def draw_films(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities, and labels drawn from them."""
    chance = np.random.default_rng(seed)
    probabilities = expit(chance.normal(0, SPREAD, count))
    return probabilities, (chance.random(count) < probabilities).astype(float)


def true_error(decided: float) -> float:
    """Of such films, when those farthest from even odds are decided: the mean of the smaller probability."""
    farthest = norm.ppf(1 - decided / 2) * SPREAD
    log_odds = np.linspace(farthest, farthest + 12 * SPREAD, 200_001)
    density = norm.pdf(log_odds, scale=SPREAD)
    return float(np.sum(density * expit(-log_odds)) / np.sum(density))


def count_film_by_film(ranked: RankedCalls, labels: np.ndarray, decided: float) -> dict[str, float]:
    """Each film is decided as far as there is room behind all surer ones; films that tie share what is left."""
    room, wrong = decided * len(labels), ranked.called != (labels == 1)
    weights = []
    for sureness in ranked.sureness:
        surer = sum(other > sureness for other in ranked.sureness)
        tied = sum(other == sureness for other in ranked.sureness)
        weights.append(min(max((room - surer) / tied, 0.0), 1.0))
    counts = {"error": [0.0, 0.0], "missed": [0.0, 0.0], "false_alarms": [0.0, 0.0]}
    for weight, label, is_wrong in zip(weights, labels, wrong, strict=True):
        for name in ("error", "missed" if label == 1 else "false_alarms"):
            counts[name][0] += weight * is_wrong
            counts[name][1] += weight
    return {name: part / total if total else np.nan for name, (part, total) in counts.items()}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 12))
def test_the_curve_is_what_a_count_film_by_film_gives_also_with_ties(seed, count, levels):
    chance = np.random.default_rng(seed)
    labels = (chance.random(count) < 0.4).astype(float)
    ranked = RankedCalls(
        sureness=chance.integers(0, levels, count).astype(float), called=chance.random(count) < 0.5
    )
    measured = measure_rule(ranked, labels, np.arange(count).astype(str), resamples=2)
    for place in (0, 9, 49, 89, 99):
        expected = count_film_by_film(ranked, labels, GRID[place])["error"]
        assert measured.error.value[place] == pytest.approx(expected)
    for figures in measured.figures.at:
        expected = count_film_by_film(ranked, labels, figures.decided)
        for name in ("error", "missed", "false_alarms"):
            value = getattr(figures, name).value
            assert (np.nan if value is None else value) == pytest.approx(
                expected[name], abs=1e-6, nan_ok=True
            )


def test_the_error_and_the_counts_are_those_of_films_whose_truth_is_known():
    probabilities, labels = draw_films(200_000, seed=1)
    ranked = rank_by_distance(probabilities, 0.5, 0.5)
    measured = measure_rule(ranked, labels, np.arange(len(labels)).astype(str), resamples=1)
    for figures in measured.figures.at:
        assert figures.error.value == pytest.approx(true_error(figures.decided), abs=0.003)
        assert figures.error.n == round(figures.decided * len(labels))
        assert figures.error.n == figures.missed.n + figures.false_alarms.n
        assert figures.error.positives == figures.missed.n
    assert [figures.decided for figures in measured.figures.at] == list(TABLE)
    shares = np.mean([true_error(share) for share in GRID])
    assert measured.figures.mean_error.value == pytest.approx(shares, abs=0.003)


def test_intervals_of_many_films_are_those_that_tell_every_film_apart(monkeypatch):
    probabilities, labels = draw_films(3000, seed=11)
    ranked = rank_by_distance(probabilities, 0.5, 0.5)
    patients = np.arange(3000) // 2
    thinned = measure_rule(ranked, labels, patients.astype(str), resamples=200)
    monkeypatch.setattr(coverage, "MAX_STEPS", 10_000)
    every = measure_rule(ranked, labels, patients.astype(str), resamples=200)
    assert thinned.error.value == pytest.approx(every.error.value, abs=1e-12)
    for end in ("low", "high"):
        assert getattr(thinned.error, end)[9:] == pytest.approx(
            getattr(every.error, end)[9:], abs=0.004
        )


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(100):
        probabilities, labels = draw_films(300, seed)
        measured = measure_rule(
            rank_by_distance(probabilities, 0.5, 0.5),
            labels,
            np.arange(300).astype(str),
            resamples=200,
        )
        error = measured.figures.at[2].error
        held += error.low <= true_error(0.9) <= error.high
    assert 88 <= held <= 99  # 95 expected


def test_a_patients_films_count_as_one_in_the_interval():
    probabilities, labels = draw_films(300, seed=3)
    ranked = rank_by_distance(probabilities, 0.5, 0.5)
    single = measure_rule(ranked, labels, np.arange(300).astype(str)).figures.at[0].error
    twice = RankedCalls(sureness=np.tile(ranked.sureness, 2), called=np.tile(ranked.called, 2))
    patients = np.tile(np.arange(300).astype(str), 2)
    double = measure_rule(twice, np.tile(labels, 2), patients).figures.at[0].error
    assert (double.value, double.low, double.high) == (single.value, single.low, single.high)
    assert double.n == 2 * single.n


def test_the_default_decision_is_a_point_of_the_order_by_distance():
    probabilities, labels = draw_films(500, seed=4)
    present_from, absent_below = 0.7, 0.15
    ranked = rank_by_distance(probabilities, present_from, absent_below)
    decided = (probabilities >= present_from) | (probabilities < absent_below)
    assert ranked.sureness[decided].min() > ranked.sureness[~decided].max()
    called = probabilities[decided] >= present_from
    assert np.array_equal(ranked.called[decided], called)
    expected = count_film_by_film(ranked, labels, decided.mean())["error"]
    assert expected == pytest.approx(np.mean(called != (labels[decided] == 1)))


def to_sample(probabilities: np.ndarray, labels: np.ndarray) -> ValidationSample:
    log_odds = np.sort(np.log(probabilities / (1 - probabilities)))
    order = np.argsort(probabilities)
    present, absent = (
        ClassSample(log_odds=log_odds[labels[order] == label], films=int(np.sum(labels == label)))
        for label in (1, 0)
    )
    return ValidationSample(present=present, absent=absent)


def test_p_values_decide_as_the_thresholds_that_conformal_prediction_chose():
    validation = draw_films(400, seed=5)
    # Some of the films have the very probability of a validation film, as a film that comes twice does.
    probabilities = np.concatenate([validation[0], draw_films(5000, seed=6)[0]])
    of_present, of_absent = compute_p_values(probabilities, to_sample(*validation))
    for decision in choose_decisions(*validation, "drawn films"):
        if decision.present_from == decision.absent_below:
            continue
        suspected = probabilities >= decision.present_from
        cleared = probabilities < decision.absent_below
        assert np.array_equal(of_absent <= decision.error, suspected)
        assert np.array_equal(of_present <= decision.error, cleared)
        ranked = rank_by_p_values(of_present, of_absent)
        decided = suspected | cleared
        assert ranked.sureness[decided].min() >= -decision.error
        assert ranked.sureness[~decided].max() < -decision.error
        assert np.array_equal(ranked.called[decided], suspected[decided])


def test_new_films_of_a_class_are_rejected_no_more_often_than_the_error_allows():
    validation, (probabilities, labels) = draw_films(20_000, seed=7), draw_films(20_000, seed=8)
    of_present, of_absent = compute_p_values(probabilities, to_sample(*validation))
    for error in (0.05, 0.1, 0.3):
        assert np.mean(of_present[labels == 1] <= error) == pytest.approx(error, abs=0.02)
        assert np.mean(of_absent[labels == 0] <= error) == pytest.approx(error, abs=0.02)


def test_a_score_that_tells_where_errors_are_lowers_the_error_and_one_that_does_not_leaves_it():
    chance = np.random.default_rng(9)
    count = 4000
    score, label = chance.random(count), chance.random(count) < 0.5
    wrong = chance.random(count) < 0.4 * score  # the error of a film is known: 0.4 times its score
    probability = np.where(label != wrong, 0.9, 0.1)
    rows = pd.DataFrame({"probability": probability, "unfamiliarity": score})
    ranked = rank_films(rows, 0.5, 0.5)
    patients = np.arange(count).astype(str)
    telling = measure_rule(ranked["familiarity"], label.astype(float), patients, resamples=100)
    for place in (49, 89, 99):
        assert telling.error.value[place] == pytest.approx(0.4 * GRID[place] / 2, abs=0.02)
    shuffled = rows.assign(unfamiliarity=chance.permutation(score))
    blind = rank_films(shuffled, 0.5, 0.5)["familiarity"]
    error = measure_rule(blind, label.astype(float), patients, resamples=100).error
    assert error.value[49] == pytest.approx(0.2, abs=0.02)


def test_a_rule_without_what_it_needs_is_left_out():
    rows = pd.DataFrame({"finding": "pneumonia", "probability": [0.1, 0.6, 0.9]})
    assert set(rank_films(rows, 0.5, 0.5)) == {"distance"}
    # Of a model without statistics of its training films, of a damaged one, of a table edited by hand.
    for scores in (0.0, [0.1, np.inf, 0.2], [0.1, np.nan, 0.2], ["0.1", "unknown", "0.2"]):
        assert set(rank_films(rows.assign(unfamiliarity=scores), 0.5, 0.5)) == {"distance"}
    sample = ClassSample(log_odds=np.array([-1.0, 0.0, 1.0]), films=3)
    samples = {"pneumonia": ValidationSample(present=sample, absent=sample)}
    full = add_p_values(rows.assign(unfamiliarity=[0.1, 0.2, 0.3]), samples)
    assert set(rank_films(full, 0.5, 0.5)) == {"distance", "conformal", "familiarity"}
    assert add_p_values(rows, {}) is rows


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, [0, 0, 0, 0, 0]),
        (0.2, [0, 0, 0, 1, 0]),
        (0.4, [0, 0.5, 0.5, 1, 0]),
        (0.7, [0, 1, 1, 1, 0.5]),
        (1.0, [1, 1, 1, 1, 1]),
    ],
)
def test_films_that_tie_where_the_share_ends_are_decided_in_part(share, expected):
    decided = decide_share(np.array([0.5, 2.0, 2.0, 3.0, 1.0]), share)
    assert decided == pytest.approx(expected)


def test_films_of_one_class_have_no_figure_of_the_other():
    ranked = RankedCalls(sureness=np.arange(4.0), called=np.array([True, False, False, True]))
    at = measure_rule(ranked, np.zeros(4), np.array(list("abcd")), resamples=20).figures.at[0]
    assert (at.missed.value, at.missed.n) == (None, 0)
    assert (at.error.value, at.false_alarms.value) == (0.5, 0.5)
