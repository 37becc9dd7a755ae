"""The training curves, where the evaluation is of a run."""

import streamlit as st

from cxr_core.evaluation.charts.training import draw_training_charts
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.page_state import EvaluatePageState

CHART_HELP = {
    "Loss": "What training minimises. If it falls on training films but rises on validation films, the model overfits.",
    "Figures on validation films": "Measured after each epoch on films that the model is not trained on.",
}
COLUMNS = ("left", "right")


def show_training_curves(state: EvaluatePageState, evaluation: LoadedEvaluation) -> None:
    """Losses and figures by epoch."""
    charts = draw_training_charts(evaluation.training) if evaluation.training else {}
    if not charts:
        st.info(
            "This evaluation is of an installed model, which has no training curves. Evaluate its run folder to see "
            "them."
        )
        return
    with st.container(horizontal=True, gap="large"):
        for column, (name, chart) in zip(COLUMNS, charts.items(), strict=False):
            with st.container(key=f"evaluate-{column}"):
                show_chart(state, name, chart, help=CHART_HELP[name], note=chart.description + ".")
