"""The sidebar's form: the patient's age and view, and the operating point."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import streamlit as st

from cxr_core.presentation.wording import operating_point_name
from pages.components.read.page_state import ReadPageState, StudyEntry

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.reading.patient import Patient

OPERATING_POINTS = {
    "youden": "Misses and false alarms weigh the same (Youden's index).",
    "sensitivity_95": "Detects 95 of 100 films that show the finding.",
    "specificity_95": "Clears 95 of 100 films that do not show it.",
}


class PatientAnswers(NamedTuple):
    """What the user entered; None is unknown."""

    age_years: float | None
    view: Literal["PA", "AP"] | None
    operating_point: str


def ask_patient(state: ReadPageState) -> PatientAnswers:
    """Ask for the patient's age and view and for the operating point; they apply to every film of the study."""
    st.subheader("Patient")
    age = st.number_input(
        "Age in years",
        min_value=0,
        max_value=120,
        value=None,
        step=1,
        placeholder="unknown",
        key=state.widget_key("age"),
        persist_state="session",
        help="Decides which models apply. If left empty, the age in the film's own tags is used.",
    )
    views: tuple[Literal["PA", "AP"], ...] = ("PA", "AP")
    view = st.segmented_control(
        "View",
        views,
        key=state.widget_key("view"),
        persist_state="session",
        help="PA: from back to front, usually standing. AP: from front to back, often in bed. If neither is chosen, "
        "the view in the film's own tags is used.",
    )
    st.subheader("Calls")
    point = st.radio(
        "Operating point",
        list(OPERATING_POINTS),
        format_func=operating_point_name,
        captions=list(OPERATING_POINTS.values()),
        key=state.widget_key("operating-point"),
        persist_state="session",
        help="A finding is called present when its probability reaches the threshold of the operating point. "
        "Thresholds were chosen on films that the model was not trained on.",
    )
    return PatientAnswers(None if age is None else float(age), view, point)


def patient_of(state: ReadPageState, entry: StudyEntry, answers: PatientAnswers) -> Patient:
    """The patient to interpret a film with.

    Age and view are those that were entered for this film, else the file's own, else the sidebar's.
    """
    from cxr_core.reading.patient import Patient

    entered = state.patients.get(entry.key, Patient())
    film = entry.examination.film
    stated = Patient() if film is None else Patient(age_years=film.age_years, view=film.view)
    assumed = Patient(age_years=answers.age_years, view=answers.view)
    known = next((each for each in (entered, stated, assumed) if not each.is_age_unknown), assumed)
    return replace(known, view=entered.view or stated.view or assumed.view)
