"""Download buttons for a film's report; each file is made when its button is clicked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import streamlit as st

from cxr_core.access.actor import current_actor
from cxr_core.access.audit import record_action
from cxr_core.film.artefacts.flags import BURNED_IN_TEXT
from cxr_core.reading.report.report import Report, render_json_report
from cxr_core.reading.results import Reading
from cxr_core.version import VERSION
from pages.components.read.film_view import decode_entry
from pages.components.read.page_state import StudyEntry
from pages.components.sign_in.person import hold_sign_in

TEXT_NOTICE = "The PDF and HTML reports show the film. Check its burned-in text for patient identifiers first."


def offer_reports(
    entry: StudyEntry,
    reading: Reading,
    build_prior: Callable[[], Report] | None = None,
) -> None:
    """Show three buttons: PDF, a self-contained HTML page, and JSON. Text on the film is named beside them.

    build_prior: makes the report of a prior film to compare with.
    """

    # The file is made later, where nobody can be asked.
    reader, require_sign_in = current_actor(), hold_sign_in()

    def defer(
        name: str, write: Callable[[Report, Report | None], str | bytes]
    ) -> Callable[[], str | bytes]:
        def make_report() -> str | bytes:
            require_sign_in()
            report = write(build_report(entry, reading), build_prior() if build_prior else None)
            record_action(f"report as {name}", who=reader, film=reading.sha256)
            return report

        return make_report

    if any(concern.code == BURNED_IN_TEXT.code for concern in reading.concerns):
        st.caption(TEXT_NOTICE)
    stem = f"silhouette-{reading.sha256[:12]}"
    formats: tuple[tuple[str, str, Callable[[Report, Report | None], str | bytes]], ...] = (
        ("PDF", "application/pdf", _render_pdf),
        ("HTML", "text/html", _render_html),
        ("JSON", "application/json", render_json_report),
    )
    with st.container(horizontal=True, gap="small"):
        for name, mime, write in formats:
            st.download_button(
                f"Report ({name})",
                defer(name, write),
                file_name=f"{stem}.{name.lower()}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
            )


def _render_html(report: Report, prior: Report | None) -> str:
    # Imported with the first report, as the library for the PDF: no film waits for either.
    from cxr_core.reading.report.html import render_html_report

    return render_html_report(report, prior)


def _render_pdf(report: Report, prior: Report | None) -> bytes:
    from cxr_core.reading.report.pdf import render_pdf_report

    return render_pdf_report(report, prior)


def build_report(entry: StudyEntry, reading: Reading) -> Report:
    """The report of a film: the results of the original file, with pixels that may come from a compressed copy.

    Raises FilmRefused when the file can no longer be decoded.
    """
    examination = entry.examination
    if examination.film is not None:
        examination = replace(examination, film=decode_entry(entry))
    return Report(
        reading=reading,
        examination=examination,
        file=entry.name,
        made=datetime.now().astimezone(),
        software_version=VERSION,
    )
