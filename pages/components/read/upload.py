"""Examines uploaded files and synthetic samples, each once, and adds them to the study."""

import hashlib
from collections.abc import Mapping

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom, encode_png
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.presentation.wording import format_count
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination
from pages.components import cache
from pages.components.markdown import plain
from pages.components.pacs.archive_settings import find_settings
from pages.components.read.film_view import keep_for_display, record_film, take_reading_turn
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.read.strip_pixels import compress_film, encode_thumbnail, strip_examination
from pages.components.streamlit_internals import UploadedFile

SAMPLE_PREFIX = "drawing:"  # of the keys of samples among the entries
# Samples that the models which ship read as they are drawn; of the others only outlines and CTR are shown.
READ_SAMPLES = ("Synthetic: normal chest", "Synthetic: wide heart")


def ask_sample(state: ReadPageState) -> str | None:
    """A row of buttons; returns the label of the sample that was just clicked."""
    clicked = None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("or try a synthetic sample:", width="content")
        for label in SAMPLES:
            short_label = label.removeprefix("Synthetic: ").capitalize()
            if st.button(short_label, key=state.widget_key(SAMPLE_PREFIX + label)):
                clicked = label
    return clicked


def examine_sample(state: ReadPageState, sample: str) -> None:
    """Draw and read a sample, unless the study holds it already, and display it."""
    key = SAMPLE_PREFIX + sample
    if key not in state.entries:
        with st.spinner("Making and reading the sample …"), take_reading_turn():
            data = encode_png(draw_phantom(SAMPLES[sample]))
            examination = cache.load_reader().examine(data)
        record_film(examination)
        entry = make_entry(state, key, sample, data, examination)
        entry.outlines_only = sample not in READ_SAMPLES
        state.add_entry(entry)
        spec = SAMPLES[sample]
        state.patients[key] = Patient(age_years=spec.age_years, view=spec.view)
        keep_for_display(state, key, examination)
    state.choose_entry(key)


def examine_uploads(state: ReadPageState, arrived: Mapping[str, UploadedFile]) -> None:
    """Examine files that are new to the study, in their order.

    Each finished one is kept if a click or another upload cuts the run short; the next run goes on with the rest.
    """
    progress = st.progress(0.0, text=f"Reading {format_count(len(arrived), 'films')} …")
    try:
        with take_reading_turn() as turn:
            examinations = cache.load_reader().examine_many(
                upload.getvalue() for upload in arrived.values()
            )
            pairs = zip(arrived.items(), examinations, strict=True)
            for done, ((key, upload), examination) in enumerate(pairs, start=1):
                record_film(examination)
                state.add_entry(make_entry(state, key, upload.name, upload.getvalue(), examination))
                if len(arrived) == 1 or state.has_room_for_pictures:
                    keep_for_display(state, key, examination)
                text = f"Read {done} of {format_count(len(arrived), 'films')}: {plain(upload.name)}"
                progress.progress(done / len(arrived), text=text)
                turn.count_film()
    except SilhouetteError as error:
        for key in arrived.keys() - state.entries.keys():
            state.add_entry(_make_unread_entry(key, arrived[key], error))
    progress.empty()
    if len(arrived) == 1:
        state.choose_entry(next(iter(arrived)))


def make_entry(
    state: ReadPageState, key: str, name: str, data: bytes, examination: Examination
) -> StudyEntry:
    """A film for the study: with its file while there is room for files, else with a compressed copy."""
    film = examination.film
    if film is None:
        return StudyEntry(key=key, name=name, data=b"", examination=examination)
    is_whole = state.has_room(len(data))
    if not is_whole and film.container == "dicom" and find_settings() is not None:
        from pages.components.pacs.headers import keep_header

        keep_header(state, key, data)
    return StudyEntry(
        key=key,
        name=name,
        data=data if is_whole else compress_film(film),
        compressed=not is_whole,
        thumbnail=encode_thumbnail(film),
        examination=strip_examination(examination),
    )


def _make_unread_entry(key: str, upload: UploadedFile, error: SilhouetteError) -> StudyEntry:
    """A film that no model has read, with the reason."""
    concern = QualityFlag("not_read", str(error), withholds_reading=True)
    sha256 = hashlib.sha256(upload.getvalue()).hexdigest()
    examination = Examination(
        sha256=sha256, film=None, concerns=(concern,), outputs=(), seconds=0.0
    )
    return StudyEntry(key=key, name=upload.name, data=b"", examination=examination)
