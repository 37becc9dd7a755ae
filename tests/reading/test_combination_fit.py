"""The combination that made the labels is found again; a ratio that says nothing gains nothing."""

import numpy as np
import pytest
from scipy.special import expit

from cxr_core.errors import DataError
from cxr_core.reading.combination_fit import fit_combination, gain
from cxr_core.reading.combine import combined_logits


def films(count: int, of_ratio: float, seed: int = 0):
    chance = np.random.default_rng(seed)
    log_odds = chance.normal(-2, 1.5, count)
    ratios = chance.normal(0.5, 0.06, count)
    views = chance.choice(["PA", "AP", ""], count)
    ap = np.select([views == "AP", views == "PA"], [1.0, 0.0], 0.5)
    truth = 0.3 + 0.8 * log_odds + of_ratio * (ratios - 0.5) - 0.7 * ap
    labels = (chance.random(count) < expit(truth)).astype(float)
    return log_odds, ratios, views, labels, truth


def test_the_weights_that_made_the_labels_are_found_again():
    log_odds, ratios, views, labels, truth = films(60_000, of_ratio=25.0)
    fitted = fit_combination(log_odds, ratios, views, labels, model="m 1", source="a test")
    assert fitted.classifier == pytest.approx(0.8, abs=0.04)
    assert fitted.measured == pytest.approx(25, abs=1.0)
    assert fitted.ap == pytest.approx(-0.7, abs=0.08)
    assert fitted.intercept == pytest.approx(0.3, abs=0.08)
    assert combined_logits(fitted, log_odds, ratios, views) == pytest.approx(truth, abs=0.35)
    thresholds = {point.name: point.threshold for point in fitted.operating_points}
    called = expit(combined_logits(fitted, log_odds, ratios, views)) >= thresholds["sensitivity_95"]
    assert called[labels == 1].mean() == pytest.approx(0.95, abs=0.01)


def test_a_ratio_that_tells_lowers_the_loss_on_patients_held_out_and_one_that_does_not_does_not():
    patients = np.arange(3000).astype(str)
    log_odds, ratios, views, labels, _ = films(3000, of_ratio=25.0)
    alone, both = gain(log_odds, ratios, views, labels, patients)
    assert both < alone - 0.02
    noise = np.random.default_rng(9).permutation(ratios)
    alone, both = gain(log_odds, noise, views, labels, patients)
    assert both > alone - 0.002


def test_a_ratio_that_speaks_against_the_finding_gets_no_weight():
    log_odds, ratios, views, labels, _ = films(4000, of_ratio=-25.0)
    assert fit_combination(log_odds, ratios, views, labels, model="m 1", source="a test").measured == 0


def test_films_of_one_class_are_refused():
    log_odds, ratios, views, _, _ = films(20, of_ratio=0.0)
    with pytest.raises(DataError, match="of one class"):
        fit_combination(log_odds, ratios, views, np.zeros(20), model="m 1", source="a test")
