"""Offers to bring back films that were just removed."""

import streamlit as st

from pages.components.error_boundary import show_errors
from pages.components.read.page_state import ReadPageState

LOOK_AGAIN_S = 2.0


def offer_undo(state: ReadPageState) -> None:
    """Show what was removed last, with a button that brings it back, until it is gone for good."""
    if state.removed is not None:
        _show_undo(state)


@st.fragment(run_every=LOOK_AGAIN_S)
@show_errors()
def _show_undo(state: ReadPageState) -> None:
    removed = state.removed
    if removed is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="undo"):
        st.text(f"Removed {removed.name}.", width="content")
        if st.button("Undo", icon=":material/undo:", type="tertiary"):
            state.undo_removal()
            st.rerun()
