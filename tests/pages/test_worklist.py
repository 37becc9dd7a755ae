"""What the worklist says of each film, and the table that it exports."""

import csv
import io
from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading
from pages.components.read.page_state import ReadPageState
from pages.components.read.upload import make_entry
from pages.components.read.worklist import (
    build_row,
    format_patient_age,
    list_findings,
    sort_films,
    write_csv,
)
from tests.pages.fake_reader import FakeReader

ADULT = Patient(age_years=63, view="PA")


def film(brightness: float) -> bytes:
    grey = np.full((120, 100), round(255 * brightness), np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes()


def study(patient: Patient = ADULT, **files: bytes) -> tuple[ReadPageState, dict[str, Reading]]:
    state, readings, reader = ReadPageState(), {}, FakeReader()
    for key, data in files.items():
        examination = reader.examine(data)
        state.add_entry(make_entry(state, key, f"{key}.png", data, examination))
        readings[key] = interpret(examination, patient, "balanced")
    return state, readings


def cells_of(state: ReadPageState, readings: Mapping[str, Reading], key: str) -> list[str]:
    row = build_row(state, key, readings[key], list_findings(readings))
    return [cell.text for cell in row.cells]


def test_most_suspicious_film_comes_first_and_films_not_read_last() -> None:
    _, readings = study(calm=film(0.2), bad=b"x", grave=film(0.6), mild=film(0.4))
    assert sort_films(ReadPageState(), readings) == ["grave", "mild", "calm", "bad"]


def test_a_row_says_age_view_ratio_and_verdicts() -> None:
    state, readings = study(grave=film(0.6), calm=film(0.2))
    name, age, view, _, cardiomegaly, pneumonia = cells_of(state, readings, "grave")
    assert (name, age, view) == ("grave.png", "63 y", "PA")
    assert (cardiomegaly, pneumonia) == ("suspected", "no model")
    assert cells_of(state, readings, "calm")[4] == "not suspected"
    assert build_row(state, "grave", readings["grave"], ["cardiomegaly"]).suspected


@pytest.mark.parametrize(
    ("patient", "words"),
    [
        (Patient(age_years=1.0), "12 mo"),
        (Patient(age_years=0.05), "2 wk"),
        (Patient(age_years=0.01), "3 d"),
        (Patient(age_group="adult"), "adult"),
        (Patient(), "–"),
    ],
)
def test_ages_are_short(patient: Patient, words: str) -> None:
    assert format_patient_age(patient) == words


def test_without_an_age_a_row_shows_no_verdict() -> None:
    state, readings = study(Patient(), grave=film(0.6))
    assert "suspected" not in " ".join(cells_of(state, readings, "grave"))
    assert cells_of(state, readings, "grave")[4] == "age needed"
    assert not build_row(state, "grave", readings["grave"], ["cardiomegaly"]).suspected


def test_a_film_that_was_not_read_says_why_and_a_repeated_one_which() -> None:
    state, readings = study(bad=b"x", one=film(0.5), again=film(0.5))
    notes = {key: build_row(state, key, readings[key], []).note for key in readings}
    assert notes["bad"] == "Not read: This file is no PNG, JPEG or DICOM image."
    assert notes["one"] == "The same file as again.png."
    assert notes["again"] == "The same file as one.png."


def test_exported_table_has_a_line_for_each_film() -> None:
    state, readings = study(grave=film(0.6), bad=b"x")
    state.toggle_read_mark("grave")
    content = write_csv(state, readings, sort_films(state, readings)).decode("utf-8-sig")
    first, second = csv.DictReader(io.StringIO(content))
    assert (first["file"], first["cardiomegaly_verdict"], first["read"]) == (
        "grave.png",
        "suspected",
        "yes",
    )
    assert float(first["cardiomegaly_probability"]) == pytest.approx(0.9)
    assert (second["status"], second["cardiomegaly_verdict"]) == ("refused", "")


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1"])
def test_a_name_that_a_spreadsheet_would_compute_is_exported_as_text(name: str) -> None:
    state, readings = study(one=film(0.5))
    state.entries["one"].name = name
    content = write_csv(state, readings, ["one"]).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(content, newline=""))
    assert row["file"] == f"'{name}"


def test_one_film_needs_no_list() -> None:
    def page(count: int) -> None:
        from pages.components.read.worklist import show_films
        from tests.pages.test_worklist import study

        show_films(*study(**{f"film{number}": b"x" for number in range(count)}))

    assert not AppTest.from_function(page, args=(1,)).run().markdown
    assert "2 films" in AppTest.from_function(page, args=(2,)).run().markdown[0].value
