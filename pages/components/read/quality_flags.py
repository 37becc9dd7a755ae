"""What to distrust about a film, said before anything else is shown of it."""

import streamlit as st

from cxr_core.reading.results import Reading
from pages.components.markdown import plain


def show_concerns(reading: Reading) -> None:
    """A refusal as an error; what makes the calls indeterminate, and what else to know, as warnings; drawings told."""
    if reading.status == "refused":
        st.error(f"**Not read.** {plain(reading.reason or '')}", icon=":material/block:")
    for concern in reading.concerns:
        if concern.refuses:
            continue
        if concern.code == "drawing":
            st.info(plain(concern.message), icon=":material/draw:")
        elif concern.unsettles:
            st.warning(f"{plain(concern.message)} No call is made.", icon=":material/help:")
        else:
            st.warning(plain(concern.message), icon=":material/warning:")
