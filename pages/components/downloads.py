"""The report of a film, made when it is asked for."""

import json

import streamlit as st

from cxr_core.reading.reading import Reading
from pages.components.session import Entry, Shown


def offer_reports(entry: Entry, shown: Shown, reading: Reading) -> None:
    """Two buttons: a self-contained HTML page and JSON. The file is written at the click, not at each run."""
    stem = f"silhouette-{reading.sha256[:12]}"
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Report (JSON)",
            lambda: json.dumps(reading.as_json(entry.name), indent=2),
            file_name=f"{stem}.json",
            mime="application/json",
            on_click="ignore",
            icon=":material/download:",
        )
