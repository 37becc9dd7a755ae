"""Shows a film's quality flags in one line each, with the details on demand."""

import re

import streamlit as st

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.results import Reading
from pages.components.markdown import plain

FIRST_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z])")


def show_quality_flags(reading: Reading) -> None:
    """A refusal as an error; below it, each flag as a line that opens to the whole text."""
    if reading.status == "refused":
        st.error(f"**Not read.** {plain(reading.reason or '')}", icon=":material/block:")
    for concern in reading.concerns:
        if not concern.withholds_reading and concern.message not in (reading.reason or ""):
            _show_flag(concern)


def _show_flag(concern: QualityFlag) -> None:
    label = plain(FIRST_SENTENCE.split(concern.message, maxsplit=1)[0])
    icon = ":material/draw:" if concern.code == "drawing" else ":material/warning:"
    with st.expander(label, icon=icon, type="compact"):
        consequence = " No verdict is given." if concern.withholds_call else ""
        st.markdown(plain(f"{concern.message}{consequence}"))
