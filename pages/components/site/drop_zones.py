"""Takes films that the user drops and declares free of the finding, or showing it, and has them read for the test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from cxr_core.access.audit import record_reading
from cxr_core.data.sources.film_paths import find_patient
from cxr_core.reading.results import Examination
from cxr_core.site.local_films import ScoredFilm, score_examination
from cxr_core.workspace.log import log_task
from cxr_core.workspace.malloc import erase_soon
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.markdown import plain
from pages.components.site.page_state import SitePageState
from pages.components.site.selection import Question
from pages.components.streamlit_internals import UploadedFile, release_uploads

READING, WAITING = "reading films", "waiting for other readings"


@dataclass(eq=False)
class DroppedFilm:
    """A file as it was dropped. label: 1 shows the finding, 0 is free of it.  data: empty once it was read."""

    name: str
    label: int
    data: bytes


def ask_dropped_films(
    state: SitePageState, question: Question
) -> dict[int, Sequence[UploadedFile]]:
    """Show both drop zones. Returns the files in them, by label."""
    uploads: dict[int, Sequence[UploadedFile]] = {}
    with st.container(horizontal=True, gap="medium", key="site-zones"):
        for label, text in _describe_zones(question).items():
            with st.container(key=f"site-zone-{label}"):
                uploads[label] = st.file_uploader(
                    text,
                    accept_multiple_files=True,  # of any name: DICOM files often have no extension
                    key=state.widget_key(f"films-{label}"),
                )
    st.caption(
        f"Only films of {plain(question.card.population.text)}: a DICOM file whose age or view says otherwise is left "
        "out. Patients count, not films: two files of one patient are known by names such as patient12\\_1.png, and "
        "any other file counts as a patient of its own. Films are read in memory and forgotten; the record keeps the "
        "hash of each, and no name."
    )
    return uploads


def take_dropped_films(uploads: Mapping[int, Sequence[UploadedFile]]) -> list[DroppedFilm]:
    """The dropped files with their labels, out of Streamlit's memory."""
    films = []
    for label, files in uploads.items():
        films += [DroppedFilm(name=file.name, label=label, data=file.getvalue()) for file in files]
        release_uploads(files)
    return films


def read_dropped_films(
    films: list[DroppedFilm], question: Question, task: BackgroundTask
) -> list[ScoredFilm]:
    """What the installed model says of each film. Its file is forgotten as soon as it was decoded, read or refused.

    Waits for a place in the queue of readings, as the Read page does.
    """
    total, scored = len(films), []

    def show_waiting(_: int) -> None:
        task.report_progress(WAITING, 0, total)

    try:
        with cache.reading_queue().take_turn(show_waiting) as turn, log_task("reading"):
            task.report_progress(READING, 0, total)
            examinations = cache.load_reader().examine_many(_forget_as_read(films))
            for film, examination in zip(films, examinations, strict=True):
                record_reading(examination.sha256, [output.card for output in examination.outputs])
                scored.append(_score(film, examination, question))
                task.report_progress(READING, len(scored), total)
                turn.count_film()
    finally:
        for film in films:
            film.data = b""
        erase_soon()
    return scored


def _forget_as_read(films: Sequence[DroppedFilm]) -> Iterator[bytes]:
    for film in films:
        data, film.data = film.data, b""
        yield data


def _score(film: DroppedFilm, examination: Examination, question: Question) -> ScoredFilm:
    patient = find_patient(film.name)
    return score_examination(
        film.name,
        examination,
        question.card,
        question.finding,
        film.label,
        patient.number if patient else "",
    )


def _describe_zones(question: Question) -> dict[int, str]:
    """The label of each drop zone, by the label of its films."""
    name = plain(question.finding_name)
    return {
        0: f"Films known to be **free of {name}**: at least 20 patients",
        1: f"Films known to **show {name}**, where you have any: at least 20 patients",
    }
