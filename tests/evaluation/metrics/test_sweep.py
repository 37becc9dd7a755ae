"""Figures against the threshold, at any prevalence: against scikit-learn and against the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, roc_curve

from cxr_core.evaluation.metrics.sweep import (
    THRESHOLDS,
    bin_probabilities,
    compute_decision_curve,
    compute_net_benefit,
    negative_predictive_value,
    positive_predictive_value,
    sweep_thresholds,
)

CHANCE = np.random.default_rng(7)
LABELS = (CHANCE.random(400) < 0.2).astype(float)
said = np.round(np.clip(CHANCE.normal(0.3 + 0.2 * LABELS, 0.2), 0, 1), 2)  # with ties


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.155, 0.37, 0.5, 0.99, 1.0])
def test_the_calls_at_a_threshold_are_scikit_learns(threshold):
    calls = sweep_thresholds(said, LABELS).confusion_at(threshold)
    (tn, fp), (fn, tp) = confusion_matrix(LABELS, said >= threshold, labels=[0, 1])
    assert (
        calls.true_positive,
        calls.false_positive,
        calls.false_negative,
        calls.true_negative,
    ) == (tp, fp, fn, tn)


def test_many_thresholds_are_looked_up_at_once():
    films = sweep_thresholds(said, LABELS)
    together = films.confusion_at(THRESHOLDS)
    assert together.sensitivity[370] == films.confusion_at(0.37).sensitivity
    assert together.specificity == pytest.approx(
        [films.confusion_at(each).specificity for each in THRESHOLDS]
    )


def test_all_corners_are_those_of_the_roc_curve():
    false_rate, true_rate, _ = roc_curve(LABELS, said, drop_intermediate=False)
    corners = sweep_thresholds(said, LABELS).confusion_at_all()
    assert 1 - corners.specificity == pytest.approx(false_rate)
    assert corners.sensitivity == pytest.approx(true_rate)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_predictive_values_are_shares_of_a_counted_population(sensitivity, specificity, prevalence):
    sick, well = prevalence * 1e6, (1 - prevalence) * 1e6
    right, wrong = sick * sensitivity, well * (1 - specificity)
    assert positive_predictive_value(sensitivity, specificity, prevalence) == pytest.approx(
        right / (right + wrong)
    )
    passed, missed = well * specificity, sick * (1 - sensitivity)
    assert negative_predictive_value(sensitivity, specificity, prevalence) == pytest.approx(
        passed / (passed + missed)
    )


def test_at_the_films_own_prevalence_predictive_values_are_those_counted():
    films = sweep_thresholds(said, LABELS)
    calls = films.confusion_at(0.37)
    rates = (calls.sensitivity, calls.specificity, films.prevalence)
    assert positive_predictive_value(*rates) == pytest.approx(calls.precision)
    assert negative_predictive_value(*rates) == pytest.approx(calls.npv)


def test_net_benefit_is_true_calls_less_false_ones_at_the_odds_of_the_threshold():
    """Vickers & Elkin 2006: (true positives - false positives x t / (1 - t)) / films."""
    curve = compute_decision_curve(sweep_thresholds(said, LABELS))
    for place in (0, 40, 120):
        threshold, called = curve.thresholds[place], said >= curve.thresholds[place]
        odds = threshold / (1 - threshold)
        counted = np.sum(called & (LABELS == 1)) - odds * np.sum(called & (LABELS == 0))
        assert curve.model[place] == pytest.approx(counted / len(LABELS))
        everybody = np.sum(LABELS == 1) - odds * np.sum(LABELS == 0)
        assert curve.treat_all[place] == pytest.approx(everybody / len(LABELS))


def test_treating_all_is_worth_nothing_where_the_threshold_is_the_prevalence():
    curve = compute_decision_curve(
        sweep_thresholds(said, LABELS), prevalence=0.3, thresholds=np.array([0.3])
    )
    assert curve.treat_all == pytest.approx([0])
    assert curve.prevalence == 0.3


def test_what_is_undefined_stays_so():
    assert np.isnan(positive_predictive_value(0.0, 1.0, 0.5))
    assert np.isnan(negative_predictive_value(1.0, 0.0, 0.5))
    assert np.isnan(compute_net_benefit(0.5, 0.5, 0.5, 1.0))
    nobody = sweep_thresholds(np.empty(0), np.empty(0))
    assert np.isnan(nobody.prevalence)
    assert np.isnan(nobody.confusion_at(0.5).sensitivity)
    assert np.isnan(
        sweep_thresholds(np.array([0.2, 0.4]), np.array([0.0, 0.0])).confusion_at(0.3).sensitivity
    )


def test_every_film_lies_in_one_bin_of_its_class():
    found = bin_probabilities(np.array([0.0, 0.024, 0.025, 0.999, 1.0]), np.array([0, 1, 0, 1, 1]))
    assert (found.negatives.sum(), found.positives.sum()) == (2, 3)
    assert (found.negatives[0], found.negatives[1], found.positives[0], found.positives[-1]) == (
        1,
        1,
        1,
        2,
    )
