"""A classifier calibrated to readers, alone and with the ratio, on simulated films whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from cxr_core.evaluation.metrics.metrics import expected_calibration_error
from cxr_core.reading.cardiothoracic.fusion_fit import FusionFilms, combine_films, fit_fusion
from cxr_core.training.export.reader_calibration import calibrate_to_readers
from tests.reading.fitting.test_noisy_labels import make_noise
from tests.tiny import tiny_card

COUNT = 20_000
NOISE = make_noise(0.3, 0.01)


@pytest.fixture(scope="module")
def simulated() -> tuple[np.ndarray, np.ndarray, FusionFilms]:
    """Logits, what readers say, and films: heart width decides, the network and the ratio each see it with an error."""
    rng = np.random.default_rng(0)
    width = rng.normal(0.46, 0.05, COUNT)
    truth = rng.random(COUNT) < expit(60 * (width - 0.53))
    labels = rng.random(COUNT) < np.where(truth, 0.3, 0.01)
    errors = np.full(COUNT, 0.015)
    films = FusionFilms(
        log_odds=np.zeros(COUNT),
        ratios=width + rng.normal(0, errors),
        standard_errors=errors,
        tapers=np.ones(COUNT),
        labels=labels.astype(float),
        views=np.full(COUNT, "PA"),
        patients=np.arange(COUNT).astype(str),
    )
    return 30 * (width - 0.5) + rng.normal(0, 1, COUNT), truth.astype(float), films


def test_both_probabilities_are_those_of_readers(simulated):
    logits, truth, films = simulated
    found = calibrate_to_readers(logits, films, NOISE)
    assert expected_calibration_error(found.calibrated.probabilities, truth) < 0.02
    assert np.allclose(expit(found.films.log_odds), found.calibrated.probabilities)
    fusion = fit_fusion(found.films, model="anatomy 1.0.0", source="a test")
    assert expected_calibration_error(expit(combine_films(fusion, found.films)), truth) < 0.02
    plain = fit_fusion(
        replace(found.films, noise=None, in_doubt=None), model="anatomy 1.0.0", source="a test"
    )
    assert expected_calibration_error(expit(combine_films(plain, found.films)), truth) > 0.05


def test_thresholds_leave_out_missed_hearts_and_say_what_all_labels_would_give(simulated):
    logits, truth, films = simulated
    found = calibrate_to_readers(logits, films, NOISE)
    repair, in_doubt = found.repair, found.films.in_doubt
    assert repair.absent + repair.present == in_doubt.sum() == 200
    assert truth[in_doubt & (films.labels == 0)].mean() > 0.9
    (standard, _) = found.calibrated.decisions
    assert standard.present_from < repair.with_all_labels["standard"][0]
    fused = fit_fusion(found.films, model="a", source="a test")
    with_all = fit_fusion(replace(found.films, in_doubt=None), model="a", source="a test")
    assert fused.measured == with_all.measured, "all films fit the weights"
    assert fused.decisions[0].present_from < with_all.decisions[0].present_from
    assert found.add_fused_thresholds(with_all).repair.with_ratio["standard"] == (
        with_all.decisions[0].present_from,
        with_all.decisions[0].absent_below,
    )


def test_the_card_says_all_of_it(simulated):
    logits, truth, films = simulated
    found = calibrate_to_readers(logits, films, NOISE)
    card = found.write_into(tiny_card(findings=("cardiomegaly",)), "cardiomegaly")
    assert type(card).from_json(card.to_json()) == card
    assert card.label_noise["cardiomegaly"].sensitivity == NOISE.sensitivity
    assert card.prevalence["cardiomegaly"] == pytest.approx(truth.mean(), abs=0.01)
    assert card.label_repair["cardiomegaly"].absent > 0
    figures = card.metrics["validation"]["cardiomegaly"]
    assert figures["calibration_of"] == "probability_reported"
    assert figures["ece"]["value"] < 0.02
