"""Reads the films of a study as they arrive from the archive, like uploads; offers earlier studies of the patient."""

import streamlit as st

from cxr_core.dicom_io.pacs.settings import PacsSettings
from cxr_core.presentation.wording import format_count
from pages.components.pacs.page_state import OpenStudy
from pages.components.pacs.search import describe_study, open_study
from pages.components.pacs.study_fetch import StudyFetch
from pages.components.read.page_state import ReadPageState


def read_arriving_films(state: ReadPageState) -> None:
    """Read what arrives until the study is there; a click cuts this short, and the next run goes on with it."""
    fetch = state.pacs.fetch
    if fetch is None:
        return
    # Imported with the first film: it brings numpy and OpenCV along.
    from pages.components.read.upload import examine_uploads

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        progress = st.progress(0.0, text="Fetching the study …")
        st.button(
            "Stop",
            key=state.widget_key("pacs-stop"),
            type="tertiary",
            icon=":material/close:",
            on_click=_stop,
            args=(state,),
        )
    while not fetch.has_ended:
        film = fetch.take_film()
        progress.progress(*_describe_progress(fetch))
        if film is not None:
            examine_uploads(state, {film.file_id: film})
            state.open_studies[film.file_id] = OpenStudy(study=fetch.study)
            fetch.finish_film()
    state.pacs.fetch = None
    _finish(state, fetch)
    st.rerun()  # so that the list is complete, and the way in folds away


def _describe_progress(fetch: StudyFetch) -> tuple[float, str]:
    done = len(fetch.read_keys)
    if not fetch.total:
        return 0.0, "Fetching the study …"
    share = min(1.0, done / fetch.total)
    return share, f"Read {done} of {format_count(fetch.total, 'films')} of the study"


def _stop(state: ReadPageState) -> None:
    if state.pacs.fetch is not None:
        state.pacs.fetch.cancel()


def _finish(state: ReadPageState, fetch: StudyFetch) -> None:
    """Display the study, or set it beside the film that it is a prior of; keep which earlier studies there are."""
    state.pacs.problem = fetch.error
    keys = [key for key in fetch.read_keys if key in state.entries]
    for key in keys:
        state.open_studies[key] = OpenStudy(study=fetch.study, priors=fetch.priors)
    if not keys:
        state.pacs.problem = fetch.error or "This study has no films except lateral ones."
        return
    shown = [key for key in keys if state.entries[key].examination.film is not None]
    first = (shown or keys)[0]
    if fetch.compare_with in state.entries:
        state.choose_entry(fetch.compare_with or first)
        state.compare_with(first)
    else:
        state.choose_entry(first)
        state.pacs.studies = None  # found and opened
        state.pacs.opened_studies += 1


def offer_priors(state: ReadPageState, key: str, settings: PacsSettings) -> None:
    """Earlier studies of the displayed film's patient, each with the button that sets it beside the film."""
    shown = state.open_studies.get(key)
    if shown is None or not shown.priors:
        return
    with st.expander(
        f"Earlier studies of this patient ({len(shown.priors)})",
        key=state.widget_key("pacs-priors"),
        icon=":material/history:",
        type="compact",
        on_change="rerun",
    ) as priors:
        pass
    if not priors.open:
        return
    with priors:
        for place, study in enumerate(shown.priors):
            with st.container(
                horizontal=True,
                vertical_alignment="center",
                gap="small",
                key=f"pacs-row-prior-{place}",
            ):
                st.button(
                    "Compare",
                    key=state.widget_key(f"pacs-prior-{place}"),
                    disabled=state.pacs.fetch is not None,
                    on_click=open_study,
                    args=(state, settings, study, key),
                )
                st.markdown(describe_study(study), width="stretch")
