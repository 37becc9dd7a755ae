"""Formats figures with their intervals, and explains each figure to a clinician."""

from collections.abc import Mapping, Sequence

import streamlit as st

from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.report.document import describe_source
from cxr_core.evaluation.report.evaluation_report import CALIBRATION_FIGURES
from cxr_core.evaluation.report.figure_text import WithInterval
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from cxr_core.models.figures import Figure
from cxr_core.presentation.wording import FITTED_HERE, format_count
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.evaluation.report_download import offer_report_and_format
from pages.components.markdown import plain

# By figure: its title and what it means.
MEANINGS = {
    "auroc": (
        "AUROC",
        "How often a film with the finding gets a higher probability than one without: 50 % is chance, 100 % perfect.",
    ),
    "average_precision": (
        "Average precision",
        "Precision averaged over all recalls. Chance would reach the share of films that have the finding.",
    ),
    "recall": (
        "Sensitivity",
        "Of the films labelled present, the share called present at the balanced threshold.",
    ),
    "specificity": (
        "Specificity",
        "Of the films labelled absent, the share called absent at the balanced threshold.",
    ),
    "ece": (
        "Calibration error",
        "The average gap between predicted probability and observed frequency; 0 is best.",
    ),
    "brier": (
        "Brier score",
        "Mean squared gap between probability and label; 0 is perfect, lower is better.",
    ),
    "log_loss": ("Log loss", "Punishes confident errors most; lower is better."),
    "adaptive_ece": (
        "Calibration error, equal bins",
        "The calibration error over bins with equally many films.",
    ),
    "calibration_slope": (
        "Calibration slope",
        "1 is best; below 1 the probabilities are too extreme.",
    ),
    "calibration_intercept": (
        "Calibration intercept",
        "0 is best; above 0 the probabilities are too low.",
    ),
    "brier_reliability": (
        "Brier: reliability",
        "The part of the Brier score that comes from miscalibration; 0 is best.",
    ),
    "brier_resolution": (
        "Brier: resolution",
        "How far the bins' observed frequencies differ; higher is better.",
    ),
    "brier_uncertainty": (
        "Brier: uncertainty",
        "The part that depends on the films alone, not on the model.",
    ),
    "accuracy": ("Accuracy", "Share of films whose call agrees with the label."),
    "balanced_accuracy": ("Balanced accuracy", "Mean of sensitivity and specificity."),
    "precision": (
        "PPV (precision)",
        "Of the films called present, the share that is labelled present.",
    ),
    "npv": ("NPV", "Of the films called absent, the share that is labelled absent."),
    "f1": ("F1", "Harmonic mean of sensitivity and PPV."),
    "mcc": ("Matthews correlation", "Correlation of call and label: 0 is chance, 1 perfect."),
    "lr_positive": (
        "LR+",
        "Positive likelihood ratio: a call of present multiplies the odds of the finding by this.",
    ),
    "lr_negative": (
        "LR−",
        "Negative likelihood ratio: a call of absent multiplies the odds of the finding by this.",
    ),
    "sensitivity": (
        "Sensitivity",
        "Of the films labelled present, the share that is called present.",
    ),
}
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
HEADLINE_FIGURES = ("auroc", "average_precision", "recall", "specificity", "ece")
CALL_FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "npv",
    "f1",
    "mcc",
    "lr_positive",
    "lr_negative",
)


def show_headline(
    state: EvaluatePageState, evaluation: LoadedEvaluation, figures: FindingFigures
) -> None:
    """The number of films and where they come from, and the five main figures with their intervals."""
    record = evaluation.record
    counts = figures.auroc
    share = f" ({100 * counts.positives / counts.n:.1f} %)" if counts.n else ""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(
            f"**{format_count(counts.n, 'films')}**, {counts.positives:,} of them labelled present{share}, "
            f"from {plain(describe_source(record.head.data, record.head.split))}. "
            ":gray[Below each figure is its 95 % interval from 1,000 bootstrap resamples of the patients.]",
            width="stretch",
        )
        offer_report_and_format(state, record)
    by_name = figures.by_name()
    with st.container(horizontal=True, gap="small", key="evaluate-cards"):
        for name in HEADLINE_FIGURES:
            fitted_here = evaluation.calibrated_here and name in CALIBRATION_FIGURES
            _show_figure_card(name, by_name[name], FITTED_HERE if fitted_here else "")


def tabulate_figures_with_meaning(
    figures: Mapping[str, Figure], names: Sequence[str], calibrated_here: bool = False
) -> list[dict[str, str]]:
    """Table rows: figure, value, interval, meaning. calibrated_here: the calibration was fitted on these films."""
    fitted_here = CALIBRATION_FIGURES if calibrated_here else ()
    return [
        {
            "Figure": MEANINGS[name][0] + (f", {FITTED_HERE}" if name in fitted_here else ""),
            "Value": format_figure_value(figures[name]),
            "95 % interval": format_bounds(figures[name]),
            "Meaning": MEANINGS[name][1],
        }
        for name in names
        if name in figures
    ]


def format_figure_value(figure: WithInterval, digits: int = 3) -> str:
    """The point estimate."""
    return "undefined" if figure.value is None else f"{figure.value:z.{digits}f}"


def format_bounds(figure: WithInterval, digits: int = 3) -> str:
    """The interval, with no-break spaces so that it stays on one line; empty when there is none."""
    if figure.low is None or figure.high is None:
        return ""
    text = f"{figure.low:z.{digits}f} to {figure.high:z.{digits}f}"
    return text.replace(" ", NO_BREAK_SPACE)


def format_with_interval(figure: WithInterval, digits: int = 3) -> str:
    """Point estimate and interval in one cell."""
    value, interval = format_figure_value(figure, digits), format_bounds(figure, digits)
    return f"{value} ({interval})" if interval else value


def _show_figure_card(name: str, figure: Figure, note: str) -> None:
    title, meaning = MEANINGS[name]
    title += f", {note}" if note else ""
    with st.container(border=True, gap=None, key=f"evaluate-card-{name}"):
        st.markdown(f":small[{title}]", help=meaning)
        st.markdown(f"### {format_figure_value(figure)}")
        st.markdown(f":small[:gray[{format_bounds(figure) or 'no interval'}]]")
