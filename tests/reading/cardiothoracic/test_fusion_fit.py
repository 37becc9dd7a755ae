"""The fusion that generated the labels is recovered; a ratio without information gains nothing."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxr_core.errors import DataError
from cxr_core.reading.cardiothoracic.fusion import fuse_logits
from cxr_core.reading.cardiothoracic.fusion_fit import cross_validate_losses, fit_fusion

pytestmark = pytest.mark.training


def films(count: int, of_ratio: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2, 1.5, count)
    ratios = rng.normal(0.5, 0.06, count)
    views = rng.choice(["PA", "AP", ""], count)
    ap = np.select([views == "AP", views == "PA"], [1.0, 0.0], 0.5)
    truth = 0.3 + 0.8 * log_odds + of_ratio * (ratios - 0.5) - 0.7 * ap
    labels = (rng.random(count) < expit(truth)).astype(float)
    return log_odds, ratios, views, labels, truth


def test_both_inputs_have_equal_weight_in_units_of_their_spread_and_the_sum_is_calibrated():
    # 0.8 / (1 / 1.5) and 20 / (1 / 0.06): equal weights made these labels.
    log_odds, ratios, views, labels, truth = films(60_000, of_ratio=20.0)
    fitted = fit_fusion(log_odds, ratios, views, labels, model="m 1", source="a test")
    assert fitted.measured * ratios.std() == pytest.approx(fitted.classifier * log_odds.std())
    assert fitted.classifier == pytest.approx(0.8, abs=0.04)
    assert fitted.measured == pytest.approx(20, abs=1.0)
    assert fitted.ap == pytest.approx(-0.7, abs=0.08)
    assert fitted.intercept == pytest.approx(0.3, abs=0.08)
    assert fuse_logits(fitted, log_odds, ratios, views) == pytest.approx(truth, abs=0.35)
    thresholds = {point.name: point.threshold for point in fitted.operating_points}
    called = expit(fuse_logits(fitted, log_odds, ratios, views)) >= thresholds["sensitivity_95"]
    assert called[labels == 1].mean() == pytest.approx(0.95, abs=0.01)


def test_fused_probabilities_are_calibrated_even_if_other_weights_generated_the_labels():
    log_odds, ratios, views, labels, _ = films(60_000, of_ratio=5.0)
    fitted = fit_fusion(log_odds, ratios, views, labels, model="m 1", source="a test")
    probabilities = expit(fuse_logits(fitted, log_odds, ratios, views))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6)):
        inside = (probabilities >= low) & (probabilities < high)
        assert labels[inside].mean() == pytest.approx(probabilities[inside].mean(), abs=0.02)


def test_an_informative_ratio_lowers_the_held_out_loss_and_noise_raises_it():
    patients = (np.arange(900) // 3).astype(str)
    log_odds, ratios, views, labels, _ = films(900, of_ratio=25.0)
    alone, both = cross_validate_losses(log_odds, ratios, views, labels, patients)
    assert alone.shape == both.shape == (900,)
    assert both.mean() < alone.mean() - 0.02
    noise = np.random.default_rng(9).permutation(ratios)
    alone, both = cross_validate_losses(log_odds, noise, views, labels, patients)
    assert both.mean() > alone.mean() + 0.01


def test_held_out_loss_of_the_classifier_alone_agrees_with_scikit_learn():
    log_odds, ratios, views, labels, _ = films(300, of_ratio=10.0)
    patients = (np.arange(300) // 3).astype(str)
    alone, _ = cross_validate_losses(log_odds, ratios, views, labels, patients)
    ap = np.select([views == "AP", views == "PA"], [1.0, 0.0], 0.5)
    inputs = np.stack([log_odds, ap], axis=1)
    means = []
    for repeat in range(20):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=repeat)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        probabilities = cross_val_predict(
            model, inputs, labels, cv=folds, groups=patients, method="predict_proba"
        )
        means.append(log_loss(labels, probabilities[:, 1]))
    assert alone.mean() == pytest.approx(np.mean(means), abs=1e-4)


def test_a_sum_that_counts_against_the_finding_gets_weight_zero():
    log_odds, ratios, views, labels, _ = films(4000, of_ratio=-60.0)
    fitted = fit_fusion(log_odds, ratios, views, labels, model="m 1", source="a test")
    assert (fitted.classifier, fitted.measured) == (0, 0)


def test_films_of_one_class_are_refused():
    log_odds, ratios, views, _, _ = films(20, of_ratio=0.0)
    with pytest.raises(DataError, match="of one class"):
        fit_fusion(log_odds, ratios, views, np.zeros(20), model="m 1", source="a test")
