"""`python -m cxr_core read` at a site: what its profile changes, what is counted, and what the shell keeps back."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core import __main__ as command
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.models.figures import MeanFigure
from cxr_core.models.registry import registry
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.site.profile_store import Evidence, install, revoke
from cxr_core.site.watching import read_weeks
from tests.reading.test_interpret import ADULTS, examination, output
from tests.tiny import tiny_card, tiny_model

EVIDENCE = Evidence(before=MeanFigure(0.2, 0.1, 0.3, 48), after=MeanFigure(0.1, 0.05, 0.2, 48))
PROFILE = ModelProfile(
    model="tiny",
    version="1.0.0",
    finding="pneumonia",
    calibration=SiteCalibration(intercept=-2.0),
    installed_on="2026-11-01",
    films=48,
    patients=45,
)
WHEN = "2026-12-01T10:00:00+00:00"
RECALIBRATED = "recalibrated for this site on 2026-12-01, 48 films"


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Path:
    """A film that is not marked as a drawing; a tiny model of two findings reads it."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    tiny_model(workspace / "models", tiny_card())
    pixels = (255 * draw_phantom(PhantomSpec(seed=1)).pixels).round().astype(np.uint8)
    path = tmp_path / "film.png"
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def read_json(film: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    assert command.main(["read", str(film), "--json", "--age", "50", "--view", "PA"]) == 0
    line = json.loads(capsys.readouterr().out)
    return {finding["finding"]: finding for finding in line["findings"]}


@pytest.mark.process
def test_a_film_is_read_with_the_profile_from_its_installation_to_its_revocation(film, capsys):
    before = read_json(film, capsys)
    assert "site_profile" not in before["pneumonia"]
    install(PROFILE, "acceptance test", EVIDENCE, when=WHEN)
    during = read_json(film, capsys)
    mark = during["pneumonia"]["site_profile"]
    assert mark["probability_note"] == RECALIBRATED
    assert mark["installed_on"] == "2026-12-01"
    assert during["pneumonia"]["logit"] == before["pneumonia"]["logit"]
    odds = [p / (1 - p) for p in (f["pneumonia"]["probability"] for f in (before, during))]
    assert odds[1] / odds[0] == pytest.approx(np.exp(-2.0))
    assert not during["cardiomegaly"]["site_profile"]["decision_verified"]
    assert during["cardiomegaly"]["probability"] == before["cardiomegaly"]["probability"]
    revoke("tiny", "pneumonia", "a test")
    after = read_json(film, capsys)
    assert [f["probability"] for f in after.values()] == [f["probability"] for f in before.values()]
    assert "site_profile" not in after["pneumonia"]
    (week,), _ = read_weeks()  # counted since the site has a folder
    assert week.read == 2
    assert week.find("tiny", "1.0.0", "pneumonia").films == 2


def test_people_are_told_after_the_number_and_after_the_thresholds():
    profile = replace(PROFILE, model="heart", finding="cardiomegaly", installed_on="2026-12-01")
    from cxr_core.reading.site_profile import SiteProfile

    film = examination(output(ADULTS, 0.7))
    reading = interpret(
        film, Patient(age_years=50), "balanced", site_profile=SiteProfile(models=(profile,))
    )
    text = command._format_reading(Path("a.png"), reading)
    assert (
        f"probability 24 %, {RECALIBRATED} (threshold 40 %, balanced, decision not verified" in text
    )
    bare = interpret(film, Patient(age_years=50), "balanced")
    assert "site" not in command._format_reading(Path("a.png"), bare)


def test_a_number_that_the_page_withholds_is_not_in_the_text_and_stays_in_json():
    flag = QualityFlag("inverted", "Greyscale appears inverted.", withholds_call=True)
    reading = interpret(
        examination(output(ADULTS, 0.7), concerns=(flag,)), Patient(age_years=50), "balanced"
    )
    text = command._format_reading(Path("a.png"), reading)
    assert (
        "cardiomegaly: undecided, no number as a quality flag allows no verdict (heart 1.0.0"
        in text
    )
    assert "%" not in text
    (finding,) = reading.to_json("a.png")["findings"]
    assert finding["probability"] == pytest.approx(0.7)
    assert finding["undecided_because"] == flag.message


def test_a_number_that_waits_for_the_age_is_marked_in_text_and_json():
    reading = interpret(examination(output(ADULTS, 0.7)), Patient(), "balanced")
    assert "probability 70 %, age missing" in command._format_reading(Path("a.png"), reading)
    (finding,) = reading.to_json("a.png")["findings"]
    assert finding["needs_age"]
    assert finding["probability"] == pytest.approx(0.7)
