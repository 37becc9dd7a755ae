"""Uploaded files and drawn samples become entries of the study, each examined once."""

import hashlib

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cxr_core.errors import SilhouetteError
from cxr_core.film.concern import Concern
from cxr_core.film.phantom.phantom import SAMPLES, as_png, draw
from cxr_core.reading.results import Examination
from pages.components import cache
from pages.components.markdown import plain
from pages.components.read.film_view import open_film
from pages.components.read.strip_pixels import compressed, light
from pages.components.session import Entry, Study

DRAWINGS = "drawing:"


def ask_sample(study: Study) -> str | None:
    """A row of buttons; the label of the sample that was just clicked."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("or try a drawn sample:", width="content")
        clicked = [
            label
            for label in SAMPLES
            if st.button(
                label.removeprefix("Drawing: ").capitalize(), key=study.widget(DRAWINGS + label)
            )
        ]
    return clicked[0] if clicked else None


def examine_drawing(study: Study, sample: str) -> None:
    """Draw and read a sample, if the study does not hold it yet, and look at it."""
    key = DRAWINGS + sample
    if key not in study.entries:
        with st.spinner("Drawing and reading the sample …"):
            data = as_png(draw(SAMPLES[sample]))
            examination = cache.reader().examine(data)
        study.add(_entry(study, key, sample, data, examination))
        open_film(study, key, examination)
    study.choose(key)


def examine_uploads(study: Study, uploads: dict[str, UploadedFile]) -> None:
    """Examine files in their order; each one done is kept, should the run be cut short by a click."""
    arrived = {key: upload for key, upload in uploads.items() if key not in study.entries}
    progress = st.progress(0.0, text=f"Reading {_films(len(arrived))} …")
    try:
        examinations = cache.reader().examine_many(upload.getvalue() for upload in arrived.values())
        for done, ((key, upload), examination) in enumerate(
            zip(arrived.items(), examinations, strict=True), start=1
        ):
            study.add(_entry(study, key, upload.name, upload.getvalue(), examination))
            if len(arrived) == 1:
                open_film(study, key, examination)
            progress.progress(
                done / len(arrived),
                text=f"Read {done} of {_films(len(arrived))}: {plain(upload.name)}",
            )
    except SilhouetteError as error:
        for key in arrived.keys() - study.entries.keys():
            study.add(_unread(key, arrived[key], error))
    progress.empty()
    if len(arrived) == 1:
        study.choose(next(iter(arrived)))


def _entry(study: Study, key: str, name: str, data: bytes, examination: Examination) -> Entry:
    """A film for the study: its file while there is room for files, else a compressed copy."""
    film = examination.film
    if film is None:
        return Entry(key=key, name=name, data=b"", examination=examination)
    if study.has_room(len(data)):
        return Entry(key=key, name=name, data=data, examination=light(examination))
    return Entry(
        key=key, name=name, data=compressed(film), compressed=True, examination=light(examination)
    )


def _unread(key: str, upload: UploadedFile, error: SilhouetteError) -> Entry:
    """A film that no model answered for, in the study with the reason."""
    concern = Concern("not_read", str(error), refuses=True)
    sha256 = hashlib.sha256(upload.getvalue()).hexdigest()
    examination = Examination(
        sha256=sha256, film=None, concerns=(concern,), outputs=(), seconds=0.0
    )
    return Entry(key=key, name=upload.name, data=b"", examination=examination)


def _films(count: int) -> str:
    return "1 film" if count == 1 else f"{count} films"
