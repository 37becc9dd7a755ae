"""Review: projects of verdicts, films worth reading again, disputes between readers, and labels put right."""

from collections.abc import Callable

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.feedback.projects import Project, list_projects
from cxr_core.feedback.readers import RegisteredReader
from cxr_core.feedback.store import has_store
from pages.components.error_boundary import show_errors
from pages.components.feedback.reader_choice import ask_reader, find_current_reader
from pages.components.markdown import plain
from pages.components.review.disputes import show_disputes
from pages.components.review.labels import show_decided_labels
from pages.components.review.page_state import (
    DISPUTES,
    LABELS,
    PROJECT,
    QUEUE,
    READ,
    ReviewPageState,
)
from pages.components.review.projects import choose_project, describe_project, show_project
from pages.components.review.queue_list import show_queue
from pages.components.review.reading import show_reading
from pages.components.session import read_page_state, review_page_state
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame
from pages.components.tabs import show_tabs

INTRODUCTION = (
    "Here readers look at films again where label, model and readers differ, settle what they disagree on, and put "
    "labels right for the next model. Begin with a project: of films that are kept on the Read page, or of the labels "
    "of a dataset."
)


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = review_page_state()
    st.title("Review")
    projects = list_projects() if has_store() else []
    if not projects:
        st.markdown(INTRODUCTION)
    project = choose_project(state, projects)
    _show_messages(state)
    if project is None:
        return
    st.caption(plain(describe_project(project)))
    feedback = read_page_state().feedback
    reader = find_current_reader(feedback)
    if reader is None:
        st.markdown("**Who is reading?** Your name is kept with your verdicts.")
        with st.container(width=360):
            reader = ask_reader(feedback, "review-reader")
    else:
        with st.sidebar:
            ask_reader(feedback, "review-reader-known")
    if reader is None:
        return
    show_views(state, project, reader)


def show_views(state: ReviewPageState, project: Project, reader: RegisteredReader) -> None:
    """The parts of the page; only the open one is computed."""
    contents: dict[str, Callable[[], None]] = {
        READ: lambda: show_reading(state, project, reader),
        QUEUE: lambda: show_queue(state, project, reader),
        DISPUTES: lambda: show_disputes(state, project, reader),
        LABELS: lambda: show_decided_labels(state, project),
        PROJECT: lambda: show_project(state, project),
    }
    show_tabs(state, contents, "review-tab")


def _show_messages(state: ReviewPageState) -> None:
    """The outcome of the last action, once."""
    if state.message:
        st.toast(plain(state.message))
    if state.warning:
        st.warning(plain(state.warning))
    state.message = state.warning = ""


require_app_frame("review")
if may_open(Role.RESEARCHER, "Review"):
    page()
