"""Two models that answer one finding for one patient are one finding with two opinions, everywhere it is written."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.models.card import Population
from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import interpret
from cxr_core.reading.opinions import split_opinions
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.report import Report, render_json_report
from cxr_core.reading.results import Reading
from tests.reading.test_interpret import CHILDREN, card, examination, output

ANYBODY = Population(text="anybody")
GOOD, WEAK = card("good", "pneumonia", ANYBODY), card("weak", "pneumonia", ANYBODY)


def read(good: float, weak: float, age: float | None = 30.0) -> Reading:
    examined = examination(output(GOOD, good), output(WEAK, weak))
    return interpret(examined, Patient(age_years=age), "youden")


def test_models_that_differ_give_one_undecided_finding_that_says_so() -> None:
    reading = read(0.97, 0.2)
    (finding,) = reading.findings
    assert (finding.call, finding.model, finding.probability) == ("indeterminate", "good", 0.97)
    remark = finding.undecided_because
    assert remark is not None
    assert "suspected by good 1.0.0 (97 %), not suspected by weak 1.0.0 (20 %)" in remark
    assert remark in reading.warnings
    assert write_impression(reading).startswith(f"Pneumonia is undecided. {remark}")
    assert "is suspected" not in write_impression(reading)
    assert reading.suspicion == read(0.97, 0.97).suspicion  # sorts as by the more suspicious one


def test_no_number_is_named_where_a_flag_allows_no_verdict() -> None:
    flag = QualityFlag("inverted", "It seems inverted.", withholds_call=True)
    examined = examination(output(GOOD, 0.97), output(WEAK, 0.2), concerns=(flag,))
    reading = interpret(examined, Patient(age_years=30.0), "youden")
    assert reading.findings[0].undecided_because == "It seems inverted."
    text = write_impression(reading) + " ".join(reading.warnings)
    assert "2 models answer it (good 1.0.0, weak 1.0.0), and none gives a verdict here" in text
    assert "%" not in text


def test_json_keeps_its_fields_and_adds_the_opinions() -> None:
    (finding,) = json.loads(json.dumps(read(0.97, 0.2).to_json("a.png")))["findings"]
    single = interpret(examination(output(GOOD, 0.97)), Patient(age_years=30), "youden")
    assert set(single.findings[0].to_json()) == set(finding) - {"opinions", "uncertain_because"}
    assert [(o["model"], o["call"]) for o in finding["opinions"]] == [
        ("good", "present"),
        ("weak", "absent"),
    ]


def test_models_that_agree_are_named_as_well() -> None:
    reading = read(0.97, 0.6)
    (finding,) = reading.findings
    assert (finding.call, finding.undecided_because) == ("present", None)
    text = write_impression(reading)
    assert text.startswith("Pneumonia is suspected.")
    assert "2 models answer it and agree" in text


@pytest.mark.parametrize("weak", [0.2, 0.6])
def test_a_report_shows_one_row_with_the_remark_and_both_models(weak: float) -> None:
    reading = read(0.97, weak)
    report = Report(
        reading=reading,
        examination=examination(output(GOOD, 0.97), output(WEAK, weak)),
        file="a.png",
        made=datetime(2026, 1, 1, tzinfo=UTC),
        software_version="0",
    )
    html = render_html_report(report)
    assert "2 models answer it" in html
    assert "weak 1.0.0" in html
    assert {m["model"] for m in json.loads(render_json_report(report))["models"]} == {
        "good",
        "weak",
    }


def test_while_the_age_is_missing_a_model_for_everybody_decides_alone() -> None:
    examined = examination(output(GOOD, 0.97), output(CHILDREN, 0.2))
    (finding,) = interpret(examined, Patient(), "youden").findings
    assert (finding.call, finding.model, finding.needs_age) == ("present", "good", False)
    (finding,) = interpret(examined, Patient(age_years=4), "youden").findings
    assert finding.call == "indeterminate"
    (finding,) = interpret(examined, Patient(age_years=40), "youden").findings
    assert (finding.call, finding.opinions) == ("present", ())


def test_models_of_two_age_groups_wait_for_the_age_as_one_finding() -> None:
    adults = replace(GOOD, population=Population(text="adults", age_min=18))
    examined = examination(output(adults, 0.97), output(CHILDREN, 0.2))
    reading = interpret(examined, Patient(), "youden")
    (finding,) = reading.findings
    assert finding.needs_age
    assert [opinion.model for opinion in split_opinions(reading.findings)] == ["good", "lung"]
    assert any("depends on the age" in warning for warning in reading.warnings)
    assert "was not assessed: the age is missing" in write_impression(reading)
