"""Evaluate: how good a model is, for which patients, at which threshold, and the films it gets wrong."""

from collections.abc import Callable, Sequence

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.evaluation.store.catalogue import EvaluationRecord, list_records
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.evaluation.address import read_address, write_address
from pages.components.evaluation.figures import show_headline
from pages.components.evaluation.header import (
    show_cautions,
    show_segmenter_report,
    warn_about_split,
)
from pages.components.evaluation.page_state import FILMS_TAB, FIRST_TAB, EvaluatePageState
from pages.components.evaluation.selection import (
    choose_evaluation,
    choose_finding,
    show_unreadable,
)
from pages.components.evaluation.start import (
    offer_evaluation,
    show_evaluation_jobs,
    show_introduction,
)
from pages.components.evaluation.tabs.benefit import show_benefit
from pages.components.evaluation.tabs.calibration import show_calibration
from pages.components.evaluation.tabs.compare import show_comparison_tab
from pages.components.evaluation.tabs.coverage import show_coverage
from pages.components.evaluation.tabs.curves import show_curves
from pages.components.evaluation.tabs.films import show_films_tab
from pages.components.evaluation.tabs.heatmaps import show_heatmap_figures
from pages.components.evaluation.tabs.readers import show_readers
from pages.components.evaluation.tabs.subgroups import show_subgroups
from pages.components.evaluation.tabs.threshold import show_threshold
from pages.components.evaluation.tabs.training import show_training_curves
from pages.components.session import evaluate_page_state
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame
from pages.components.tabs import show_tabs

TABS = (
    FIRST_TAB,
    "Threshold",
    "Calibration",
    "Prevalence and benefit",
    "Subgroups",
    "Coverage",
    "Localisation",
    FILMS_TAB,
    "Compare",
    "Readers",
    "Training",
)


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = evaluate_page_state()
    state.rerun_needed = False
    st.title("Evaluation")
    with show_errors():
        show_evaluation_jobs(state)
    records, unreadable = list_records()
    if not records:
        with show_errors():
            show_introduction(state)
    else:
        with show_errors():
            show_evaluation(state, choose_evaluation(state, records), records)
        with st.expander("Make another evaluation", icon=":material/add:"), show_errors():
            offer_evaluation(state)
    show_unreadable(unreadable)


def show_evaluation(
    state: EvaluatePageState, chosen: EvaluationRecord, records: Sequence[EvaluationRecord]
) -> None:
    """One evaluation: its headline, then a tab for each question."""
    warn_about_split(chosen)
    read_address(state, TABS)
    if not chosen.is_of_classifier:
        show_segmenter_report(chosen)
        write_address(state, chosen.name)
        return
    evaluation = cache.fetch_evaluation(chosen)
    finding, films = choose_finding(state, evaluation)
    view = cache.load_finding_view(evaluation, finding, films)
    figures = evaluation.figures(finding, films)
    show_headline(state, evaluation, figures)
    show_cautions(evaluation, finding, view)
    contents: tuple[Callable[[], None], ...] = (
        lambda: show_curves(state, view, figures),
        lambda: show_threshold(state, view),
        lambda: show_calibration(state, evaluation, finding, view, figures),
        lambda: show_benefit(state, view),
        lambda: show_subgroups(state, figures),
        lambda: show_coverage(state, evaluation, finding, films),
        lambda: show_heatmap_figures(figures),
        lambda: show_films_tab(state, evaluation, finding, view),
        lambda: show_comparison_tab(state, chosen, finding, records),
        lambda: show_readers(state, finding),
        lambda: show_training_curves(state, evaluation),
    )
    show_tabs(state, dict(zip(TABS, contents, strict=True)), "evaluate-tab")
    write_address(state, chosen.name)


require_app_frame("evaluate")
if may_open(Role.RESEARCHER, "Evaluation"):
    page()
