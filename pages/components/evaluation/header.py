"""The top of an evaluation: a warning about the split, the report, and the format in which charts are saved."""

import streamlit as st

from cxr_core.evaluation.store.catalogue import EvaluationRecord
from cxr_core.evaluation.store.loaded import read_report
from cxr_core.presentation.wording import OUT_OF_FOLD, split_name
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain

FORMATS = ("png", "svg")
REPORT_PX = 900


def warn_about_split(record: EvaluationRecord) -> None:
    """A warning where the model was trained or tuned on the split; a note where each film has a model of its own."""
    split = record.head.split
    if split == OUT_OF_FOLD:
        st.info(
            "**Cross-validation.** Each film was predicted by the model of its fold, which saw no film of its patient, "
            "and is called by that model's thresholds. Thresholds in the charts are the mean of the folds'.",
            icon=":material/call_split:",
        )
    elif split != "test":
        st.warning(
            f"**Measured on the {plain(split_name(split))}.** The model was trained or tuned on these films, so it "
            "looks better here than it is.",
            icon=":material/warning:",
        )


def show_segmenter_report(record: EvaluationRecord) -> None:
    """The whole report of a segmentation model, which has no threshold to move, in a frame."""
    report = read_report(record)
    if report is None:
        st.info(
            "This model segments heart and lungs. Its report.html is missing or damaged; evaluate it again to make one."
        )
        return
    st.caption(
        "This model segments heart and lungs. It calls no finding, so there is no threshold to move."
    )
    st.iframe(report, height=REPORT_PX)


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
