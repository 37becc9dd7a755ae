"""Local thresholds are those of conformal prediction on the site's patients, and keep the share that they promise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from cxr_core.models.card import DecisionThresholds
from cxr_core.reading.fitting.conformal import choose_decisions
from cxr_core.site.local_decisions import MIN_PATIENTS, choose_local_decisions, expect_coverage
from cxr_core.site.recalibration import fit_local_recalibration
from tests.site.simulated import CARD, FINDING, PREVALENCE, draw_site, validation_scores

OWN = tuple(
    DecisionThresholds(
        name=name, error=error, present_from=0.7, absent_below=0.2, source="validation"
    )
    for name, error in (("standard", 0.10), ("strict", 0.05))
)
CARD_WITH_DECISIONS = replace(CARD, decisions={FINDING: OWN})


def test_with_a_film_a_patient_they_are_those_of_the_models_own_fit():
    local = draw_site(np.random.default_rng(0), 90, 80, shift=(2.0, 0.0))
    ours = choose_local_decisions(local, CARD_WITH_DECISIONS, None).decisions
    theirs = choose_decisions(expit(local.log_odds), local.labels, "")
    assert [each.name for each in ours] == ["standard", "strict"]
    for local_one, own in zip(ours, theirs, strict=True):
        assert local_one.present_from == pytest.approx(own.present_from)
        assert local_one.absent_below == pytest.approx(own.absent_below)


def test_the_expected_coverage_is_that_of_many_sites():
    kept = []
    expected = expect_coverage(60, 0.05)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        local = draw_site(rng, 60)
        strict = choose_local_decisions(local, CARD_WITH_DECISIONS, None).decisions[-1]
        new = draw_site(rng, 2000)
        kept.append(np.mean(expit(new.log_odds) < strict.present_from))
    kept = np.array(kept)
    assert np.mean(kept) == pytest.approx(expected.value, abs=0.005)
    assert np.mean((kept >= expected.low) & (kept <= expected.high)) == pytest.approx(
        0.95, abs=0.03
    )
    assert expected.value >= 0.95


def test_a_class_with_too_few_patients_keeps_the_models_threshold_and_says_so():
    local = draw_site(np.random.default_rng(1), MIN_PATIENTS, MIN_PATIENTS - 1)
    outcome = choose_local_decisions(local, CARD_WITH_DECISIONS, None)
    strict = outcome.decisions[-1]
    assert strict.absent_below == 0.2
    assert strict.coverage_present is None
    assert strict.coverage_absent is not None
    assert "not verified at this site (49 of 50 patients)" in outcome.sentence


def test_with_too_few_of_both_nothing_is_refitted():
    local = draw_site(np.random.default_rng(2), 49, 49)
    outcome = choose_local_decisions(local, CARD_WITH_DECISIONS, None)
    assert outcome.decisions == ()
    assert "not verified at this site" in outcome.sentence


def test_one_patients_many_films_share_one_count():
    local = draw_site(np.random.default_rng(3), 120)
    many = np.where(np.arange(120) < 60, "p0", local.patients.astype(str))
    local = replace(
        local,
        patients=many.astype(object),
        log_odds=np.where(np.arange(120) < 60, 9.0, local.log_odds),
    )
    strict = choose_local_decisions(local, CARD_WITH_DECISIONS, None).decisions[-1]
    assert strict.present_from < expit(
        9.0
    )  # 61 patients may have two beyond it: this one, and one more
    assert np.sum(expit(local.log_odds[60:]) >= strict.present_from) == 1


def test_thresholds_lie_on_the_recalibrated_probability_at_the_cards_prevalence():
    local = draw_site(np.random.default_rng(4), 100, 100, shift=(2.0, 2.0))
    scores = validation_scores(np.random.default_rng(5))
    fitted = fit_local_recalibration(local, scores, CARD)
    plain = choose_local_decisions(local, CARD_WITH_DECISIONS, None).decisions[0]
    moved = choose_local_decisions(local, CARD_WITH_DECISIONS, fitted).decisions[0]
    expected = fitted.slope * logit(plain.present_from) + fitted.intercept
    expected += logit(PREVALENCE) - logit(0.5)  # from these films' prevalence
    assert logit(moved.present_from) == pytest.approx(expected, abs=1e-6)


def test_where_the_classes_part_nothing_is_undecided():
    local = draw_site(np.random.default_rng(6), 60, 60, shift=(-10.0, 10.0))
    for each in choose_local_decisions(local, CARD_WITH_DECISIONS, None).decisions:
        assert each.present_from == each.absent_below
        assert (expit(local.log_odds) >= each.present_from).tolist() == (local.labels == 1).tolist()
