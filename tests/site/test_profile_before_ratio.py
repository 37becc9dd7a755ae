"""A profile on the shipped model of cardiomegaly: it recalibrates the network, and then the measured CTR counts."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from cxr_core.models.figures import MeanFigure
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import Examination, FindingReading, Reading
from cxr_core.reading.site_profile import (
    ModelProfile,
    SiteCalibration,
    SiteDecision,
    SiteProfile,
)
from cxr_core.workspace.paths import SHIPPED_MODELS

pytestmark = pytest.mark.training
FINDING = "cardiomegaly"
SLOPE, INTERCEPT = 0.8, -1.0
ADULT = Patient(age_years=60, view="PA")
KEPT = MeanFigure(0.95, 0.9, 0.98, 60)


def shipped(name: str) -> Path:
    (folder,) = (SHIPPED_MODELS / name).iterdir()
    return folder


CARD = json.loads((shipped("cardiomegaly-adults") / "card.json").read_text())


@pytest.fixture(scope="module")
def film(real_data: Path) -> Examination:
    """A film of an adult, read by the shipped network, with its measured CTR."""
    path = sorted((real_data / "heart_ctr" / "images").glob("*.png"))[0]
    folders = [shipped("cardiomegaly-adults")]
    with Reader.installed(folders, segmenter=shipped("anatomy")) as reader:
        return reader.examine(path.read_bytes())


def installed() -> SiteProfile:
    """A recalibration and thresholds, as a site could install them."""
    thresholds = SiteDecision(
        name="standard",
        error=0.1,
        present_from=0.9,
        absent_below=0.8,
        source="110 films of the site",
        coverage_present=KEPT,
        coverage_absent=KEPT,
    )
    profile = ModelProfile(
        model=CARD["model"],
        version=CARD["version"],
        finding=FINDING,
        calibration=SiteCalibration(slope=SLOPE, intercept=INTERCEPT),
        decisions=(thresholds,),
        installed_on="2026-12-01",
        films=48,
        patients=45,
    )
    return SiteProfile(models=(profile,))


def read(film: Examination, profile: SiteProfile | None) -> tuple[Reading, FindingReading]:
    reading = interpret(film, ADULT, "standard", site_profile=profile)
    assert reading.status == "read", reading.reason
    (finding,) = [each for each in reading.findings if each.finding == FINDING]
    return reading, finding


def combine(network_log_odds: float, reading: Reading) -> float:
    """The probability of network and CTR together, by the numbers in the card's file."""
    numbers = CARD["combination"][FINDING]
    (ratio,) = reading.measurements
    assert ratio.value is not None
    assert ratio.standard_error is not None
    weight = ratio.taper * numbers["ratio_variance"]
    weight /= numbers["ratio_variance"] + ratio.standard_error**2
    assert 0.1 < weight <= 1, "the ratio of this film counts"
    fused = numbers["intercept"] + numbers["classifier"] * network_log_odds
    fused += numbers["measured"] * (ratio.value - numbers["centre"])
    return float(expit((1 - weight) * network_log_odds + weight * fused))


def test_the_network_is_recalibrated_before_the_ratio_counts(film: Examination) -> None:
    _, bare = read(film, None)
    reading, finding = read(film, installed())
    assert bare.logit is not None
    calibration = CARD["calibration"][FINDING]
    own = calibration["slope"] * bare.logit + calibration["intercept"]
    assert bare.probability == pytest.approx(combine(own, reading), rel=1e-6)
    recalibrated = SLOPE * own + INTERCEPT
    assert finding.probability == pytest.approx(combine(recalibrated, reading), rel=1e-6)
    afterwards = expit(SLOPE * logit(bare.probability) + INTERCEPT)
    assert not np.isclose(finding.probability, afterwards, rtol=0.01), "it does not come last"
    assert finding.fusion_parts is not None
    assert finding.fusion_parts.classifier == pytest.approx(expit(recalibrated), rel=1e-6)


def test_where_a_ratio_counts_thresholds_are_the_model_s_and_not_verified(
    film: Examination,
) -> None:
    _, bare = read(film, None)
    _, finding = read(film, installed())
    assert (finding.present_from, finding.absent_below) == (bare.present_from, bare.absent_below)
    (standard,) = [
        each for each in CARD["combination"][FINDING]["decisions"] if each["name"] == "standard"
    ]
    assert finding.present_from == pytest.approx(standard["present_from"])
    assert finding.site is not None
    assert "recalibrated for this site on 2026-12-01, 48 films" in finding.site.describe()
    assert "decision not verified at this site" in finding.site.describe()
