"""ROC and precision-recall with their bands, and every figure of the evaluation as a table."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.charts.roc_pr_calibration import precision_recall_chart, roc_chart
from cxr_core.evaluation.store.loaded import FindingView
from cxr_core.presentation.wording import operating_point_name
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import OF_CALLS, figure_rows
from pages.components.evaluation.page_state import Visit


def show_curves(visit: Visit, view: FindingView, figures: Mapping[str, Any]) -> None:
    """Both curves side by side where there is room."""
    if view.bands.roc is None:
        st.info(
            "These films are all of one class, so there is no curve: sensitivity or specificity is undefined."
        )
        return
    marked = {operating_point_name(name): at for name, at in view.points.items()}
    moved = None if visit.threshold in (None, *view.points.values()) else visit.threshold
    st.caption("Click a point of a curve to see the films that would be called wrongly there.")
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                visit,
                "ROC curve",
                roc_chart(view.sweep, view.bands.roc, marked, moved),
                help="Sensitivity against false alarms as the threshold falls. The nearer the upper left the better.",
            )
        with st.container(key="evaluate-right"):
            show_chart(
                visit,
                "Precision and recall",
                precision_recall_chart(view.sweep, view.bands.precision_recall, marked, moved),
                help="Precision: of the films called, the share labelled present. Recall: sensitivity.",
            )
    st.caption(
        "Shaded: 95 % of 1,000 resamples of the patients, at each place of the horizontal axis. Dotted: chance. "
        "Marks: the thresholds that the model came with."
    )
    with st.expander("All figures at the balanced threshold", icon=":material/table:"):
        rows = figure_rows(
            figures, ("auroc", "average_precision", "recall", "specificity", *OF_CALLS)
        )
        st.table(rows, border="horizontal", hide_index=True, hide_header=False)
