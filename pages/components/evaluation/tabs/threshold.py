"""The movable threshold: calls against labels, the probabilities of both classes, and figures at every threshold.

A fragment of its own, so that moving the threshold redraws nothing else.
"""

import math

import streamlit as st

from cxr_core.evaluation.charts.base import add_threshold_line
from cxr_core.evaluation.charts.threshold import draw_confusion
from cxr_core.evaluation.metrics.sweep import THRESHOLD_STEPS
from cxr_core.evaluation.store.loaded import FindingView
from cxr_core.presentation.wording import format_threshold_step, operating_point_name
from pages.components.error_boundary import show_errors
from pages.components.evaluation.chart_panel import show_chart, text_colour
from pages.components.evaluation.figures import MEANINGS
from pages.components.evaluation.page_state import EvaluatePageState

THRESHOLD_FIGURES = (
    "sensitivity",
    "specificity",
    "precision",
    "npv",
    "accuracy",
    "f1",
    "lr_positive",
    "lr_negative",
)
BALANCED = "youden"


@st.fragment
@show_errors()
def show_threshold(state: EvaluatePageState, view: FindingView) -> None:
    """Ask for a threshold and show its effect."""
    if state.rerun_needed:
        st.rerun()
    threshold = ask_threshold(state, view)
    calls = view.sweep.confusion_at(threshold)
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                state,
                "Confusion matrix",
                draw_confusion(calls, text_colour()),
                help="How many films are called present at this threshold, and how they are labelled. Click a cell for "
                "its films.",
            )
            st.table(
                _tabulate_figures_at(view, threshold),
                border="horizontal",
                hide_index=True,
                hide_header=False,
            )
        with st.container(key="evaluate-right"):
            show_chart(
                state,
                "Predicted probability of both classes",
                add_threshold_line(view.distribution_chart, threshold),
                help="As shares of each class, so that a rare finding can be seen. Click a bar for its films.",
            )
            show_chart(
                state,
                "Figures at every threshold",
                add_threshold_line(view.threshold_chart, threshold),
                help="PPV and NPV are those on these films; elsewhere they change with the prevalence of the finding.",
            )


def ask_threshold(state: EvaluatePageState, view: FindingView) -> float:
    """A button with the exact value of each of the model's own thresholds, and a slider in equal steps of log-odds."""
    current = current_threshold(state, view)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("Operating points", width="content")
        for name, threshold in view.points.items():
            st.button(
                f"{operating_point_name(name)} {format_threshold_step(threshold)}",
                key=state.widget_key(f"point-{name}"),
                on_click=state.set_threshold,
                args=(threshold,),
                type="primary" if threshold == current else "secondary",
                help="Chosen on validation films, before these films were seen.",
            )
    steps = THRESHOLD_STEPS.tolist()
    nearest = min(steps, key=lambda step: abs(step - current))
    slider = st.select_slider(
        "Threshold on the predicted probability",
        steps,
        value=nearest,
        format_func=format_threshold_step,
        key=state.widget_key("threshold"),
        help="A film at or above the threshold is called present. Equal steps change the odds equally, so that small "
        "probabilities are as far apart as large ones. The arrow keys move it by a step.",
    )
    if slider != nearest:
        current = slider
    state.threshold = current
    return current


def current_threshold(state: EvaluatePageState, view: FindingView) -> float:
    """The threshold in use: the chosen one, else the balanced one."""
    if state.threshold is not None:
        return state.threshold
    return view.points.get(BALANCED, next(iter(view.points.values()), 0.5))


def _tabulate_figures_at(view: FindingView, threshold: float) -> list[dict[str, str]]:
    calls = view.sweep.confusion_at(threshold)
    rows = []
    for name in THRESHOLD_FIGURES:
        value = float(getattr(calls, name))
        low, high = view.bands.at_thresholds[name].interval_at(threshold)
        rows.append(
            {
                "Figure": MEANINGS[name][0],
                "At this threshold": "undefined" if math.isnan(value) else f"{value:.3f}",
                "95 % interval": "" if math.isnan(low) else f"{low:.3f} to {high:.3f}",
            }
        )
    return rows
