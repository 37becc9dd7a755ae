"""Read: upload films; see findings, heatmaps and warnings; download reports."""

import streamlit as st

from cxr_core.access.actor import Role
from pages.components.error_boundary import show_errors
from pages.components.feedback.sidebar import choose_feedback
from pages.components.pacs.way_in import take_from_pacs
from pages.components.read.drop_zone import offer_clearing, take_films
from pages.components.read.patient_form import ask_settings
from pages.components.read.recovery.study_token import recover_study
from pages.components.read.recovery.undo import offer_undo
from pages.components.session import read_page_state
from pages.components.sign_in.door import may_open

SCOPE = (
    "The models that ship read frontal chest films for **cardiomegaly in adults** and **pneumonia in children of 1 to "
    "5**. They also say whether an **adult's film is abnormal**, and measure the heart (CTR). No other finding is "
    "looked for."
)


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = read_page_state()
    recover_study(state)
    st.title("Read chest films")
    with st.sidebar:
        answers = ask_settings(state)
    offer_undo(state)
    if not state.entries:
        st.caption(SCOPE)
    take_films(state)
    take_from_pacs(state)
    if state.entries:
        # Imported with the first film: the empty page is painted without numpy and OpenCV.
        from pages.components.read.study_view import show_study

        with show_errors():
            show_study(state, answers)
    with st.sidebar:  # after the verdicts, which wait for nothing here
        offer_clearing(state)
        choose_feedback(state)


if may_open(Role.READER, "Read chest films"):
    page()
