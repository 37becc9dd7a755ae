"""A site's films are accepted where they score as validation films do, and called shifted where a class does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from cxr_core.models.card import DecisionThresholds
from cxr_core.reading.calibration import expit
from cxr_core.site.acceptance import (
    MIN_PATIENTS,
    compare_with_validation,
    describe_class,
    measure_distance,
    weighted_median,
)
from cxr_core.site.validation_scores import MOST_QUANTILES
from tests.site.simulated import (
    CARD,
    FINDING,
    draw_log_odds,
    draw_site,
    local_films,
    validation_scores,
)

DRAWS = 100


def share_of_verdicts(verdict: str, **site) -> float:
    """How often sites of 20 films without the finding, drawn anew each time, are given a verdict."""
    verdicts = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        scores, local = validation_scores(rng), draw_site(rng, MIN_PATIENTS, **site)
        verdicts.append(compare_with_validation(local, scores, CARD).verdict)
    return verdicts.count(verdict) / DRAWS


def test_a_site_like_validation_is_accepted_in_97_draws_of_100():
    assert share_of_verdicts("accepted") >= 0.97
    assert share_of_verdicts("accepted", present=30) >= 0.97


def test_films_that_score_higher_by_a_shift_of_the_intercept_are_seen_with_twenty():
    assert share_of_verdicts("shifted", shift=(3.0, 3.0)) >= 0.95


def test_a_slope_is_seen_by_the_films_far_from_even_odds():
    assert share_of_verdicts("shifted", slope=0.25) >= 0.9


def test_a_shift_of_films_with_the_finding_alone_is_laid_to_that_class():
    rng = np.random.default_rng(0)
    scores, local = validation_scores(rng), draw_site(rng, 40, 40, shift=(0.0, -3.0))
    absent, present = compare_with_validation(local, scores, CARD).classes
    assert (absent.shifted, present.shifted) == (False, True)
    assert present.shift.low < -3.0 < present.shift.high
    assert absent.shift.low < 0.0 < absent.shift.high


def test_the_distance_and_its_p_value_are_those_of_scipy():
    rng = np.random.default_rng(1)
    here, there = rng.normal(size=37), rng.normal(0.4, 1.2, 81)
    expected = ks_2samp(here, there, method="asymp")
    distance, p_value = measure_distance(here, np.ones(37), there, (37, 81))
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_quantiles_stand_for_thousands_of_validation_films():
    rng = np.random.default_rng(2)
    scores = validation_scores(rng, absent=5000)
    values = scores.absent.log_odds(CARD.calibration[FINDING])
    assert len(values) == MOST_QUANTILES
    local = draw_site(np.random.default_rng(3), 50)
    absent = draw_log_odds(np.random.default_rng(2), 0, 5000)  # what the scores were made of
    exact = ks_2samp(local.log_odds, absent).statistic
    compared = compare_with_validation(local, scores, CARD).classes[0]
    assert compared.distance == pytest.approx(exact, abs=1 / MOST_QUANTILES)
    assert (compared.validation_films, compared.validation_patients) == (5000, 5000)


def test_films_of_one_patient_count_as_one_patient():
    rng = np.random.default_rng(4)
    scores, local = validation_scores(rng), draw_site(rng, 60)
    of_nineteen = replace(local, patients=np.array([f"p{n % 19}" for n in range(60)], object))
    assert compare_with_validation(local, scores, CARD).verdict == "accepted"
    outcome = compare_with_validation(of_nineteen, scores, CARD)
    assert outcome.verdict == "too_few"
    assert "found 19 patients" in outcome.sentence
    assert "at least 20" in outcome.sentence


def test_a_patient_with_many_false_alarms_weighs_no_more_than_another():
    log_odds = np.array([*[-5.0] * 20, *[8.0] * 80])
    patients = [*(f"p{n}" for n in range(20)), *["ill"] * 80]
    local = local_films(log_odds, np.zeros(100, int), patients)
    scores = validation_scores(np.random.default_rng(5))
    balanced = compare_with_validation(local, scores, CARD).classes[0].rates
    rates = next(each for each in balanced if each.decision == "balanced")
    assert rates.misjudged.value == pytest.approx(1 / 21, abs=1e-6)
    assert rates.misjudged.low < 1 / 21 < rates.misjudged.high < 0.25


def test_rates_of_a_decision_with_two_thresholds_count_both_sides():
    decision = DecisionThresholds(
        name="standard", error=0.1, present_from=expit(2.0), absent_below=expit(-2.0), source=""
    )
    card = replace(CARD, decisions={FINDING: (decision,)})
    local = local_films(np.array([-3.0] * 10 + [0.0] * 8 + [3.0] * 2), np.zeros(20, int))
    scores = validation_scores(np.random.default_rng(6))
    comparison = compare_with_validation(local, scores, card).classes[0]
    standard = next(each for each in comparison.rates if each.decision == "standard")
    assert (standard.misjudged.value, standard.undecided.value) == (0.1, 0.4)
    lines = list(describe_class(comparison))
    assert "standard: false alarms 0.10 (0.03 to 0.30)" in lines[1]


def test_a_shift_that_matters_at_no_threshold_is_accepted_however_sure_it_is():
    rng = np.random.default_rng(7)
    scores = validation_scores(rng, absent=5000)
    local = draw_site(rng, 3000, shift=(0.4, 0.0))
    outcome = compare_with_validation(local, scores, CARD)
    assert outcome.classes[0].p_value < 1e-4
    assert outcome.verdict == "accepted"


def test_one_film_with_the_finding_among_twenty_without_is_named():
    rng = np.random.default_rng(8)
    scores, local = validation_scores(rng), draw_site(rng, 20)
    local.log_odds[13] = 4.0
    outcome = compare_with_validation(local, scores, CARD)
    assert [film.name for film in outcome.standing_out] == ["film 13.png"]
    assert "film 13.png stands out: given as free of pneumonia" in outcome.sentence


def test_a_film_without_the_finding_among_those_with_it_is_named():
    rng = np.random.default_rng(9)
    scores, local = validation_scores(rng), draw_site(rng, 20, 20)
    local.log_odds[25] = -6.0
    outcome = compare_with_validation(local, scores, CARD)
    assert "film 25.png stands out: given as with pneumonia" in outcome.sentence


def test_films_without_the_finding_must_be_among_them():
    rng = np.random.default_rng(10)
    scores, local = validation_scores(rng), draw_site(rng, 0, 60)
    assert compare_with_validation(local, scores, CARD).verdict == "too_few"


@pytest.mark.parametrize("count", [22, 23])
def test_the_weighted_median_is_numpys_of_films_that_are_repeated(count):
    rng = np.random.default_rng(11)
    values, times = rng.normal(size=count), rng.integers(0, 4, (5, count))
    expected = [np.median(np.repeat(values, repeated)) for repeated in times]
    assert weighted_median(values, times / 3) == pytest.approx(expected)
