"""Asks for consent to keep a film's pixels in a project, for each film anew, and takes kept films out again."""

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.audit import record_action
from cxr_core.access.permission import require_role
from cxr_core.errors import FeedbackError
from cxr_core.feedback.deletion import delete_film
from cxr_core.feedback.films import ProjectFilm, keep_film
from cxr_core.feedback.projects import Project
from cxr_core.feedback.readers import RegisteredReader
from pages.components.error_boundary import show_errors
from pages.components.feedback.film_verdicts import JudgedFilm, ProjectKeeper
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState

WHAT_IS_KEPT = (
    "The picture is stored in the workspace as a PNG without any text of the file, with its view, sex, pixel size and "
    "age, and 90 for every higher age. Keep it only if your site allows that."
)


def offer_keeping(
    state: ReadPageState, keeper: ProjectKeeper, film: JudgedFilm, *, compressed: bool
) -> None:
    """A button with the question, or what was kept and the way back."""
    known = keeper.find(film)
    if known is None or not known.is_kept:
        _ask_consent(state, keeper, film, compressed)
    else:
        _offer_removal(state, keeper, film, known)


def _ask_consent(
    state: ReadPageState, keeper: ProjectKeeper, film: JudgedFilm, compressed: bool
) -> None:
    with st.popover(
        "Keep the film",
        icon=":material/save:",
        type="tertiary",
        disabled=compressed or keeper.reader is None,
        help="Only a compressed copy of this film is in memory: add its file again."
        if compressed
        else None,
    ):
        st.markdown(plain(WHAT_IS_KEPT))
        st.button(
            f"Keep this film in {plain(keeper.project.name)}",
            key=state.widget_key(f"keep-{film.key}"),
            type="primary",
            on_click=_keep,
            args=(state, keeper.project, keeper.reader, film),
        )


def _offer_removal(
    state: ReadPageState, keeper: ProjectKeeper, film: JudgedFilm, known: ProjectFilm
) -> None:
    with st.popover("Film kept", icon=":material/inventory_2:", type="tertiary"):
        st.markdown(
            f"Deleting it takes the picture, and every reader's verdict on this film, out of "
            f"{plain(keeper.project.name)} for good."
        )
        st.button(
            "Delete the film and its verdicts",
            key=state.widget_key(f"delete-kept-{film.key}"),
            on_click=_remove,
            args=(state, film, known),
        )


@show_errors()
def _keep(
    state: ReadPageState, project: Project, reader: RegisteredReader | None, film: JudgedFilm
) -> None:
    require_role(Role.READER, "keeping a film")
    if reader is None:
        raise FeedbackError("nobody is named as the reader; enter your name first")
    kept = keep_film(project, film.decode(), film.sha256, consent_by=reader.id)
    state.feedback.film_ids[film.key] = kept.id
    record_action("film kept in a project", film=film.sha256)


@show_errors()
def _remove(state: ReadPageState, film: JudgedFilm, known: ProjectFilm) -> None:
    require_role(Role.READER, "deletion of a kept film")
    state.feedback.film_ids.pop(film.key, None)
    delete_film(known)
    record_action("film of a project deleted", film=film.sha256)
