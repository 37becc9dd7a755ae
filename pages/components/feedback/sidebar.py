"""The sidebar's part on verdicts: the project that they are kept in, who reads, and whether answers come last."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import Project, list_projects
from cxr_core.feedback.store import has_store
from pages.components.error_boundary import show_errors
from pages.components.feedback.page_state import FeedbackState
from pages.components.feedback.reader_choice import ask_reader
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState
from pages.components.session import field_text, field_value, set_field_value
from pages.components.sign_in.door import may

KEPT = (
    "Kept of each film: your verdicts with their time, what the program said, and hashes that know the film again. The "
    "film itself only where you keep it. Never a name."
)
NOT_KEPT = "Verdicts are kept once a project is chosen."
READ_FIRST_HELP = (
    "The program's answer stays hidden, everywhere on this page, until you have judged every "
    "finding and ask for it."
)


def choose_feedback(state: ReadPageState) -> None:
    """Ask for the project, the reader and the way of reading."""
    feedback = state.feedback
    # Drawn once it is opened: its fields would slow every run of the page.
    folder = st.expander(
        "Verdicts",
        expanded=bool(feedback.project_id or feedback.read_first),
        key=state.widget_key("feedback"),
        icon=":material/rate_review:",
        on_change="rerun",
    )
    if not folder.open:
        return
    with folder, show_errors():
        projects = [each for each in list_projects() if not each.dataset] if has_store() else []
        _ask_project(state, projects)
        project = find_chosen(feedback, projects)
        if project is not None and feedback.reader is not None:
            ask_reader(feedback, state.widget_key("feedback-reader"))
        _ask_read_first(state, project)
        st.caption(KEPT if project else NOT_KEPT)
        if may(Role.RESEARCHER):
            st.page_link(
                "pages/review.py", label="Projects and review", icon=":material/arrow_forward:"
            )


def find_project_of(feedback: FeedbackState) -> Project | None:
    """The project that verdicts are kept in now. Raises FeedbackError when it was deleted."""
    if not feedback.project_id:
        return None
    project = find_chosen(feedback, list_projects())
    if project is None:
        raise FeedbackError("the project was deleted meanwhile; choose another one in the sidebar")
    return project


def find_chosen(feedback: FeedbackState, projects: Sequence[Project]) -> Project | None:
    """The chosen one of some projects."""
    return next((each for each in projects if each.id == feedback.project_id), None)


def _ask_project(state: ReadPageState, projects: Sequence[Project]) -> None:
    feedback, key = state.feedback, state.widget_key("feedback-project")
    names = {project.id: project.name for project in projects}
    is_gone = bool(feedback.project_id) and feedback.project_id not in names
    if is_gone:
        names[feedback.project_id] = "a deleted project"
    is_locked = bool(feedback.hidden) and not is_gone
    set_field_value(key, feedback.project_id)
    st.selectbox(
        "Keep verdicts in",
        ["", *names],
        key=key,
        format_func=lambda each: plain(names.get(each, "no project")),
        disabled=is_locked,
        help="Reveal the answers, or clear the study, before you change this."
        if is_locked
        else None,
        on_change=_store_project,
        args=(feedback, key),
    )


def _store_project(feedback: FeedbackState, key: str) -> None:
    feedback.choose_project(field_text(key))


def _ask_read_first(state: ReadPageState, project: Project | None) -> None:
    """A project says itself whether answers come last; without one the reader does."""
    feedback, key = state.feedback, state.widget_key("feedback-first")
    set_field_value(key, project.read_first if project else feedback.read_first)
    st.toggle(
        "Read first, then reveal",
        key=key,
        disabled=project is not None or bool(feedback.hidden),
        help=READ_FIRST_HELP,
        on_change=_store_read_first,
        args=(feedback, key),
    )


def _store_read_first(feedback: FeedbackState, key: str) -> None:
    feedback.read_first = bool(field_value(key))
