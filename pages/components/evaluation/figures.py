"""Figures with their intervals in words, and what each means to a clinician."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.store.catalogue import Shelved
from pages.components.evaluation.header import offer_report_and_format
from pages.components.evaluation.page_state import Visit

MEANINGS = {
    "auroc": (
        "AUROC",
        "How often a film with the finding gets a higher probability than one without: 50 % is chance, 100 % perfect.",
    ),
    "average_precision": (
        "Average precision",
        "Precision averaged over all recalls. Compare it with the share of films that have the finding, which is what "
        "chance would reach.",
    ),
    "recall": (
        "Sensitivity",
        "Of the films labelled present, the share that is called, at the balanced threshold.",
    ),
    "specificity": (
        "Specificity",
        "Of the films labelled absent, the share that is not called, at the balanced threshold.",
    ),
    "ece": (
        "Calibration error",
        "How far probabilities and frequencies lie apart on average; 0 is right.",
    ),
    "brier": (
        "Brier score",
        "Mean squared gap between probability and label: 0 is perfect, lower is better.",
    ),
    "log_loss": ("Log loss", "Punishes confident mistakes hardest; lower is better."),
    "adaptive_ece": ("Calibration error, equal bins", "The same over bins of equally many films."),
    "calibration_slope": (
        "Calibration slope",
        "1 is right; below 1 the probabilities are too extreme.",
    ),
    "calibration_intercept": (
        "Calibration intercept",
        "0 is right; above 0 the probabilities are too low.",
    ),
    "brier_reliability": (
        "Brier: reliability",
        "The part of the Brier score that miscalibration makes; 0 is best.",
    ),
    "brier_resolution": (
        "Brier: resolution",
        "How far the bins' frequencies lie apart; more is better.",
    ),
    "brier_uncertainty": (
        "Brier: uncertainty",
        "The part that the films themselves make, whoever reads them.",
    ),
    "accuracy": ("Accuracy", "Share of the films called as they are labelled."),
    "balanced_accuracy": ("Balanced accuracy", "Mean of sensitivity and specificity."),
    "precision": ("PPV (precision)", "Of the films called, the share that is labelled present."),
    "npv": ("NPV", "Of the films not called, the share that is labelled absent."),
    "f1": ("F1", "Harmonic mean of sensitivity and PPV."),
    "mcc": ("Matthews correlation", "Correlation of call and label: 0 is chance, 1 perfect."),
    "lr_positive": (
        "Likelihood ratio of a call",
        "A call multiplies the odds of the finding by this.",
    ),
    "lr_negative": ("Likelihood ratio of no call", "No call multiplies the odds by this."),
    "sensitivity": ("Sensitivity", "Of the films labelled present, the share that is called."),
}
UNBROKEN = "\N{NO-BREAK SPACE}"
HEADLINE = ("auroc", "average_precision", "recall", "specificity", "ece")
OF_CALLS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "npv",
    "f1",
    "mcc",
    "lr_positive",
    "lr_negative",
)


def show_headline(visit: Visit, shelved: Shelved, figures: Mapping[str, Any]) -> None:
    """Who was measured, and the five figures that say most, each with its interval."""
    counted = figures["auroc"]
    share = f" ({100 * counted['positives'] / counted['n']:.1f} %)" if counted["n"] else ""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(
            f"**{counted['n']:,} films**, {counted['positives']:,} of them labelled present{share}. "
            ":gray[Beneath each figure its 95 % interval, from 1,000 resamples of the patients.]",
            width="stretch",
        )
        offer_report_and_format(visit, shelved)
    with st.container(horizontal=True, gap="small"):
        for name in HEADLINE:
            if name in figures:
                _show_card(name, figures[name])


def figure_rows(figures: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, str]]:
    """A table's rows: figure, value, interval, meaning."""
    return [
        {
            "Figure": MEANINGS[name][0],
            "Value": value_of(figures[name]),
            "95 % interval": bounds_of(figures[name]),
            "What it means": MEANINGS[name][1],
        }
        for name in names
        if name in figures
    ]


def value_of(figure: Mapping[str, Any], digits: int = 3) -> str:
    """A figure's value as it is written everywhere."""
    return "undefined" if figure["value"] is None else f"{figure['value']:z.{digits}f}"


def bounds_of(figure: Mapping[str, Any], digits: int = 3) -> str:
    """Its interval, which no narrow column breaks into two lines, or nothing."""
    if figure.get("low") is None or figure.get("high") is None:
        return ""
    return f"{figure['low']:z.{digits}f} to {figure['high']:z.{digits}f}".replace(" ", UNBROKEN)


def cell_of(figure: Mapping[str, Any], digits: int = 3) -> str:
    """Value and interval in one cell."""
    bounds = bounds_of(figure, digits)
    return f"{value_of(figure, digits)} ({bounds})" if bounds else value_of(figure, digits)


def _show_card(name: str, figure: Mapping[str, Any]) -> None:
    title, meaning = MEANINGS[name]
    with st.container(border=True, gap=None, key=f"evaluate-card-{name}"):
        st.markdown(f":small[{title}]", help=meaning)
        st.markdown(f"### {value_of(figure)}")
        st.markdown(f":small[:gray[{bounds_of(figure) or 'no interval'}]]")
