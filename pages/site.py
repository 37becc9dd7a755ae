"""Site: test a model on films of one's own hospital, recalibrate it for them, install that, and watch what follows."""

from collections.abc import Callable

import streamlit as st

from cxr_core.access.actor import Role
from pages.components.error_boundary import show_errors, show_outcome
from pages.components.session import site_page_state
from pages.components.sign_in.door import may_open
from pages.components.site.acceptance import show_comparison, show_verdict
from pages.components.site.archive import show_archive
from pages.components.site.decisions import show_local_decisions
from pages.components.site.films import choose_films
from pages.components.site.history import show_history
from pages.components.site.installation import (
    find_in_use,
    offer_installation,
    show_installed,
)
from pages.components.site.page_state import (
    ACCEPTANCE,
    ARCHIVE,
    HISTORY,
    WATCHING,
    SitePageState,
)
from pages.components.site.progress import show_running_step
from pages.components.site.recalibration import offer_recalibration, show_recalibration
from pages.components.site.selection import Question, choose_question
from pages.components.site.watching import show_watching
from pages.components.streamlit_internals import require_app_frame
from pages.components.tabs import show_tabs

INTRODUCTION = (
    "Here a model is tested on films of your own hospital before its numbers are believed there, and recalibrated "
    "where they are off: first drop films of at least 20 patients that are known to be free of the finding."
)


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = site_page_state()
    st.title("Your site")
    show_outcome(state)
    question = choose_question(state)
    if question is None:
        return
    with show_errors():
        show_installed(state, question)
    contents: dict[str, Callable[[], None]] = {
        ACCEPTANCE: lambda: show_acceptance(state, question),
        WATCHING: lambda: show_watching(state, question),
        HISTORY: lambda: show_history(question),
        ARCHIVE: lambda: show_archive(state),
    }
    show_tabs(state, contents, "site-tab")


def show_acceptance(state: SitePageState, question: Question) -> None:
    """The steps from films to an installed profile, each below the one that it rests on."""
    if show_running_step(state):
        return
    compared = state.compared
    if compared is None:
        st.markdown(INTRODUCTION)
        choose_films(state, question)
        return
    with st.expander("Test other films", icon=":material/upload_file:"), show_errors():
        choose_films(state, question)
    in_use = find_in_use(question)
    st.subheader("Acceptance")
    show_verdict(compared.acceptance, in_use)
    show_comparison(state, compared)
    st.subheader("Recalibration")
    offer_recalibration(state, compared, in_use)
    fitted = state.fitted
    if fitted is None:
        return
    show_recalibration(fitted)
    st.subheader("Decisions")
    show_local_decisions(fitted.decisions, question.finding_name)
    st.subheader("Install")
    offer_installation(state, compared, fitted)


require_app_frame("site")
if may_open(Role.RESEARCHER, "Your site"):
    page()
