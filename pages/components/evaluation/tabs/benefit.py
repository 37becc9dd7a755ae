"""What the calls are worth where the reader works: predictive values at the reader's prevalence, and net benefit."""

import math

import streamlit as st

from cxr_core.evaluation.charts.benefit import benefit_chart, predictive_value_chart
from cxr_core.evaluation.metrics.sweep import (
    decision_curve,
    negative_predictive_value,
    of_a_thousand,
    positive_predictive_value,
)
from cxr_core.evaluation.store.loaded import FindingView
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.page_state import Visit
from pages.components.evaluation.tabs.threshold import ask_threshold


@st.fragment
def show_benefit(visit: Visit, view: FindingView) -> None:
    """Ask for a prevalence and a threshold; show what follows."""
    if visit.turning:
        st.rerun()
    prevalence = _ask_prevalence(visit, view)
    threshold = ask_threshold(visit, view)
    calls = view.sweep.at(threshold)
    rates = (float(calls.sensitivity), float(calls.specificity))
    if any(math.isnan(rate) for rate in rates):
        st.info("These films are all of one class, so predictive values elsewhere cannot be told.")
        return
    st.markdown(_words(rates, prevalence))
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            show_chart(
                visit,
                "Predictive values at every prevalence",
                predictive_value_chart(*rates, prevalence),
                help="By Bayes' theorem from sensitivity and specificity at the threshold, taken to be the same there.",
            )
        with st.container(key="evaluate-right"):
            show_chart(
                visit,
                "Net benefit",
                benefit_chart(decision_curve(view.sweep, prevalence), threshold),
                help="True calls per film less false ones, weighed by the odds of the threshold: whoever would act at "
                "10 % takes nine false alarms for one finding. The highest line is the best policy there "
                "(Vickers & Elkin 2006).",
            )


def _ask_prevalence(visit: Visit, view: FindingView) -> float:
    own = 100 * view.sweep.prevalence
    start = own if visit.prevalence is None else 100 * visit.prevalence
    per_cent = st.number_input(
        "How many of your patients have the finding, in per cent",
        0.01,
        99.0,
        round(min(max(start, 0.01), 99.0), 2),
        0.5,
        format="%.2f",
        key=visit.widget("prevalence"),
        width=330,
        help=f"Of the films measured here {own:.1f} % have it. Predictive values depend on it; sensitivity and "
        "specificity are taken to be the same with you.",
    )
    visit.prevalence = per_cent / 100
    return visit.prevalence


def _words(rates: tuple[float, float], prevalence: float) -> str:
    ppv, npv = (
        float(of(*rates, prevalence))
        for of in (positive_predictive_value, negative_predictive_value)
    )
    present, called, right = of_a_thousand(*rates, prevalence)
    found = "undefined" if math.isnan(ppv) else f"{100 * ppv:.1f} %"
    passed = "undefined" if math.isnan(npv) else f"{100 * npv:.1f} %"
    return (
        f"Of 1,000 such patients **{present:.0f}** have the finding; **{called:.0f}** would be called, "
        f"**{right:.0f}** of them rightly: PPV **{found}**, NPV **{passed}**."
    )
