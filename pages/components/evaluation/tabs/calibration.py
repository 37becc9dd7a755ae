"""Whether a probability of 30 % means three in ten."""

import streamlit as st

from cxr_core.evaluation.charts.roc_pr_calibration import draw_calibration
from cxr_core.evaluation.metrics.reported import CALIBRATION_OF_REPORTS, REPORTED
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.store.loaded import FindingView, LoadedEvaluation
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import tabulate_figures_with_meaning
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.evaluation.recalibration import show_recalibration

CALIBRATION_FIGURES = (
    "ece",
    "adaptive_ece",
    "calibration_slope",
    "calibration_intercept",
    "brier",
    "log_loss",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
)


def show_calibration(
    state: EvaluatePageState,
    evaluation: LoadedEvaluation,
    finding: str,
    view: FindingView,
    figures: FindingFigures,
) -> None:
    """The chart, the figures beside it, and below what recalibration would change."""
    if figures.calibration_of == REPORTED:
        st.info(CALIBRATION_OF_REPORTS.replace(REPORTED, f"`{REPORTED}`"), icon=":material/info:")
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                state,
                "Calibration",
                draw_calibration(view.calibration, view.distribution),
                help="On the dotted line, predicted probabilities match observed frequencies. Above it the predictions "
                "are too low, below it too high.",
                note="Whiskers are 95 % intervals from resampled patients. A point without whiskers is not more "
                "certain: its films show no spread when resampled. Below: how many films have which probability. "
                "Click for the films.",
            )
        with st.container(key="evaluate-right"):
            st.markdown("**Calibration figures**")
            st.table(
                tabulate_figures_with_meaning(
                    figures.by_name(), CALIBRATION_FIGURES, evaluation.calibrated_here
                ),
                border="horizontal",
                hide_index=True,
                hide_header=False,
            )
    show_recalibration(evaluation, finding)
