"""A study on the screen: the worklist, the film chosen from it, and what is said of that film."""

import streamlit as st

from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Reading, interpret
from pages.components.read.cardiothoracic_ratio import show_heart, with_edits
from pages.components.read.film_view import bring_up, show_facts, view_film
from pages.components.read.findings_table import show_findings
from pages.components.read.patient_form import Answers
from pages.components.read.quality_flags import show_concerns
from pages.components.read.report_downloads import offer_reports
from pages.components.read.worklist import choose_film
from pages.components.session import Entry, Shown, Study

WORDS_PX = 420


def read_study(study: Study, said: Answers) -> None:
    """The chosen film beside what is said of it; on a narrow screen the words wrap below the picture."""
    patient = Patient(age_years=said.age_years, view=said.view)
    readings = {
        key: with_edits(study, entry, interpret(entry.examination, patient, said.operating_point))
        for key, entry in study.entries.items()
    }
    with st.container(horizontal=True, gap="medium"):
        picture, words = (
            st.container(key="picture"),
            st.container(key="words", width=WORDS_PX, gap="small"),
        )
    with words:
        key = choose_film(study, readings)
    entry, reading = study.entries[key], readings[key]
    shown = bring_up(study, entry)
    with picture:
        view_film(study, entry, shown, reading)
    with words:
        show_words(study, entry, shown, reading)


def show_words(study: Study, entry: Entry, shown: Shown | None, reading: Reading) -> None:
    """What is known of a film, what to distrust, what was found and measured, and the report of it."""
    show_facts(study, entry, reading)
    # Each in a place of its own: a warning that comes or goes does not make the table be drawn anew.
    concerns, findings, heart = st.container(), st.container(), st.container()
    with concerns:
        show_concerns(reading)
    with findings:
        if reading.status == "read":
            show_findings(study, reading)
    with heart:
        show_heart(study, entry, reading)
    offer_reports(entry, shown, reading)
