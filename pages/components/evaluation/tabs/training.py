"""How the model learnt, where the evaluation is of a run."""

import streamlit as st

from cxr_core.evaluation.charts.training import training_charts
from cxr_core.evaluation.store.loaded import Opened
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.page_state import Visit

HELP = {
    "Loss": "What training makes small. Falling on training films but rising on validation, it learns by heart.",
    "Figures on validation films": "Measured after each epoch on films that the model does not learn from.",
}


def show_training(visit: Visit, opened: Opened) -> None:
    """Losses and figures by epoch."""
    charts = training_charts(opened.training) if opened.training else {}
    if not charts:
        st.info(
            "This evaluation is of an installed model, which carries no curves of its training. "
            "Evaluate its run folder to see them."
        )
        return
    with st.container(horizontal=True, gap="large"):
        for name, chart, place in zip(charts, charts.values(), ("left", "right"), strict=False):
            with st.container(key=f"evaluate-{place}"):
                show_chart(visit, name, chart, help=HELP[name], note=chart.says + ".")
