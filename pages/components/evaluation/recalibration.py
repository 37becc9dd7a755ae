"""What recalibrating for these films changes: before and after, never as the model's own figures."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.report.recalibration_table import (
    FIGURES,
    counts_sentence,
    thresholds_sentence,
)
from cxr_core.evaluation.store.loaded import Opened
from pages.components.evaluation.command import MEANINGS, METHODS, again
from pages.components.evaluation.figures import cell_of
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain

OWN_THRESHOLD = (
    "Sensitivity and specificity are at the model's balanced threshold, which was chosen for its own probabilities: "
    "recalibrated ones need another."
)


def show_recalibration(visit: Visit, opened: Opened, finding: str) -> None:
    """Before and after where it was measured; else the command that measures it."""
    st.markdown(
        "**Recalibrated for these films**",
        help="Fitted on the labels of some of these patients and measured on the others. The model itself stays as it "
        "is, and so does everything else on this page.",
    )
    found = (opened.recalibrated or {}).get("findings", {}).get(finding)
    if found is None:
        _offer(visit, opened)
    elif "not_recalibrated" in found:
        st.info(f"Not recalibrated: {plain(found['not_recalibrated'])}.")
    else:
        _show(found)


def _show(found: Mapping[str, Any]) -> None:
    st.markdown(
        "These are **not the model's own figures**. Its probabilities were changed by what the labels of some of these "
        "patients say, and measured on the other patients, all views together."
    )
    rows = [
        {
            "Figure": name,
            "The model's own": cell_of(found["before"][key]),
            "Recalibrated": cell_of(found["after"][key]),
            "Difference": cell_of(found["difference"][key]),
        }
        for key, name in FIGURES.items()
    ]
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)
    thresholds = thresholds_sentence(found) if "thresholds" in found else OWN_THRESHOLD
    st.caption(f"{plain(counts_sentence(found))} {plain(thresholds)}")


def _offer(visit: Visit, opened: Opened) -> None:
    method = st.segmented_control(
        "Method",
        list(METHODS),
        default="line",
        required=True,
        format_func=lambda each: METHODS[each],
        key=visit.widget("recalibration"),
        label_visibility="collapsed",
    )
    method = method or "line"
    st.markdown(f"{MEANINGS[method]} This command evaluates again and measures it besides:")
    st.code(again(opened.shelved, "--recalibrate", method), language="bash", wrap_lines=True)
