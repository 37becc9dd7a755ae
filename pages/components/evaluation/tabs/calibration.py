"""Whether a probability of 30 % means three in ten."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.charts.roc_pr_calibration import calibration_chart
from cxr_core.evaluation.store.loaded import FindingView, Opened
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import figure_rows
from pages.components.evaluation.page_state import Visit
from pages.components.evaluation.recalibration import show_recalibration

FIGURES = (
    *("ece", "adaptive_ece", "calibration_slope", "calibration_intercept", "brier", "log_loss"),
    *("brier_reliability", "brier_resolution", "brier_uncertainty"),
)


def show_calibration(
    visit: Visit, opened: Opened, finding: str, view: FindingView, figures: Mapping[str, Any]
) -> None:
    """The chart, beside it the figures, and beneath what recalibrating changes."""
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                visit,
                "Calibration",
                calibration_chart(view.calibration, view.distribution),
                help="On the dotted line probabilities mean what they say. Above it they are too low, below too high.",
                note="Whiskers are 95 % intervals by patient; a point without one is no surer, its films only show no "
                "spread when they are resampled. Beneath: how many films lie where. Click for the films.",
            )
        with st.container(key="evaluate-right"):
            st.markdown("**Figures of calibration**")
            st.table(
                figure_rows(figures, FIGURES),
                border="horizontal",
                hide_index=True,
                hide_header=False,
            )
    show_recalibration(visit, opened, finding)
