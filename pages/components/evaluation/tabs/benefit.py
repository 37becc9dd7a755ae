"""What the calls are worth in practice: predictive values at the reader's prevalence, and net benefit."""

import math

import streamlit as st

from cxr_core.evaluation.charts.benefit import draw_decision_curve, draw_predictive_values
from cxr_core.evaluation.metrics.sweep import (
    compute_decision_curve,
    count_per_thousand,
    negative_predictive_value,
    positive_predictive_value,
)
from cxr_core.evaluation.store.loaded import FindingView
from cxr_core.presentation.wording import have_finding
from pages.components.decision_form import ask_prevalence
from pages.components.error_boundary import show_errors
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.evaluation.tabs.threshold import ask_threshold


@st.fragment
@show_errors()
def show_benefit(state: EvaluatePageState, view: FindingView) -> None:
    """Ask for a prevalence and a threshold, and show what follows from them."""
    if state.rerun_needed:
        st.rerun()
    prevalence = _ask_prevalence(state, view)
    threshold = ask_threshold(state, view)
    calls = view.sweep.confusion_at(threshold)
    sensitivity, specificity = float(calls.sensitivity), float(calls.specificity)
    if math.isnan(sensitivity) or math.isnan(specificity):
        st.info("These films are all of one class, so predictive values cannot be computed.")
        return
    st.markdown(_describe_thousand(sensitivity, specificity, prevalence))
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                state,
                "Predictive values at every prevalence",
                draw_predictive_values(sensitivity, specificity, prevalence),
                help="By Bayes' theorem from sensitivity and specificity at the threshold, assumed to be the same at "
                "every prevalence.",
            )
        with st.container(key="evaluate-right"):
            show_chart(
                state,
                "Net benefit",
                draw_decision_curve(compute_decision_curve(view.sweep, prevalence), threshold),
                help="True positives per film minus false positives, weighted by the odds of the threshold: acting at "
                "10 % means accepting nine false alarms for one finding. The highest line is the best policy at that "
                "threshold (Vickers & Elkin 2006).",
            )


def _ask_prevalence(state: EvaluatePageState, view: FindingView) -> float:
    """The prevalence that is set for the whole session, for readings too; at first that of the films measured here."""
    measured = view.sweep.prevalence
    return ask_prevalence(
        state.finding or "",
        measured,
        label="Share of your patients who have the finding, in %",
        help_text=f"Of the films measured here, {100 * measured:.1f} % {have_finding(state.finding or '')}. Predictive "
        "values depend on it; "
        "sensitivity and specificity are assumed to be the same for your patients. It is the prevalence of this "
        "finding on the Read page too.",
        widget_key=state.widget_key("prevalence"),
        width=330,
    )


def _describe_thousand(sensitivity: float, specificity: float, prevalence: float) -> str:
    rates = (sensitivity, specificity, prevalence)
    present, called, correct = count_per_thousand(*rates)
    ppv = _format_rate(float(positive_predictive_value(*rates)))
    npv = _format_rate(float(negative_predictive_value(*rates)))
    return (
        f"Of 1,000 such patients, **{present:.0f}** have the finding. **{called:.0f}** would be called present, "
        f"**{correct:.0f}** of them correctly: PPV **{ppv}**, NPV **{npv}**."
    )


def _format_rate(rate: float) -> str:
    return "undefined" if math.isnan(rate) else f"{100 * rate:.1f} %"
