"""The fusion that generated the labels is recovered; a ratio without information gains nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxr_core.errors import DataError
from cxr_core.reading.cardiothoracic.fusion_fit import (
    FusionFilms,
    combine_films,
    cross_validate_losses,
    estimate_ratio_variance,
    fit_fusion,
)
from cxr_core.reading.fitting.noisy_labels import compute_log_likelihood

pytestmark = pytest.mark.training


def draw_films(
    count: int, of_ratio: float, errors: np.ndarray | float = 0.0, seed: int = 0
) -> tuple[FusionFilms, np.ndarray]:
    """Films whose labels a ratio without error and log-odds made, and the log-odds of the truth.

    errors: standard errors of the measured ratios.
    """
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2, 1.5, count)
    ratios = rng.normal(0.5, 0.06, count)
    views = rng.choice(["PA", "AP", ""], count)
    ap = np.select([views == "AP", views == "PA"], [1.0, 0.0], 0.5)
    truth = 0.3 + 0.8 * log_odds + of_ratio * (ratios - 0.5) - 0.7 * ap
    labels = (rng.random(count) < expit(truth)).astype(float)
    standard_errors = np.broadcast_to(errors, count).astype(float)
    films = FusionFilms(
        log_odds=log_odds,
        ratios=ratios + rng.normal(0, 1, count) * standard_errors,
        standard_errors=standard_errors,
        tapers=np.ones(count),
        labels=labels,
        views=views,
        patients=(np.arange(count) // 3).astype(str),
    )
    return films, truth


def fit(films: FusionFilms):
    return fit_fusion(films, model="m 1", source="a test")


def test_both_inputs_have_equal_weight_in_units_of_their_spread_and_the_sum_is_calibrated():
    # 0.8 / (1 / 1.5) and 20 / (1 / 0.06): equal weights made these labels.
    films, truth = draw_films(60_000, of_ratio=20.0)
    fitted = fit(films)
    assert fitted.measured * films.ratios.std() == pytest.approx(
        fitted.classifier * films.log_odds.std()
    )
    assert fitted.classifier == pytest.approx(0.8, abs=0.04)
    assert fitted.measured == pytest.approx(20, abs=1.0)
    assert fitted.ap == pytest.approx(-0.7, abs=0.08)
    assert fitted.intercept == pytest.approx(0.3, abs=0.08)
    assert combine_films(fitted, films) == pytest.approx(truth, abs=0.35)
    thresholds = {point.name: point.threshold for point in fitted.operating_points}
    called = expit(combine_films(fitted, films)) >= thresholds["sensitivity_95"]
    assert called[films.labels == 1].mean() == pytest.approx(0.95, abs=0.01)


def test_fused_probabilities_are_calibrated_even_if_other_weights_generated_the_labels():
    films, _ = draw_films(60_000, of_ratio=5.0)
    probabilities = expit(combine_films(fit(films), films))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6)):
        inside = (probabilities >= low) & (probabilities < high)
        expected = probabilities[inside].mean()
        assert films.labels[inside].mean() == pytest.approx(expected, abs=0.02)


def test_the_variance_of_the_true_ratio_is_told_from_the_error_of_the_measured_one():
    errors = np.random.default_rng(1).choice([0.01, 0.03, 0.08], 20_000)
    films, _ = draw_films(20_000, of_ratio=20.0, errors=errors)
    assert films.ratios.std() > 0.075
    assert estimate_ratio_variance(films) == pytest.approx(0.06**2, rel=0.06)


def calibrate_classifier(films: FusionFilms) -> FusionFilms:
    """The films with log-odds of a classifier that is calibrated without the ratio, as a card's classifier is."""
    inputs = films.log_odds[:, None]
    model = LogisticRegression(C=np.inf).fit(inputs, films.labels)
    return replace(films, log_odds=model.decision_function(inputs))


def test_weighing_by_reliability_beats_counting_every_ratio_and_none():
    errors = np.random.default_rng(1).choice([0.005, 0.02, 0.06, 0.15], 40_000)
    films = calibrate_classifier(draw_films(40_000, of_ratio=25.0, errors=errors)[0])
    others = calibrate_classifier(draw_films(40_000, of_ratio=25.0, errors=errors, seed=7)[0])

    def measure_loss(told: FusionFilms, read: FusionFilms) -> float:
        return -float(
            compute_log_likelihood(combine_films(fit(told), read), read.labels, None).mean()
        )

    weighed = measure_loss(films, others)
    certain = {"standard_errors": np.zeros(40_000)}
    always = measure_loss(replace(films, **certain), replace(others, **certain))
    never = -float(compute_log_likelihood(others.log_odds, others.labels, None).mean())
    assert weighed < always - 0.005
    assert weighed < never - 0.02


def test_films_without_a_ratio_count_for_the_thresholds_alone():
    films, _ = draw_films(6_000, of_ratio=20.0, errors=0.02)
    missing = np.arange(6_000) % 4 == 0
    some = replace(films, ratios=np.where(missing, np.nan, films.ratios))
    fitted, of_measured = fit(some), fit(films.select(~missing))
    assert fitted.measured == pytest.approx(of_measured.measured)
    assert fitted.operating_points != of_measured.operating_points
    combined = combine_films(fitted, some)
    assert np.array_equal(combined[missing], films.log_odds[missing])
    (standard, _) = fitted.decisions
    called = expit(combined) >= standard.present_from
    assert called[some.labels == 0].mean() == pytest.approx(0.1, abs=0.002)


def test_an_informative_ratio_lowers_the_held_out_loss_and_noise_raises_it():
    films, _ = draw_films(900, of_ratio=25.0)
    alone, both = cross_validate_losses(films)
    assert alone.shape == both.shape == (900,)
    assert both.mean() < alone.mean() - 0.02
    noise = np.random.default_rng(9).permutation(films.ratios)
    alone, both = cross_validate_losses(replace(films, ratios=noise))
    assert both.mean() > alone.mean() + 0.01


def test_held_out_loss_of_the_classifier_alone_agrees_with_scikit_learn():
    films, _ = draw_films(300, of_ratio=10.0)
    alone, _ = cross_validate_losses(films)
    inputs = np.stack([films.log_odds, films.ap_weights], axis=1)
    means = []
    for repeat in range(20):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=repeat)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        probabilities = cross_val_predict(
            model, inputs, films.labels, cv=folds, groups=films.patients, method="predict_proba"
        )
        means.append(log_loss(films.labels, probabilities[:, 1]))
    assert alone.mean() == pytest.approx(np.mean(means), abs=1e-4)


def test_a_sum_that_counts_against_the_finding_gets_weight_zero():
    fitted = fit(draw_films(4000, of_ratio=-60.0)[0])
    assert (fitted.classifier, fitted.measured) == (0, 0)


def test_films_of_one_class_are_refused():
    films, _ = draw_films(20, of_ratio=0.0)
    with pytest.raises(DataError, match="of one class"):
        fit(replace(films, labels=np.zeros(20)))
