"""Evaluate: how good a model is, for whom, at which threshold, and the films it gets wrong."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.store.catalogue import Shelved, shelved
from pages.components import cache, session
from pages.components.evaluation.figures import show_headline
from pages.components.evaluation.header import say_part
from pages.components.evaluation.outliner import show_outliner
from pages.components.evaluation.page_state import Visit
from pages.components.evaluation.selection import choose_evaluation, choose_finding, say_unreadable
from pages.components.evaluation.start import offer_evaluation, say_how_to_begin, show_ordered
from pages.components.evaluation.tabs.benefit import show_benefit
from pages.components.evaluation.tabs.calibration import show_calibration
from pages.components.evaluation.tabs.compare import show_compare
from pages.components.evaluation.tabs.curves import show_curves
from pages.components.evaluation.tabs.films import show_films
from pages.components.evaluation.tabs.heatmaps import show_where
from pages.components.evaluation.tabs.subgroups import show_whom
from pages.components.evaluation.tabs.threshold import show_threshold
from pages.components.evaluation.tabs.training import show_training
from pages.components.markdown import plain
from pages.components.streamlit_internals import require_frame


def page() -> None:
    """The whole page, top to bottom."""
    visit = session.visit()
    visit.turning = False
    st.title("Evaluation")
    show_ordered(visit)
    found = shelved()
    readable = [each for each in found if each.problem is None]
    if not readable:
        say_how_to_begin(visit)
    else:
        chosen = choose_evaluation(visit, readable)
        show_evaluation(visit, chosen, readable)
        with st.expander("Make another evaluation", icon=":material/add:"):
            offer_evaluation(visit)
    say_unreadable([each for each in found if each.problem is not None])


def show_evaluation(visit: Visit, chosen: Shelved, others: list[Shelved]) -> None:
    """One evaluation: its headline, then a tab for each question."""
    say_part(chosen)
    if not chosen.of_findings:
        show_outliner(chosen)
        return
    opened = cache.opened(chosen)
    finding, films = choose_finding(visit, opened)
    view = cache.finding_view(opened, finding, films)
    figures = opened.figures(finding, films)
    show_headline(visit, chosen, figures)
    shows = {
        "Curves": lambda: show_curves(visit, view, figures),
        "Threshold": lambda: show_threshold(visit, view),
        "Calibration": lambda: show_calibration(visit, opened, finding, view, figures),
        "Prevalence and benefit": lambda: show_benefit(visit, view),
        "For whom": lambda: show_whom(visit, figures),
        "Where": lambda: show_where(figures),
        "Films": lambda: show_films(visit, opened, finding, view),
        "Compare": lambda: show_compare(visit, chosen, finding, others),
        "Training": lambda: show_training(visit, opened),
    }
    tabs = st.tabs(list(shows), default=visit.first_tab, key=visit.widget("tab"), on_change="rerun")
    for (name, show), tab in zip(shows.items(), tabs, strict=True):
        if tab.open:
            visit.tab = name
            with tab:
                show()


require_frame("evaluate")
try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
