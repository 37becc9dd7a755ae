"""Which numbers a report shows: the site's own say so, and those that the page withholds are not shown."""

import dataclasses
import json

import pytest

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.page import build_page
from cxr_core.reading.report.pdf import render_pdf_report
from cxr_core.reading.report.report import Report, render_json_report
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration, SiteProfile
from tests.reading.report.test_report import Page, examination, film_of, report

PROFILE = SiteProfile(
    models=(
        ModelProfile(
            model="cardiomegaly-mobilenet",
            version="3",
            finding="cardiomegaly",
            calibration=SiteCalibration(intercept=-1.0),
            installed_on="2026-12-01",
            films=48,
            patients=45,
        ),
    )
)
NOTE = "Recalibrated for this site on 2026-12-01, 48 films; decision not verified at this site."
INVERTED = QualityFlag("inverted", "Greyscale appears inverted.", withholds_call=True)


def at_site(made: Report, profile: SiteProfile) -> Report:
    reading = interpret(made.examination, made.reading.patient, "balanced", site_profile=profile)
    return dataclasses.replace(made, reading=reading)


def withheld() -> Report:
    return report(examination(film_of(), concerns=(INVERTED,)))


def test_the_site_s_number_says_so_beside_it_in_page_appendix_and_json():
    made = at_site(report(), PROFILE)
    page = Page(render_html_report(made)).text
    first, _, appendix = page.partition("Appendix")
    assert "65 %" in first  # odds of 0.834 over e
    assert NOTE in first
    assert NOTE[1:-1] in appendix
    record = json.loads(render_json_report(made))["findings"][0]
    assert record["site_profile"]["recalibrated"]
    assert render_pdf_report(made).startswith(b"%PDF")
    assert "site" not in Page(render_html_report(report())).text.lower().replace("opposite", "")


def test_a_damaged_profile_is_among_the_limitations():
    made = at_site(report(), SiteProfile(problem="The profile of this site is damaged."))
    assert "The profile of this site is damaged." in build_page(made).limitations


@pytest.mark.parametrize("made", [withheld(), report(age=None)], ids=["quality flag", "no age"])
def test_a_number_that_the_page_withholds_is_nowhere_in_the_report_but_in_json(made):
    page = build_page(made)
    shown = [row.probability for row in page.findings] + [
        value
        for table in page.appendix.tables
        for name, value in table.rows
        if not name.startswith("Thresholds")
    ]
    assert not [text for text in shown if "83 %" in text or "1.61" in text]
    assert "83 %" not in Page(render_html_report(made)).text
    assert all(row.bar is None for row in page.findings)
    assert render_pdf_report(made, appendix=True).startswith(b"%PDF")
    assert json.loads(render_json_report(made))["findings"][0]["probability"] is not None


def test_an_abnormal_film_is_said_to_be_abnormal_and_not_to_have_it():
    from tests.reading.test_abnormality import read

    abnormal = read(0.1, 0.1, 0.9).findings[2]
    assert (
        abnormal.describe_frequency()
        == "Of 100 such films at a prevalence of 60 %, 90 are abnormal"
    )
    rare = read(0.1, 0.1, 0.011, prevalence={"abnormality": 0.6}).findings[2]
    assert rare.describe_frequency().endswith("1 is abnormal")
    heart = interpret(report().examination, Patient(age_years=45, view="PA")).findings[0]
    assert heart.describe_frequency() == "Of 100 such films, 83 have it"
