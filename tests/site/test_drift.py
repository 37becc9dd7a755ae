"""Drift of readings without labels: none where only the share of the finding changes, but where healthy films move."""

import numpy as np
import pytest

from cxr_core.reading.site_profile import SiteCalibration
from cxr_core.site.drift import Drift, measure_drift
from cxr_core.site.watching import BIN_WIDTH, HIGHEST_BIN, LOWEST_BIN, FindingCounts
from tests.site.simulated import (
    CARD,
    FINDING,
    PREVALENCE,
    VARIANCE,
    draw_log_odds,
    validation_scores,
)

SEED = 4


def count(log_odds: np.ndarray) -> FindingCounts:
    places = np.floor(log_odds / BIN_WIDTH).clip(LOWEST_BIN, HIGHEST_BIN).astype(int)
    values, films = np.unique(places, return_counts=True)
    histogram = {str(value): int(number) for value, number in zip(values, films, strict=True)}
    return FindingCounts(
        model=CARD.model,
        version=CARD.version,
        finding=FINDING,
        log_odds=histogram,
        verdicts={"absent": len(log_odds)},
    )


def measure(
    films: int,
    share: float = 0.1,
    shift: float = 0.0,
    calibration: SiteCalibration | None = None,
    seed: int = SEED,
) -> Drift:
    rng = np.random.default_rng(seed)
    scores = validation_scores(rng, absent=800, present=800)
    present = rng.binomial(films, share)
    log_odds = np.concatenate(
        [draw_log_odds(rng, 0, films - present) + shift, draw_log_odds(rng, 1, present)]
    )
    return measure_drift(
        [count(log_odds[::2]), count(log_odds[1::2])],
        scores,
        CARD.calibration[FINDING],
        calibration,
        PREVALENCE,
        share,
    )


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_another_share_of_patients_with_the_finding_is_no_drift(share):
    drift = measure(3000, share)
    assert drift.distance < drift.critical
    assert drift.share == pytest.approx(share, abs=0.1)
    assert drift.films == 3000


def test_healthy_films_that_move_are_drift():
    drift = measure(2000, shift=-2.5)
    assert drift.verdict == "drifted"
    assert "Repeat the acceptance test" in drift.sentence


def test_a_site_that_was_recalibrated_is_compared_with_its_recalibrated_scores():
    moved = VARIANCE**0.5 * 2
    assert measure(2000, share=0.01, shift=-moved).verdict == "drifted"
    undone = SiteCalibration(intercept=moved)
    assert measure(2000, share=0.01, shift=-moved, calibration=undone).distance < 0.06


def test_a_recalibration_at_another_prevalence_is_brought_to_that_of_the_card():
    same = measure(2000).distance
    # An intercept that is the difference of the two prior log-odds changes nothing.
    prior = np.log(0.2 / 0.8) - np.log(PREVALENCE / (1 - PREVALENCE))
    calibration = SiteCalibration(intercept=float(prior), prevalence=0.2)
    assert measure(2000, calibration=calibration).distance == pytest.approx(same, abs=0.02)


def test_too_few_films_mean_nothing_and_the_number_needed_is_stated():
    drift = measure(40)
    assert drift.verdict == "too_few"
    assert drift.films_needed > 40
    assert f"from {drift.films_needed:,} films on" in drift.sentence
    nothing = measure(0)
    assert (nothing.verdict, nothing.distance) == ("too_few", None)


def test_from_the_number_of_films_that_is_stated_a_shift_of_one_shows_in_nine_of_ten_cases():
    needed = measure(0).films_needed
    found = [measure(needed, shift=1.0, seed=seed) for seed in range(40)]
    assert sum(drift.distance > drift.critical for drift in found) >= 34
    still = [measure(needed, seed=seed) for seed in range(40)]
    assert sum(drift.distance > drift.critical for drift in still) <= 1
