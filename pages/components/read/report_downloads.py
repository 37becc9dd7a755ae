"""The report of a film, made when it is asked for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import streamlit as st

from cxr_core.reading.report.html import html_report
from cxr_core.reading.report.report import Report, json_report
from cxr_core.reading.results import Reading
from cxr_core.version import VERSION
from pages.components.session import Entry, Shown


def offer_reports(entry: Entry, shown: Shown | None, reading: Reading) -> None:
    """Two buttons, a self-contained HTML page and JSON; the file is made at the click, not at each run."""

    def written_by(write: Callable[[Report], str]) -> Callable[[], str]:
        return lambda: write(_report(entry, shown, reading))

    stem = f"silhouette-{reading.sha256[:12]}"
    formats = (("HTML", "text/html", html_report), ("JSON", "application/json", json_report))
    with st.container(horizontal=True, gap="small"):
        for name, mime, write in formats:
            st.download_button(
                f"Report ({name})",
                written_by(write),
                file_name=f"{stem}.{name.lower()}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
            )


def _report(entry: Entry, shown: Shown | None, reading: Reading) -> Report:
    # What was said of the film itself, with pixels that may be those of a compressed copy of it.
    examination = (
        replace(entry.examination, film=shown.examination.film) if shown else entry.examination
    )
    return Report(
        reading=reading,
        examination=examination,
        file=entry.name,
        made=datetime.now().astimezone(),
        software_version=VERSION,
    )
