"""A site's recalibration finds the shift that was put in, is measured on other patients, and refused if not better."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit
from sklearn.linear_model import LogisticRegression

from cxr_core.errors import SiteError
from cxr_core.evaluation.metrics.corrections import (
    INTERCEPT_SPREAD,
    SLOPE_SPREAD,
    fit_towards_no_change,
)
from cxr_core.evaluation.metrics.recalibrate import choose_fit
from cxr_core.site.recalibration import (
    FittingFilms,
    cross_validate,
    fit_local_recalibration,
)
from tests.site.simulated import CARD, PREVALENCE, draw_site, local_films, validation_scores

SCORES = validation_scores(np.random.default_rng(99), 400, 400)


def at_the_prevalence_of_validation(rng, films: int, **site):
    present = round(PREVALENCE * films)
    return draw_site(rng, films - present, present, **site)


def test_a_shift_of_the_intercept_is_found_and_taken_back():
    local = at_the_prevalence_of_validation(np.random.default_rng(0), 2000, shift=(2.0, 2.0))
    fitted = fit_local_recalibration(local, SCORES, CARD)
    assert fitted.refused == ""
    assert fitted.slope == pytest.approx(1.0, abs=0.1)
    assert fitted.intercept == pytest.approx(-2.0, abs=0.2)
    assert fitted.after.ece.value < 0.05 < fitted.before.ece.value
    assert fitted.difference.ece.high < 0


def test_a_slope_is_found_and_taken_back():
    local = at_the_prevalence_of_validation(np.random.default_rng(1), 2000, slope=2.0)
    fitted = fit_local_recalibration(local, SCORES, CARD)
    assert (fitted.method, fitted.slope) == ("line", pytest.approx(0.5, abs=0.05))


def test_with_many_films_the_fit_is_that_of_scikit_learn_without_a_penalty():
    local = draw_site(np.random.default_rng(2), 3000, 3000, shift=(1.0, 0.0), slope=0.7)
    ours = fit_towards_no_change(expit(local.log_odds), local.labels.astype(float))
    theirs = LogisticRegression(C=np.inf).fit(local.log_odds[:, None], local.labels)
    assert ours.slope == pytest.approx(theirs.coef_[0, 0], rel=0.01)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], rel=0.01, abs=0.01)


def test_with_few_films_the_fit_is_the_least_of_the_penalised_loss():
    local = draw_site(np.random.default_rng(3), 25, 25, shift=(4.0, 1.0))
    ours = fit_towards_no_change(expit(local.log_odds), local.labels.astype(float), no_change=0.5)

    def loss(line):
        z = line[0] + line[1] * local.log_odds
        fit = np.where(local.labels == 1, log_expit(z), log_expit(-z)).sum()
        ridge = ((line[0] - 0.5) / INTERCEPT_SPREAD) ** 2 + ((line[1] - 1) / SLOPE_SPREAD) ** 2
        return ridge / 2 - fit

    best = minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    assert (ours.intercept, ours.slope) == pytest.approx(tuple(best.x), abs=1e-4)


def test_a_film_counted_twice_is_a_weight_of_two():
    local = draw_site(np.random.default_rng(4), 30, 30)
    probabilities, labels = expit(local.log_odds), local.labels.astype(float)
    weights = np.where(np.arange(60) < 10, 2.0, 1.0)
    twice = np.concatenate([np.arange(60), np.arange(10)])
    weighted = fit_towards_no_change(probabilities, labels, weights)
    repeated = fit_towards_no_change(probabilities[twice], labels[twice])
    assert weighted.slope == pytest.approx(repeated.slope)
    assert weighted.intercept == pytest.approx(repeated.intercept)


def test_with_few_films_of_a_class_the_slope_stays():
    local = draw_site(np.random.default_rng(5), 30, 19, shift=(3.0, 3.0))
    fitted = fit_local_recalibration(local, SCORES, CARD)
    assert (fitted.method, fitted.slope) == ("intercept", 1.0)
    assert fitted.intercept < -1


def test_the_prevalence_of_the_films_is_no_shift():
    """As many with as without, where validation had 40 %: at the card's prevalence nothing has changed."""
    local = draw_site(np.random.default_rng(6), 2000, 2000)
    fitted = fit_local_recalibration(local, SCORES, CARD, prevalence=0.1)
    moved = fitted.intercept - logit(0.5) + logit(PREVALENCE)
    assert moved == pytest.approx(0.0, abs=0.15)
    assert (fitted.fitted_prevalence, fitted.prevalence) == (0.5, 0.1)


def test_one_class_alone_mends_a_shift_with_validation_films_in_place_of_the_other():
    local = draw_site(np.random.default_rng(7), 60, shift=(3.0, 0.0))
    fitted = fit_local_recalibration(local, SCORES, CARD)
    assert fitted.borrowed == "present"
    assert (fitted.slope, fitted.method) == (1.0, "intercept")
    assert fitted.refused == ""
    assert fitted.intercept < -0.5
    assert (fitted.fitted_prevalence, fitted.prevalence) == (None, None)
    assert "validation films stood in" in fitted.sentence


def test_one_class_alone_without_a_shift_changes_next_to_nothing():
    intercepts = [
        fit_local_recalibration(draw_site(np.random.default_rng(seed), 60), SCORES, CARD).intercept
        for seed in range(10)
    ]
    assert np.mean(intercepts) == pytest.approx(0.0, abs=0.3)


def test_without_a_shift_it_is_refused_more_often_than_not():
    refused = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fitted = fit_local_recalibration(at_the_prevalence_of_validation(rng, 60), SCORES, CARD)
        refused.append(bool(fitted.refused))
        if fitted.refused:
            assert f"It must not be installed: {fitted.refused}" in fitted.sentence
    assert np.mean(refused) > 0.5


def test_a_patient_is_measured_by_fits_that_never_saw_that_patient():
    rng = np.random.default_rng(8)
    local = draw_site(rng, 60, 60)
    patients = np.array([f"p{number % 30}" for number in range(120)])
    films = FittingFilms(
        probabilities=expit(local.log_odds),
        labels=local.labels.astype(float),
        patients=patients,
        weights=np.ones(120),
        no_change=0.0,
    )
    changed = replace(films, labels=np.where(patients == "p3", 1 - films.labels, films.labels))
    before, after = cross_validate(films, 0), cross_validate(changed, 0)
    assert before[patients == "p3"] == pytest.approx(after[patients == "p3"], abs=1e-12)
    assert np.abs(before - after).max() > 1e-3


def test_too_few_patients_and_mined_labels_are_refused():
    rng = np.random.default_rng(9)
    local = draw_site(rng, 40, 40)
    of_few = replace(local, patients=np.array([f"p{n % 19}" for n in range(80)], object))
    with pytest.raises(SiteError, match=r"labelled films of 19 patients; .* at least 20"):
        fit_local_recalibration(of_few, SCORES, CARD)
    with pytest.raises(SiteError, match="labels of these films are those of reports"):
        fit_local_recalibration(replace(local, mined_labels=True), SCORES, CARD)


def test_labels_against_the_order_of_the_model_cannot_be_recalibrated():
    log_odds = np.linspace(-8, 8, 400)
    local = local_films(log_odds, (log_odds < 0).astype(int))
    with pytest.raises(SiteError, match="their labels do not agree with the model"):
        fit_local_recalibration(local, SCORES, CARD)


def test_the_command_that_evaluates_recalibrates_by_the_same_fit():
    assert choose_fit("site", CARD, "pneumonia") is fit_towards_no_change
