"""Gives a reloaded tab its study back: the browser keeps a random token for the tab, and sends it after a reload."""

from pathlib import Path

import streamlit as st

from pages.components.read.page_state import ReadPageState
from pages.components.session import adopt_study, claimed_token

KEY = "study-token"

_mount_component = st.components.v2.component(
    "silhouette.study_token",
    js=(Path(__file__).parent / "study_token.js").read_text(encoding="utf-8"),
)


def recover_study(state: ReadPageState) -> None:
    """Tell the browser the study's token; when it sends the one of an earlier study, go on with that one."""
    claimed = claimed_token(KEY)
    _mount_component(
        key=KEY,
        data={"token": state.study_token, "answered": claimed is not None},
        default={"claimed": None},
        on_claimed_change=lambda: None,
        height=0,
    )
    is_new = claimed is not None and claimed != state.study_token and not state.entries
    if is_new and adopt_study(claimed or ""):
        st.rerun()
