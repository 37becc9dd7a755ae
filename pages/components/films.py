"""The way in: uploaded files and drawn samples become entries of the study, each examined once."""

import hashlib

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cxr_core.errors import SilhouetteError
from cxr_core.film.concern import Concern
from cxr_core.film.phantom import SAMPLES, as_png, draw
from cxr_core.reading.reading import Examination
from pages.components import cache
from pages.components.film import open_film
from pages.components.markdown import plain
from pages.components.session import Entry, Study

DRAWINGS = "drawing:"


def take_films(study: Study) -> None:
    """Show the drop zone and the samples; take in and examine what arrives."""
    label = f"Add films ({len(study.entries)} in this study)" if study.entries else "Films"
    with st.expander(label, expanded=not study.entries, icon=":material/upload_file:"):
        uploads = st.file_uploader(
            "Drop one or several frontal chest films: PNG, JPEG or DICOM",
            accept_multiple_files=True,  # of any name: DICOM files often have no extension
            key=study.inbox,
        )
        sample = _ask_sample(study)
    if sample is not None:
        _examine_drawing(study, sample)
    if uploads:
        _examine_uploads(study, {upload.file_id: upload for upload in uploads})
        study.empty_inbox(uploads)
    if sample is not None or uploads:
        st.rerun()  # so that the drop zone folds away and the worklist is whole


def offer_clearing(study: Study) -> None:
    """The button that drops the study from memory."""
    st.button(
        "Clear this study",
        icon=":material/delete:",
        on_click=study.clear,
        disabled=not study.entries,
        width="stretch",
        help="Drops the films, their readings and maps from memory at once, and what was said of the patient.",
    )


def _ask_sample(study: Study) -> str | None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("or try a drawn sample:", width="content")
        clicked = [
            label
            for label in SAMPLES
            if st.button(label.removeprefix("Drawing: ").capitalize(), key=study.widget(DRAWINGS + label))
        ]
    return clicked[0] if clicked else None


def _examine_drawing(study: Study, sample: str) -> None:
    key = DRAWINGS + sample
    if key not in study.entries:
        with st.spinner("Drawing and reading the sample …"):
            data = as_png(draw(SAMPLES[sample]))
            examination = cache.reader().examine(data)
        study.add(Entry(key=key, name=sample, data=data, examination=examination))
        open_film(study, key, examination)
    study.choose(key)


def _examine_uploads(study: Study, uploads: dict[str, UploadedFile]) -> None:
    """Examine files in their order; each one done is kept, should the run be cut short by a click."""
    arrived = {key: upload for key, upload in uploads.items() if key not in study.entries}
    progress = st.progress(0.0, text=f"Reading {_films(len(arrived))} …")
    try:
        examinations = cache.reader().examine_many(upload.getvalue() for upload in arrived.values())
        for done, ((key, upload), examination) in enumerate(zip(arrived.items(), examinations, strict=True), start=1):
            study.add(Entry(key=key, name=upload.name, data=upload.getvalue(), examination=examination))
            if len(arrived) == 1:
                open_film(study, key, examination)
            progress.progress(done / len(arrived), text=f"Read {done} of {_films(len(arrived))}: {plain(upload.name)}")
    except SilhouetteError as error:
        for key in arrived.keys() - study.entries.keys():
            study.add(_unread(key, arrived[key], error))
    progress.empty()
    if len(arrived) == 1:
        study.choose(next(iter(arrived)))


def _unread(key: str, upload: UploadedFile, error: SilhouetteError) -> Entry:
    """A film that no model answered for, in the study with the reason."""
    data = upload.getvalue()
    concern = Concern("not_read", str(error), refuses=True)
    sha256 = hashlib.sha256(data).hexdigest()
    examination = Examination(sha256=sha256, film=None, concerns=(concern,), outputs=(), seconds=0.0)
    return Entry(key=key, name=upload.name, data=data, examination=examination)


def _films(count: int) -> str:
    return "1 film" if count == 1 else f"{count} films"
