"""An evaluation of a model that outlines: its report, whole, since it has no thresholds to move."""

import streamlit as st

from cxr_core.evaluation.store.catalogue import Shelved
from cxr_core.evaluation.store.loaded import report_of


def show_outliner(shelved: Shelved) -> None:
    """The report in a frame of the page."""
    report = report_of(shelved)
    if report is None:
        st.info(
            "This model outlines heart and lungs; its report is missing. Evaluate again to have it written."
        )
        return
    st.caption(
        "This model outlines heart and lungs. It calls no finding, so there is no threshold to move."
    )
    st.iframe(report, height=900)
