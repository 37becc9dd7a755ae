"""What the profile of a site does to a reading: numbers, thresholds and prevalence, and what is said beside them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cxr_core.errors import RecordError
from cxr_core.evaluation.robustness.stability import read_film as read_for_figures
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.models.card import DecisionThresholds, Population
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import MeanFigure
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import FindingReading, Reading
from cxr_core.reading.site_profile import (
    ModelProfile,
    SiteCalibration,
    SiteDecision,
    SiteProfile,
)
from cxr_core.site import profile_store
from tests.reading.test_interpret import ADULTS, card, examination, output

ROOT = Path(__file__).parents[2] / "cxr_core"
CHILD = Patient(age_years=4, view="AP")
STANDARD = DecisionThresholds(
    name="standard", error=0.1, present_from=0.6, absent_below=0.3, source="900 validation films"
)
LUNG = replace(
    card("lung", "pneumonia", Population(text="children aged 1 to 5", age_min=1, age_max=5)),
    decisions={"pneumonia": (STANDARD,)},
    prevalence={"pneumonia": 0.5},
)
KEPT = MeanFigure(0.95, 0.9, 0.98, 60)
LOCAL = SiteDecision(
    name="standard",
    error=0.1,
    present_from=0.8,
    absent_below=0.7,
    source="110 films of the site",
    coverage_present=KEPT,
    coverage_absent=KEPT,
)
RECALIBRATED = "recalibrated for this site on 2026-12-01, 48 films"
NOT_VERIFIED = "decision not verified at this site"


def installed(**fields: object) -> SiteProfile:
    """A profile for pneumonia by LUNG."""
    given = {"version": LUNG.version, "installed_on": "2026-12-01", "films": 48, "patients": 45}
    model = ModelProfile(model="lung", finding="pneumonia", **(given | fields))  # type: ignore[arg-type]
    return SiteProfile(models=(model,))


def read(
    probability: float, profile: SiteProfile | None = None, **question: object
) -> FindingReading:
    (finding,) = read_film(probability, profile, **question).findings
    return finding


def read_film(
    probability: float, profile: SiteProfile | None = None, **question: object
) -> Reading:
    film = examination(output(LUNG, probability))
    return interpret(film, CHILD, site_profile=profile, **question)  # type: ignore[arg-type]


def odds(probability: float) -> float:
    return probability / (1 - probability)


@pytest.mark.parametrize("profile", [None, SiteProfile()])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.97])
def test_without_a_profile_a_reading_is_what_the_card_says(profile, probability):
    finding = read(probability, profile)
    assert finding.probability == pytest.approx(probability)
    assert (finding.present_from, finding.absent_below) == (0.6, 0.3)
    assert finding.site is None
    assert "site_profile" not in finding.to_json()
    assert "site" not in json.dumps(finding.to_json())


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1.5), (0.5, 0.0), (1.3, 2.0)])
def test_a_recalibration_changes_the_log_odds_and_is_named_beside_the_number(slope, intercept):
    calibration = SiteCalibration(slope=slope, intercept=intercept)
    finding = read(0.8, installed(calibration=calibration))
    # By hand: odds of 4 become 4 ** slope * e ** intercept.
    expected = 4**slope * 2.718281828459045**intercept
    assert odds(finding.probability) == pytest.approx(expected)
    assert finding.logit == pytest.approx(1.3863, abs=1e-4)  # the network's own stays
    assert finding.site.describe_probability() == RECALIBRATED
    record = finding.to_json()["site_profile"]
    assert record["recalibrated"]
    assert record["probability_note"] == RECALIBRATED
    assert (record["films"], record["patients"], record["installed_on"]) == (48, 45, "2026-12-01")


def test_a_recalibration_is_brought_from_the_prevalence_of_its_films_to_that_which_is_asked_for():
    calibration = SiteCalibration(intercept=-1.0, prevalence=0.2)
    finding = read(0.8, installed(calibration=calibration), prevalence={"pneumonia": 0.1})
    # Odds of 4 / e hold where the prior odds are 1 to 4; asked for are prior odds of 1 to 9.
    assert odds(finding.probability) == pytest.approx(4 / 2.718281828459045 * (1 / 9) / (1 / 4))


def test_films_are_decided_by_the_recalibrated_probability():
    assert read(0.7).call == "present"
    shifted = read(0.7, installed(calibration=SiteCalibration(intercept=-2.0)))
    assert shifted.call == "absent"
    assert shifted.site.describe_decision() == NOT_VERIFIED
    assert not shifted.to_json()["site_profile"]["decision_verified"]


@pytest.mark.parametrize(("probability", "call"), [(0.65, "absent"), (0.75, "indeterminate")])
def test_thresholds_of_the_site_take_the_place_of_the_card_s(probability, call):
    finding = read(probability, installed(decisions=(LOCAL,)))
    assert read(probability).call == "present"
    assert finding.call == call
    assert (finding.present_from, finding.absent_below) == (0.8, 0.7)
    assert finding.site.describe_decision() == "thresholds of this site, 48 films"
    assert finding.to_json()["site_profile"]["decision_verified"]


def test_a_decision_that_was_not_refitted_is_the_card_s_and_not_verified():
    finding = read(0.75, installed(decisions=(LOCAL,)), decision="balanced")
    assert finding.present_from == 0.4
    assert finding.site.describe_decision() == NOT_VERIFIED


def test_a_threshold_of_the_model_among_those_of_the_site_is_said_to_be_so():
    half = replace(LOCAL, absent_below=0.3, coverage_present=None)
    finding = read(0.5, installed(decisions=(half,)))
    assert finding.site.describe_decision() == (
        "the threshold of “not suspected” is the model's, not verified at this site"
    )
    assert not finding.site.is_verified


def test_the_prevalence_of_the_site_is_the_default_and_a_chosen_one_counts_more():
    profile = installed(prevalence=0.2)
    finding = read(0.5, profile)
    assert finding.prevalence == 0.2
    assert finding.probability == pytest.approx(
        0.2
    )  # as likely as the average film, at any prevalence
    assert finding.call == read(0.5).call
    assert (
        finding.site.describe_probability() == "at this site's prevalence, installed on 2026-12-01"
    )
    chosen = read(0.5, profile, prevalence={"pneumonia": 0.7})
    assert chosen.probability == pytest.approx(0.7)
    assert chosen.site.describe_probability() == ""


def test_a_profile_of_another_version_is_told_and_not_applied():
    profile = installed(
        version="0.9.0",
        calibration=SiteCalibration(intercept=-3.0),
        decisions=(LOCAL,),
        prevalence=0.01,
    )
    reading = read_film(0.7, profile)
    (finding,) = reading.findings
    bare = read(0.7)
    assert (finding.probability, finding.call, finding.prevalence) == (
        bare.probability,
        bare.call,
        bare.prevalence,
    )
    assert finding.site.describe_probability() == ""
    assert "lung 0.9.0, not of 1.0.0" in reading.warnings[0]
    assert "lung 0.9.0" in finding.to_json()["site_profile"]["not_applied"]


def test_once_anything_is_installed_the_other_models_are_not_verified():
    film = examination(output(LUNG, 0.7), output(ADULTS, 0.7))
    profile = installed(calibration=SiteCalibration(intercept=-1.0))
    (heart,) = interpret(film, Patient(age_years=60), site_profile=profile).findings[:1]
    assert heart.finding == "cardiomegaly"
    assert heart.probability == pytest.approx(0.7)
    assert heart.site.describe() == NOT_VERIFIED


def test_a_damaged_profile_is_told_and_readings_go_on():
    problem = (
        "the profile of this site is damaged (it holds no JSON object). Readings go on without it."
    )
    reading = read_film(0.7, SiteProfile(problem=problem))
    assert reading.warnings == (problem,)
    assert reading.to_json("a.png")["remarks"] == [problem]
    assert reading.findings[0].probability == pytest.approx(0.7)
    assert reading.findings[0].site is None


def test_a_recalibrated_film_is_not_called_likely_normal():
    confident = ConfidentNormal(
        threshold=0.2,
        negative_predictive_value=MeanFigure(0.98, 0.96, 0.99, 300),
        share=MeanFigure(0.3, 0.25, 0.35, 900),
        prevalence=0.5,
        source="a test",
    )
    of = replace(LUNG, confident_normal={"pneumonia": confident})
    film = examination(output(of, 0.1))
    assert interpret(film, CHILD).findings[0].likely_normal is True
    profile = installed(calibration=SiteCalibration(intercept=-1.0))
    assert interpret(film, CHILD, site_profile=profile).findings[0].likely_normal is None


def test_a_number_that_a_quality_flag_withholds_is_marked():
    flag = QualityFlag("inverted", "Greyscale appears inverted.", withholds_call=True)
    film = examination(output(LUNG, 0.7), concerns=(flag,))
    assert interpret(film, CHILD).findings[0].is_withheld
    assert not read(0.7).is_withheld


def test_a_profile_reads_back_as_it_was_written_and_a_wrong_one_is_refused():
    (model,) = installed(
        calibration=SiteCalibration(intercept=-1.0, prevalence=0.3),
        decisions=(LOCAL,),
        prevalence=0.3,
    ).models
    content = json.loads(json.dumps(model.to_json()))
    assert ModelProfile.from_json(content) == model
    for wrong in (
        {"installed_on": "yesterday"},
        {"prevalence": 1.0},
        {"films": -1},
        {"calibration": {"slope": 0}},
    ):
        with pytest.raises(RecordError, match=next(iter(wrong))):
            ModelProfile.from_json(content | wrong)


def test_evaluation_and_gate_judge_the_model_without_the_profile(workspace, monkeypatch):
    """A film read for the figures has the card's number although a profile is installed in the workspace."""
    monkeypatch.setattr(profile_store, "_require_active_version", lambda profile: None)
    (model,) = installed(prevalence=0.01, decisions=(LOCAL,)).models
    profile_store.install(model, "a test")
    assert read(0.7, profile_store.load_profile()).probability < 0.1
    classifier = SimpleNamespace(read=lambda film: output(LUNG, 0.7))
    reader = SimpleNamespace(classifiers=(classifier,), segmenter=None)
    (finding,) = read_for_figures(reader, examination().film, CHILD, ())  # type: ignore[arg-type]
    assert finding.probability == pytest.approx(0.7)
    assert finding.site is None


def test_nothing_that_judges_a_model_looks_for_a_profile():
    judges = [ROOT / "inference.py"]
    for folder in ("evaluation", "promotion", "training", "models", "data"):
        judges += sorted((ROOT / folder).rglob("*.py"))
    assert len(judges) > 50
    texts = {path: path.read_text() for path in judges}
    assert [
        path
        for path, text in texts.items()
        if re.search(r"load_(site_)?profile|site_profile", text)
    ] == []


def test_a_profile_needs_no_network():
    script = (
        "import sys, cxr_core.reading.site_profile, cxr_core.reading.interpret, cxr_core.site.profile_store, "
        "cxr_core.site.watching\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
