"""The movable threshold: calls against labels, both classes' probabilities, and every figure against it.

A fragment of its own, so that moving it draws nothing else.
"""

import math

import streamlit as st

from cxr_core.evaluation.charts.base import with_line
from cxr_core.evaluation.charts.threshold import confusion_chart
from cxr_core.evaluation.store.loaded import FindingView
from cxr_core.presentation.wording import operating_point_name
from pages.components.evaluation.chart_panel import ink, show_chart
from pages.components.evaluation.figures import MEANINGS
from pages.components.evaluation.page_state import Visit

FIGURES = (
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
def show_threshold(visit: Visit, view: FindingView) -> None:
    """Ask for a threshold and show what it does."""
    if visit.turning:
        st.rerun()
    threshold = ask_threshold(visit, view)
    calls = view.sweep.at(threshold)
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                visit,
                "Calls and labels",
                confusion_chart(calls, ink()),
                help="How many films are called at this threshold, and whether they should be. Click a cell for them.",
            )
            st.table(
                _rows(view, threshold), border="horizontal", hide_index=True, hide_header=False
            )
        with st.container(key="evaluate-right"):
            show_chart(
                visit,
                "Probabilities of both classes",
                with_line(view.distribution_chart, threshold),
                help="As shares of each class, so that a rare finding is seen. Click a bar for its films.",
            )
            show_chart(
                visit,
                "Figures at every threshold",
                with_line(view.threshold_chart, threshold),
                help="PPV and NPV are those of these films; elsewhere they change with how frequent the finding is.",
            )


def ask_threshold(visit: Visit, view: FindingView) -> float:
    """A slider in thousandths, and a button for each threshold that the model came with, exact."""
    current = starting_threshold(visit, view)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        moved = st.slider(
            "Threshold on the probability",
            0.0,
            1.0,
            round(current, 3),
            0.001,
            format="%.3f",
            key=visit.widget("threshold"),
            help="A film at or above it is called. Arrow keys move it in thousandths.",
        )
        for name, at in view.points.items():
            st.button(
                f"{operating_point_name(name)} {at:.3f}",
                key=visit.widget(f"point-{name}"),
                on_click=visit.move_to,
                args=(at,),
                type="primary" if at == current else "secondary",
            )
    if moved != round(current, 3):
        current = moved
    visit.threshold = current
    return current


def starting_threshold(visit: Visit, view: FindingView) -> float:
    """Where the page is: the threshold asked for, else the balanced one."""
    if visit.threshold is not None:
        return visit.threshold
    return view.points.get(BALANCED, next(iter(view.points.values()), 0.5))


def _rows(view: FindingView, threshold: float) -> list[dict[str, str]]:
    calls = view.sweep.at(threshold)
    rows = []
    for name in FIGURES:
        value = float(getattr(calls, name))
        low, high = view.bands.at_thresholds[name].bounds(threshold)
        rows.append(
            {
                "Figure": MEANINGS[name][0],
                "At this threshold": "undefined" if math.isnan(value) else f"{value:.3f}",
                "95 % interval": "" if math.isnan(low) else f"{low:.3f} to {high:.3f}",
            }
        )
    return rows
