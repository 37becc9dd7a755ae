"""The profile of the site on the Read page: there once installed, gone once revoked, and named beside the number."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.models.figures import MeanFigure
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.site import profile_store
from cxr_core.site.profile_store import Evidence, install, revoke, site_folder
from cxr_core.site.watching import read_weeks
from pages.components.read.patient_form import SidebarAnswers
from pages.components.read.study_view import interpret_entry
from pages.components.read.worklist import write_csv
from tests.pages.app_bench import (
    find_button,
    finding_text,
    prevalence_field,
    upload,
    visible_text,
)
from tests.pages.fake_reader import ADULTS
from tests.pages.test_findings_on_page import reader  # noqa: F401
from tests.pages.test_read_page import film

PROFILE = ModelProfile(
    model="heart-adults",
    version=ADULTS.version,
    finding="cardiomegaly",
    calibration=SiteCalibration(intercept=-4.0),
    prevalence=0.1,
    installed_on="2026-11-01",
    films=48,
    patients=45,
)
EVIDENCE = Evidence(before=MeanFigure(0.13, 0.09, 0.17, 48), after=MeanFigure(0.05, 0.03, 0.08, 48))
WHEN = "2026-12-01T10:00:00+00:00"
RECALIBRATED = "Recalibrated for this site on 2026-12-01, 48 films"


@pytest.fixture(autouse=True)
def _version_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    class Active:
        version = PROFILE.version

    monkeypatch.setattr(profile_store, "find_active_version", lambda model: Active)


def open_adult(app: AppTest, brightness: float = 0.6) -> str:
    upload(app, heart=film(brightness))
    find_button(app, "Adult").click().run()
    return read_card(app)


def read_card(app: AppTest) -> str:
    assert not app.exception
    return finding_text(app, "cardiomegaly", "heart-adults")


def test_an_installed_profile_shows_at_once_and_is_gone_at_once_when_it_is_revoked(
    app: AppTest,
) -> None:
    before = open_adult(app)
    assert "Suspected" in before
    assert "site" not in before
    install(PROFILE, "acceptance test", EVIDENCE, when=WHEN)
    app.run()
    card = read_card(app)
    assert f"{RECALIBRATED}; decision not verified at this site." in card
    assert "at a prevalence of 10 %" in card  # the site's, where nobody chose another
    assert "Not suspected" in card  # 0.9 less 4 log-odds is 0.14, below 0.2
    assert prevalence_field(app, "cardiomegaly").value == 10.0
    revoke(PROFILE.model, PROFILE.finding, "the scanner was replaced")
    app.run()
    assert read_card(app) == before


def test_a_prevalence_that_the_reader_chose_counts_more_than_the_site_s(app: AppTest) -> None:
    install(PROFILE, "acceptance test", EVIDENCE, when=WHEN)
    open_adult(app)
    field = prevalence_field(app, "cardiomegaly")
    field.set_value(30.0).run()
    assert "at a prevalence of 30 %" in read_card(app)
    assert RECALIBRATED in read_card(app)


def test_a_damaged_profile_is_told_and_the_film_is_read_without_it(app: AppTest) -> None:
    before = open_adult(app)
    site_folder().mkdir(parents=True)
    (site_folder() / "profile.json").write_text("{")
    app.run()
    assert read_card(app) == before
    assert "the profile of this site is damaged" in visible_text(app)
    assert "Readings go on without it." in visible_text(app)


def test_a_profile_of_another_version_is_told_and_not_applied(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_store, "_require_active_version", lambda profile: None)
    before = open_adult(app)
    install(ModelProfile.from_json({**PROFILE.to_json(), "version": "0.9.0"}), "old", EVIDENCE)
    app.run()
    card = read_card(app)
    assert "is of heart-adults 0.9.0, not of 1.0.0, so it is not applied" in card
    assert before.splitlines()[1] in card  # the number is the model's own


def test_the_table_of_a_study_has_a_column_on_the_profile_only_where_one_is_installed(
    app: AppTest,
) -> None:
    open_adult(app)
    assert "site" not in "".join(table_of(app)[0])
    install(PROFILE, "acceptance test", EVIDENCE, when=WHEN)
    app.run()
    (row,) = table_of(app)
    assert row["cardiomegaly_site_profile"] == (
        "recalibrated for this site on 2026-12-01, 48 films; decision not verified at this site"
    )


def table_of(app: AppTest) -> list[dict[str, Any]]:
    from cxr_core.site.profile_store import load_profile

    state = app.session_state["read_page"]
    answers = SidebarAnswers(
        age_years=None, view=None, decision="standard", site_profile=load_profile()
    )
    readings = {key: interpret_entry(state, entry, answers) for key, entry in state.entries.items()}
    text = write_csv(state, readings, list(readings)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_each_film_is_counted_once_and_its_verdict_once_it_can_be_given(
    app: AppTest, workspace: Path
) -> None:
    site_folder().mkdir(parents=True)
    upload(app, heart=film(0.6))
    app.run()
    (week,), _ = read_weeks()
    assert (week.read, week.findings) == (1, ())  # the age is missing
    find_button(app, "Adult").click().run()
    app.run()
    (week,), _ = read_weeks()
    assert week.read == 1
    counts = week.find("heart-adults", ADULTS.version, "cardiomegaly")
    assert counts.verdicts == {"present": 1}
    upload(app, other=film(0.2))
    (week,), _ = read_weeks()
    assert week.read == 2


def test_nothing_is_counted_where_the_site_is_not_set_up(app: AppTest, workspace: Path) -> None:
    open_adult(app)
    assert not site_folder().exists()
