"""Each film of a study has its own patient: asked once on the film, from its file, or from the sidebar."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination
from pages.components.read.page_state import ReadPageState
from tests.pages.app_bench import (
    find_button,
    find_labelled,
    finding_text,
    not_assessed_text,
    upload,
    visible_text,
)
from tests.pages.fake_reader import FakeReader
from tests.pages.test_read_page import film

BRIGHT, DARK = film(0.6), film(0.3)


class StatingReader(FakeReader):
    """Reads a file for a woman of 57, PA, and all other files without any fact."""

    stated = film(0.4)

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        examination = super().examine(data, adjustments)
        if data != self.stated or examination.film is None:
            return examination
        facts = replace(examination.film, age_years=57.0, view="PA", sex="F")
        return replace(examination, film=facts)


@pytest.fixture
def reader() -> FakeReader:
    return StatingReader()


def study_of(app: AppTest) -> ReadPageState:
    study: ReadPageState = app.session_state["read_page"]
    return study


def age_field(app: AppTest):
    return find_labelled(app.text_input, "Age")


def show_film(app: AppTest, name: str) -> None:
    """Choose a film of the study by its file's name."""
    study = study_of(app)
    study.choose_entry(next(key for key, e in study.entries.items() if e.name == f"{name}.png"))
    app.run()
    assert not app.exception


def test_film_without_an_age_gives_no_number_and_no_verdict_until_it_is_answered(
    app: AppTest,
) -> None:
    upload(app, unknown=BRIGHT)
    assert "How old is the patient?" in visible_text(app)
    for finding, model in (("cardiomegaly", "heart-adults"), ("pneumonia", "lung-children")):
        text = finding_text(app, finding, model)
        assert "Age needed" in text
        assert "uspected" not in text
        assert "%" not in text
    assert "%" not in visible_text(app).split("Not assessed")[0]
    assert not app.container(key="read-findings").get("html")


def test_one_click_says_that_the_patient_is_an_adult(app: AppTest) -> None:
    upload(app, unknown=BRIGHT)
    find_button(app, "Adult").click().run()
    assert "Suspected" in finding_text(app, "cardiomegaly", "heart-adults")
    assert "pneumonia (no model for this patient)" in not_assessed_text(app)
    assert "How old is the patient?" not in visible_text(app)
    assert age_field(app).value == "adult", "no exact age is made up"
    assert [*study_of(app).patients.values()] == [Patient(age_group="adult")]


def test_one_click_says_that_the_patient_is_a_child_of_1_to_5(app: AppTest) -> None:
    upload(app, unknown=BRIGHT)
    find_button(app, "Child of 1 to 5").click().run()
    assert "Suspected" in finding_text(app, "pneumonia", "lung-children")
    assert "cardiomegaly (no model for this patient)" in not_assessed_text(app)
    assert age_field(app).value == "child of 1 to 5 years"


@pytest.mark.parametrize(
    ("typed", "shown", "reads"),
    [("63", "63 years", "cardiomegaly"), ("18 months", "18 months", "pneumonia")],
)
def test_exact_age_is_typed_on_the_film_in_years_or_months(
    app: AppTest, typed: str, shown: str, reads: str
) -> None:
    upload(app, unknown=BRIGHT)
    age_field(app).set_value(typed).run()
    assert age_field(app).value == shown
    models = {"cardiomegaly": "heart-adults", "pneumonia": "lung-children"}
    assert "Suspected" in finding_text(app, reads, models[reads])


def test_text_that_is_no_age_changes_nothing_and_is_answered(app: AppTest) -> None:
    upload(app, unknown=BRIGHT)
    age_field(app).set_value("old").run()
    assert "Enter an age such as 57, 8 months or 3 weeks" in visible_text(app)
    assert age_field(app).value == ""
    assert study_of(app).patients == {}
    age_field(app).set_value("411").run()
    assert study_of(app).patients == {}


def test_age_of_one_film_is_not_that_of_the_next(app: AppTest) -> None:
    upload(app, adult=BRIGHT, child=DARK)
    show_film(app, "adult")
    find_button(app, "Adult").click().run()
    show_film(app, "child")
    assert "How old is the patient?" in visible_text(app)
    find_button(app, "Child of 1 to 5").click().run()
    show_film(app, "adult")
    assert age_field(app).value == "adult"


def test_film_that_waits_for_an_age_comes_before_one_that_was_not_read(app: AppTest) -> None:
    upload(app, broken=b"no picture", unknown=BRIGHT)
    assert "unknown.png" in [text.value for text in app.text]
    assert "How old is the patient?" in visible_text(app)


def test_sidebar_fills_in_only_films_that_say_nothing(app: AppTest) -> None:
    upload(app, silent=BRIGHT, stating=StatingReader.stated)
    app.sidebar.number_input[0].set_value(4).run()
    show_film(app, "silent")
    assert age_field(app).value == "4 years"
    assert "age from the sidebar" in visible_text(app)
    show_film(app, "stating")
    assert age_field(app).value == "57 years"
    assert "from the sidebar" not in visible_text(app)
    assert "female" in visible_text(app)
    assert "70 %" not in finding_text(app, "cardiomegaly", "heart-adults")


def test_conflict_with_the_file_is_shown_and_what_was_entered_counts(app: AppTest) -> None:
    upload(app, stating=StatingReader.stated)
    assert "The file states" not in visible_text(app)
    age_field(app).set_value("4").run()
    assert "4 years. The file states 57 years." in visible_text(app)
    assert "cardiomegaly (no model for this patient)" in not_assessed_text(app)
    view = find_labelled(app.main.button_group, "View")
    view.set_value("AP").run()
    assert "AP. The file states PA." in visible_text(app)
    age_field(app).set_value("").run()
    assert "57 years" not in visible_text(app)
    assert age_field(app).value == "57 years", "an emptied field is the file's own age again"


@pytest.mark.parametrize("label", ["Normal chest", "Wide heart"])
def test_sample_comes_with_an_age_that_fits(app: AppTest, label: str) -> None:
    find_button(app, label).click().run()
    assert not app.exception
    assert "How old is the patient?" not in visible_text(app)
    assert age_field(app).value == "45 years"
    assert "%" in finding_text(app, "cardiomegaly", "heart-adults")


@pytest.mark.parametrize(
    "label", ["Opacity in the right lower lung", "Child with an opacity in the left lung"]
)
def test_sample_that_the_models_misread_shows_outlines_and_ratio_alone(
    app: AppTest, label: str
) -> None:
    find_button(app, label).click().run()
    assert not app.exception
    text = visible_text(app)
    assert "not made for drawings: outlines and CTR alone" in text
    assert not app.container(key="read-findings").get("html")
    assert "cardiomegaly, pneumonia, pneumothorax" in not_assessed_text(app)
    assert "uspected" not in text
