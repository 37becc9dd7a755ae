"""The sidebar's questions: who the patient is, and how a probability becomes a call."""

from typing import Literal, NamedTuple

import streamlit as st

from cxr_core.presentation.wording import operating_point_name
from pages.components.session import Study

OPERATING_POINTS = {
    "youden": "Misses and false alarms weigh the same: Youden's index.",
    "sensitivity_95": "Set to find 95 of 100 films that have the finding.",
    "specificity_95": "Set to clear 95 of 100 films that do not have it.",
}


class Answers(NamedTuple):
    """What the user said; None is unknown."""

    age_years: float | None
    view: Literal["PA", "AP"] | None
    operating_point: str


def ask(study: Study) -> Answers:
    """Ask for the patient's age and view and for the operating point; they hold for every film of the study."""
    st.subheader("Patient")
    age = st.number_input(
        "Age in years",
        min_value=0,
        max_value=120,
        value=None,
        step=1,
        placeholder="unknown",
        key=study.widget("age"),
        persist_state="session",
        help="Decides which models fit. Left empty, the film's own tag is used if it has one.",
    )
    views: tuple[Literal["PA", "AP"], ...] = ("PA", "AP")
    view = st.segmented_control(
        "View",
        views,
        key=study.widget("view"),
        persist_state="session",
        help="PA: from back to front, standing. AP: from front to back, often in bed. Neither chosen: unknown, "
        "or what the film's own tag says.",
    )
    st.subheader("Calls")
    point = st.radio(
        "Operating point",
        list(OPERATING_POINTS),
        format_func=operating_point_name,
        captions=list(OPERATING_POINTS.values()),
        key=study.widget("operating-point"),
        persist_state="session",
        help="A finding is called present when its probability reaches the threshold of the operating point. "
        "Thresholds were chosen on films that the model had not learnt from.",
    )
    return Answers(None if age is None else float(age), view, point)
