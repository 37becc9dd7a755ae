"""Offers the report of an evaluation, and the format in which charts are saved."""

import streamlit as st

from cxr_core.evaluation.store.catalogue import EvaluationRecord
from cxr_core.evaluation.store.loaded import read_report
from pages.components.evaluation.page_state import EvaluatePageState

FORMATS = ("png", "svg")


def offer_report_and_format(state: EvaluatePageState, record: EvaluationRecord) -> None:
    """A button for the evaluation's report, and the format in which a chart's camera button saves it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
        report = read_report(record)
        if report is not None:
            st.download_button(
                "Report (HTML)",
                report,
                file_name=f"{record.head.model}-{record.head.split}.html",
                mime="text/html",
                on_click="ignore",
                icon=":material/download:",
                key=state.widget_key("report"),
            )
        picked = st.segmented_control(
            "Charts are saved as",
            FORMATS,
            default=state.image_format,
            required=True,
            format_func=str.upper,
            key=state.widget_key("format"),
            label_visibility="collapsed",
            help="The camera button above a chart saves it in this format.",
        )
        state.image_format = picked or state.image_format
