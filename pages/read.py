"""Read: films in; findings, heatmaps, what to distrust and a report out."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.reading.reading import Patient, Reading, interpret
from pages.components import session
from pages.components.concerns import show_concerns
from pages.components.downloads import offer_reports
from pages.components.film import bring_up, show_facts, view_film
from pages.components.films import offer_clearing, take_films
from pages.components.findings import show_findings
from pages.components.markdown import plain
from pages.components.patient import ask_operating_point, ask_patient
from pages.components.session import Entry, Shown, Study
from pages.components.worklist import choose_film

WORDS_PX = 420


def page() -> None:
    """The whole page, top to bottom."""
    study = session.study()
    st.title("Read chest films")
    with st.sidebar:
        patient = ask_patient(study)
        operating_point = ask_operating_point(study)
        offer_clearing(study)
    take_films(study)
    if study.entries:
        read_study(study, patient, operating_point)


def read_study(study: Study, patient: Patient, operating_point: str) -> None:
    """The film chosen from the study, beside what is said of it; on a narrow screen the words wrap below."""
    readings = {key: interpret(entry.examination, patient, operating_point) for key, entry in study.entries.items()}
    with st.container(horizontal=True, gap="medium"):
        picture, words = st.container(key="picture"), st.container(key="words", width=WORDS_PX, gap="small")
    with words:
        key = choose_film(study, readings)
    entry, reading = study.entries[key], readings[key]
    shown = bring_up(study, entry)
    with picture:
        view_film(study, entry, shown, reading)
    with words:
        show_words(study, entry, shown, reading)


def show_words(study: Study, entry: Entry, shown: Shown | None, reading: Reading) -> None:
    """What is known of a film, what to distrust, what was found, and the report of it."""
    show_facts(study, entry, reading)
    show_concerns(reading)
    if reading.status == "read":
        show_findings(reading)
    offer_reports(entry, shown, reading)


try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
