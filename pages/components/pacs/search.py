"""From PACS: the form that searches an archive, and the studies that it has found."""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from cxr_core.dicom_io.pacs.archive import Study, StudyQuery
from cxr_core.dicom_io.pacs.open_archive import open_search_archive
from cxr_core.dicom_io.pacs.settings import PacsSettings
from cxr_core.errors import ArchiveError
from cxr_core.presentation.wording import format_count
from pages.components.error_boundary import show_errors
from pages.components.markdown import code, plain
from pages.components.pacs.study_fetch import StudyFetch
from pages.components.read.page_state import ReadPageState

OLDEST = date(1970, 1, 1)


def show_search(state: ReadPageState, settings: PacsSettings) -> None:
    """The form, and below it what the last search has found."""
    address = settings.archives[settings.search].address
    with (
        st.form(state.widget_key("pacs-search"), border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        patient_id = st.text_input("Patient ID", max_chars=64, key=state.widget_key("pacs-id"))
        accession = st.text_input(
            "Accession number", max_chars=16, key=state.widget_key("pacs-accession")
        )
        dates = st.date_input(
            "Date of the study",
            value=[],
            min_value=OLDEST,
            key=state.widget_key("pacs-dates"),
            help="One day, or the first and the last day.",
        )
        wants_search = st.form_submit_button("Search", icon=":material/search:", type="primary")
    st.caption(f"Searches **{plain(settings.search)}**, {code(address)}")
    if wants_search:
        _search(state, settings, patient_id, accession, dates)
    if state.pacs.problem:
        st.error(plain(state.pacs.problem))
    if state.pacs.studies is not None:
        _show_studies(state, settings, state.pacs.studies)


def _search(
    state: ReadPageState, settings: PacsSettings, patient_id: str, accession: str, dates: object
) -> None:
    """Keep what is found, or why nothing can be."""
    days = (
        [each for each in dates if isinstance(each, date)]
        if isinstance(dates, tuple | list)
        else []
    )
    state.pacs.studies, state.pacs.problem = None, ""
    try:
        query = StudyQuery(
            patient_id=patient_id.strip(),
            accession_number=accession.strip(),
            date_from=days[0] if days else None,
            date_to=days[-1] if days else None,
        )
        with st.spinner("Searching …"):
            state.pacs.studies = open_search_archive(settings).find_studies(query)
    except ArchiveError as error:
        state.pacs.problem = str(error)


def _show_studies(state: ReadPageState, settings: PacsSettings, studies: Sequence[Study]) -> None:
    if not studies:
        st.caption("No study matches.")
        return
    st.caption(f"{format_count(len(studies), 'studies')}, newest first")
    with st.container(
        gap="xsmall", key="pacs-studies", height=360 if len(studies) > 6 else "content"
    ):
        for place, study in enumerate(studies):
            with st.container(
                horizontal=True, vertical_alignment="center", gap="small", key=f"pacs-row-{place}"
            ):
                st.button(
                    "Open",
                    key=state.widget_key(f"pacs-open-{place}"),
                    disabled=not study.may_hold_films or state.pacs.fetch is not None,
                    help=None
                    if study.may_hold_films
                    else "This study has no films: no series of CR, DX, DR or RG.",
                    on_click=open_study,
                    args=(state, settings, study),
                )
                st.markdown(_describe_row(study), width="stretch")


def _describe_row(study: Study) -> str:
    """Date, description, modalities and number of images; below them the patient as the archive has it."""
    patient = " · ".join(filter(None, [format_patient(study), study.patient_id]))
    accession = f"accession {study.accession_number}" if study.accession_number else ""
    below = " · ".join(plain(each) for each in (patient, accession) if each)
    return f"{describe_study(study)}  \n:small[:gray[{below}]]"


def format_patient(study: Study) -> str:
    """The patient's name as the archive has it, with spaces between its parts (PS3.5 6.2.1)."""
    return " ".join(study.patient.replace("^", " ").split())


def describe_study(study: Study) -> str:
    """A study in a line of Markdown, without the patient."""
    made = f"{study.made:%Y-%m-%d}" if study.made else "no date"
    images = "" if study.images is None else format_count(study.images, "images")
    parts = [study.description or "no description", ", ".join(study.modalities), images]
    return " · ".join([f"**{made}**", *(plain(each) for each in parts if each)])


@show_errors()
def open_study(
    state: ReadPageState, settings: PacsSettings, study: Study, compare_with: str | None = None
) -> None:
    """Fetch a study's films; the page reads them as they arrive. compare_with: the film that they are priors of."""
    state.pacs.problem = ""
    state.pacs.fetch = StudyFetch(settings, study, known=state.entries, compare_with=compare_with)
