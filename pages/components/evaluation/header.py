"""What stands over the tabs: whether these films may be trusted as a test, the report, and how charts are saved."""

import streamlit as st

from cxr_core.evaluation.report.parts import part_name
from cxr_core.evaluation.store.catalogue import Shelved
from cxr_core.evaluation.store.loaded import report_of
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain

FORMATS = ("png", "svg")


def say_part(shelved: Shelved) -> None:
    """A warning where the part is no test."""
    part = str(shelved.metrics["part"])
    if part != "test":
        st.warning(
            f"**Measured on the {plain(part_name(part))}.** The model has learnt from these films or was tuned: "
            "it looks better here than it is.",
            icon=":material/warning:",
        )


def offer_report_and_format(visit: Visit, shelved: Shelved) -> None:
    """The evaluation's own report, and the format in which a chart's camera button saves it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
        report = report_of(shelved)
        if report is not None:
            st.download_button(
                "Report (HTML)",
                report,
                file_name=f"{shelved.metrics['model']}-{shelved.metrics['part']}.html",
                mime="text/html",
                on_click="ignore",
                icon=":material/download:",
                key=visit.widget("report"),
            )
        picked = st.segmented_control(
            "Charts are saved as",
            FORMATS,
            default=visit.picture_format,
            required=True,
            format_func=str.upper,
            key=visit.widget("format"),
            label_visibility="collapsed",
            help="The camera over a chart saves it in this format.",
        )
        visit.picture_format = picked or visit.picture_format
