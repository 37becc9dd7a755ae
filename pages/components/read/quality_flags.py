"""Shows a film's quality flags, before anything else about it."""

import streamlit as st

from cxr_core.reading.results import Reading
from pages.components.markdown import plain


def show_quality_flags(reading: Reading) -> None:
    """A refusal as an error; flags that withhold calls, and the other flags, as warnings; drawings as information."""
    if reading.status == "refused":
        st.error(f"**Not read.** {plain(reading.reason or '')}", icon=":material/block:")
    for concern in reading.concerns:
        message = plain(concern.message)
        if concern.withholds_reading:
            continue
        if concern.code == "drawing":
            st.info(message, icon=":material/draw:")
        elif concern.withholds_call:
            st.warning(f"{message} No call is made.", icon=":material/help:")
        else:
            st.warning(message, icon=":material/warning:")
