"""ROC and precision-recall curves with their confidence bands, and every figure at the balanced threshold."""

import streamlit as st

from cxr_core.evaluation.charts.roc_pr_calibration import draw_precision_recall, draw_roc
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.store.loaded import FindingView
from cxr_core.presentation.wording import operating_point_name
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import CALL_FIGURES, tabulate_figures_with_meaning
from pages.components.evaluation.page_state import EvaluatePageState

TABLE_FIGURES = ("auroc", "average_precision", "recall", "specificity", *CALL_FIGURES)


def show_curves(state: EvaluatePageState, view: FindingView, figures: FindingFigures) -> None:
    """Both curves, side by side where there is room."""
    if view.bands.roc is None:
        st.info(
            "These films are all of one class, so there is no curve: sensitivity or specificity is undefined."
        )
        return
    points = {operating_point_name(name): threshold for name, threshold in view.points.items()}
    is_preset = state.threshold in (None, *view.points.values())
    moved_threshold = None if is_preset else state.threshold
    st.caption("Click a point on a curve to see the films that would be called wrongly there.")
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                state,
                "ROC curve",
                draw_roc(view.sweep, view.bands.roc, points, moved_threshold),
                help="Sensitivity against false alarms as the threshold falls. The closer to the upper left corner, "
                "the better.",
            )
        with st.container(key="evaluate-right"):
            show_chart(
                state,
                "Precision and recall",
                draw_precision_recall(
                    view.sweep, view.bands.precision_recall, points, moved_threshold
                ),
                help="Precision: of the films called present, the share labelled present. Recall: sensitivity.",
            )
    st.caption(
        "Shaded: the central 95 % of 1,000 bootstrap resamples of the patients, at each position of the horizontal "
        "axis. Dotted: chance. Markers: the model's own thresholds."
    )
    with st.expander("All figures at the balanced threshold", icon=":material/table:"):
        rows = tabulate_figures_with_meaning(figures.by_name(), TABLE_FIGURES)
        st.table(rows, border="horizontal", hide_index=True, hide_header=False)
