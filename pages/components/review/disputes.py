"""Cases on which readers differ: a third reader settles them, without knowing who said what."""

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.audit import record_action
from cxr_core.access.permission import require_role
from cxr_core.feedback.adjudication import Dispute, adjudicate, list_disputes
from cxr_core.feedback.projects import Project
from cxr_core.feedback.readers import RegisteredReader
from cxr_core.feedback.verdicts import Answer
from cxr_core.presentation.wording import finding_in_sentence, finding_name, format_count
from pages.components.error_boundary import show_errors
from pages.components.feedback.verdict_rows import ANSWERS, KEYS, NAMES
from pages.components.markdown import plain
from pages.components.review.film_picture import fetch_ahead, show_film
from pages.components.review.page_state import ReviewPageState
from pages.components.session import field_text

MOST_COUNTED = 200


def show_disputes(state: ReviewPageState, project: Project, reader: RegisteredReader) -> None:
    """The first case that this reader may settle, its film, and what the readers said."""
    disputes = list_disputes(project, reader.id, MOST_COUNTED)
    if not disputes:
        others = list_disputes(project, count=1)
        st.markdown(
            "**Readers differ on cases that you have judged yourself.** A third reader settles them."
            if others
            else "**There is nothing to settle:** where two readers have judged a film, they agree."
        )
        return
    dispute = disputes[0]
    with st.container(key="study-frame"), st.container(key="study"):
        results = st.container(key="review-case", gap="small")
        picture = st.container(key="picture")
    with results:
        _show_dispute(state, project, reader, dispute, len(disputes))
    with picture:
        show_film(state, project, dispute.film, dispute.pixels_sha256)
    for following in disputes[1:2]:
        fetch_ahead(state, project, following.film, following.pixels_sha256)


def _show_dispute(
    state: ReviewPageState, project: Project, reader: RegisteredReader, dispute: Dispute, count: int
) -> None:
    more = "at least " if count == MOST_COUNTED else ""
    st.markdown(
        f"##### {plain(finding_name(dispute.finding))}\n"
        f":small[:gray[{more}{format_count(count, 'cases')} to settle]]"
    )
    for number, verdict in enumerate(dispute.verdicts, start=1):
        comment = f" :gray[{plain(verdict.comment)}]" if verdict.comment else ""
        st.markdown(f"**Reader {number}:** {NAMES[verdict.answer].lower()}{comment}")
    key = f"settle-{dispute.film}-{dispute.finding}"
    with st.container(border=True, gap="xsmall"):
        st.markdown("Your answer settles this case.")
        with st.container(horizontal=True, gap="xsmall"):
            for answer, shortcut in zip(ANSWERS, KEYS, strict=True):
                st.button(
                    NAMES[answer],
                    key=f"{key}-{answer}",
                    shortcut=shortcut,
                    on_click=show_errors()(_settle),
                    args=(state, project, reader, dispute, answer, f"{key}-why"),
                )
        st.text_input(
            "Why",
            key=f"{key}-why",
            placeholder="Comment; no patient names",
            label_visibility="collapsed",
            max_chars=1000,
        )


def _settle(
    state: ReviewPageState,
    project: Project,
    reader: RegisteredReader,
    dispute: Dispute,
    answer: Answer,
    why_key: str,
) -> None:
    require_role(Role.RESEARCHER, "adjudication")
    # Somebody may have settled it, or a key pressed a button of the dispute before, which was about to go.
    if dispute not in list_disputes(project, reader.id, MOST_COUNTED):
        return
    adjudicate(
        project, dispute.film, dispute.finding, reader.id, answer, field_text(why_key).strip()
    )
    record_action("adjudication", film=dispute.pixels_sha256)
    name = finding_in_sentence(dispute.finding)
    state.message = f"Settled: {name} {answer.replace('_', ' ')}."
