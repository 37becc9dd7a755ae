"""Lays out a study: the worklist, the chosen film, and the results for it."""

import streamlit as st

from cxr_core.reading.interpret import interpret
from cxr_core.reading.results import Reading
from pages.components.read.cardiothoracic_ratio import apply_edited_ends, show_ratio_card
from pages.components.read.film_view import display_entry, show_film_facts, show_film_viewer
from pages.components.read.findings_table import show_findings
from pages.components.read.page_state import DisplayedFilm, ReadPageState, StudyEntry
from pages.components.read.patient_form import PatientAnswers, patient_of
from pages.components.read.quality_flags import show_quality_flags
from pages.components.read.report_downloads import offer_reports
from pages.components.read.worklist import choose_film

RESULTS_PX = 420


def show_study(state: ReadPageState, answers: PatientAnswers) -> None:
    """The chosen film beside its results; on a narrow screen the results wrap below the picture."""
    readings = {}
    for key, entry in state.entries.items():
        patient = patient_of(state, entry, answers)
        reading = interpret(entry.examination, patient, answers.operating_point)
        readings[key] = apply_edited_ends(state, entry, reading)
    with st.container(horizontal=True, gap="medium"):
        picture = st.container(key="picture")
        results = st.container(key="results", width=RESULTS_PX, gap="small")
    with results:
        key = choose_film(state, readings)
    entry, reading = state.entries[key], readings[key]
    displayed = display_entry(state, entry)
    with picture:
        show_film_viewer(state, entry, displayed, reading)
    with results:
        show_results(state, entry, displayed, reading)


def show_results(
    state: ReadPageState, entry: StudyEntry, displayed: DisplayedFilm | None, reading: Reading
) -> None:
    """A film's facts, quality flags, findings and measurement, and its report."""
    show_film_facts(state, entry, reading)
    # Each in its own container: a warning that appears or goes does not redraw the table.
    flags, findings, ratio = st.container(), st.container(), st.container()
    with flags:
        show_quality_flags(reading)
    with findings:
        if reading.status == "read":
            show_findings(state, reading)
    with ratio:
        show_ratio_card(state, entry, reading)
    offer_reports(entry, displayed, reading)
