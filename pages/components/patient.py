"""The sidebar's questions: who the patient is, and how a probability becomes a call."""

from typing import cast

import streamlit as st

from cxr_core.film.radiograph import View
from cxr_core.models.card import OPERATING_POINTS
from cxr_core.reading.reading import Patient
from cxr_core.reading.wording import operating_point_name
from pages.components.session import Study

OPERATING_POINT_HELP = {
    "youden": "Misses and false alarms weigh the same: Youden's index.",
    "sensitivity_95": "Set to find 95 of 100 films that have the finding.",
    "specificity_95": "Set to clear 95 of 100 films that do not have it.",
}


def ask_patient(study: Study) -> Patient:
    """Age and view, either of which may stay unknown; they hold for every film of the study."""
    st.subheader("Patient")
    age = st.number_input(
        "Age in years",
        min_value=0,
        max_value=120,
        value=None,
        step=1,
        placeholder="unknown",
        key=study.widget("age"),
        help="Decides which models fit. Left empty, the film's own tag is used if it has one.",
    )
    view = st.segmented_control(
        "View",
        ("PA", "AP"),
        key=study.widget("view"),
        help="PA: from back to front, standing. AP: from front to back, often in bed. Neither chosen: unknown, "
        "or what the film's own tag says.",
    )
    return Patient(age_years=None if age is None else float(age), view=cast(View | None, view))


def ask_operating_point(study: Study) -> str:
    """The name of the operating point at which probabilities become calls."""
    st.subheader("Calls")
    return st.radio(
        "Operating point",
        OPERATING_POINTS,
        format_func=operating_point_name,
        captions=[OPERATING_POINT_HELP[name] for name in OPERATING_POINTS],
        key=study.widget("operating-point"),
        help="A finding is called present when its probability reaches the threshold of the operating point. "
        "Thresholds were chosen on films that the model had not learnt from.",
    )
