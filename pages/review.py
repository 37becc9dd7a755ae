"""Review: projects of verdicts, films worth reading again, disputes between readers, and labels put right."""

import streamlit as st

from cxr_core.access.actor import Role
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame


def page() -> None:
    """The whole page, from top to bottom."""
    st.title("Review")


require_app_frame("review")
if may_open(Role.RESEARCHER, "Review"):
    page()
