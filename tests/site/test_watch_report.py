"""What a scheduler is told of a site's readings: drift counts only where no shift is left uncorrected."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.site import profile_store
from cxr_core.site.acceptance import compare_with_validation
from cxr_core.site.acceptance_record import build_record, write_acceptance
from cxr_core.site.profile_store import install
from cxr_core.site.watch_report import SHIFT_UNCORRECTED, WatchReport, report_watching
from cxr_core.site.watching import Week
from tests.site.simulated import CARD, FINDING, draw_log_odds, draw_site, validation_scores
from tests.site.test_drift import count
from tests.site.test_profile_store import EVIDENCE

WEEK = "2026-W50"
SHIFT = 3.0
PROFILE = ModelProfile(
    model=CARD.model,
    version=CARD.version,
    finding=FINDING,
    calibration=SiteCalibration(intercept=-SHIFT),
    installed_on="2026-12-02",
    films=48,
    patients=48,
)


@pytest.fixture(autouse=True)
def readings(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week of readings that all score higher by SHIFT than validation films."""
    monkeypatch.setattr(profile_store, "find_active_version", lambda model: CARD)
    log_odds = draw_log_odds(np.random.default_rng(1), 0, 8000) + SHIFT
    week = Week(week=WEEK, read=8000, findings=(count(log_odds),))
    folder = workspace / "site" / "watching"
    folder.mkdir(parents=True)
    (folder / f"{WEEK}.json").write_text(json.dumps(week.to_json()))


def make_test(shift: float, films: int = 30, made: str = "2026-12-01T10:00:00+00:00") -> None:
    """Keep the record of an acceptance test whose healthy films are shifted."""
    rng = np.random.default_rng(2)
    local = draw_site(rng, films, shift=(shift, 0.0))
    acceptance = compare_with_validation(local, validation_scores(rng, 800, 800), CARD)
    write_acceptance(build_record(acceptance, local, CARD, made=made))


def report() -> WatchReport:
    scores = validation_scores(np.random.default_rng(3), 800, 800)
    return report_watching(CARD, FINDING, scores)


def test_after_an_accepted_test_readings_that_moved_are_drift() -> None:
    make_test(shift=0.0)
    assert report().drift.verdict == "drifted"
    assert report().needs_attention
    sentence, week = report().describe()
    assert "Drift:" in sentence
    assert week == f"{WEEK}: 8,000 films, refused 0 %; 8,000 with a verdict, undecided 0 %"


def test_drift_means_nothing_while_a_shift_is_not_corrected() -> None:
    make_test(shift=SHIFT)
    assert report().shift_uncorrected
    assert report().needs_attention
    first = next(report().describe())
    assert SHIFT_UNCORRECTED in first
    assert "Drift:" not in first


def test_thresholds_and_prevalence_correct_no_shift() -> None:
    make_test(shift=SHIFT)
    install(replace(PROFILE, calibration=None, prevalence=0.1), "a test")
    assert report().shift_uncorrected


def test_once_a_recalibration_is_installed_recalibrated_readings_are_compared() -> None:
    make_test(shift=SHIFT)
    install(PROFILE, "a test", EVIDENCE)
    assert report().drift.verdict == "steady"
    assert not report().needs_attention
    assert "No drift is seen in 8,000 films" in next(report().describe())


def test_a_test_with_too_few_films_takes_the_place_of_no_other() -> None:
    make_test(shift=SHIFT)
    make_test(shift=0.0, films=5, made="2026-12-20T10:00:00+00:00")
    assert report().since == "2026-W49"
    assert report().shift_uncorrected
    assert [week.week for week in report().weeks] == [WEEK]
