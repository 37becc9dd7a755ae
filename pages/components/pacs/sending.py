"""Send results back: what goes where, once the reader has confirmed the verdicts; what was sent, and is it held."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import streamlit as st

from cxr_core.access.audit import FAILED, record_action
from cxr_core.dicom_io.header import FilmHeader
from cxr_core.dicom_io.header_values import REFUSED
from cxr_core.dicom_io.object_kinds import KINDS, USUAL_KINDS
from cxr_core.dicom_io.pacs.archive import Archive, ObjectReference
from cxr_core.dicom_io.pacs.open_archive import open_archive, open_results_archive
from cxr_core.dicom_io.pacs.settings import PacsSettings
from cxr_core.dicom_io.result_writer import describe_result
from cxr_core.dicom_io.results import build_objects, encode_object
from cxr_core.errors import ArchiveError, FilmRefused, SilhouetteError
from cxr_core.presentation.wording import call_name, format_percent
from cxr_core.reading.cardiothoracic.ratio import describe_ratio
from cxr_core.reading.results import Examination, Reading
from cxr_core.workspace.log import log_task
from pages.components.error_boundary import show_errors
from pages.components.markdown import code, plain
from pages.components.pacs.headers import find_header
from pages.components.pacs.page_state import SentResults, UnsentResults
from pages.components.pacs.search import format_patient
from pages.components.read.film_view import decode_entry
from pages.components.read.page_state import ReadPageState, StudyEntry

CONFIRMED = "I have looked at these verdicts, and they are to go into the archive"
SEGMENTS = "Also send a segmentation of heart and lungs"
OF_ANOTHER_FORM = "Only films that came as DICOM belong to a study that results can go into."
AGE_MISSING = "Enter the patient's age first: a verdict waits for it."


def offer_sending(
    state: ReadPageState, entry: StudyEntry, reading: Reading, settings: PacsSettings
) -> None:
    """The button that sends a film's results, and what was sent of it."""
    obstacle = _find_obstacle(entry, reading)
    sent = state.sent.get(entry.key)
    with st.container(gap="xsmall", key="send-results"):
        if st.button(
            "Send results again" if sent else "Send results",
            key=state.widget_key(f"send-{entry.key}"),
            icon=":material/send:",
            disabled=bool(obstacle),
            help=obstacle or f"Asks first, then sends them to {plain(settings.results)}.",
        ):
            _confirm_sending(state, entry, reading, settings)
        if sent is not None:
            _show_sent(state, entry, sent, settings)


def _find_obstacle(entry: StudyEntry, reading: Reading) -> str:
    """Why a film's results cannot be sent; empty where they can."""
    film = entry.examination.film
    if reading.status != "read" or film is None:
        return "This film was not read, so there are no results."
    if film.container != "dicom":
        return OF_ANOTHER_FORM
    return AGE_MISSING if any(finding.needs_age for finding in reading.findings) else ""


@st.dialog("Send results", width="medium")
@show_errors()
def _confirm_sending(
    state: ReadPageState, entry: StudyEntry, reading: Reading, settings: PacsSettings
) -> None:
    """Say exactly what goes where; send it once it is confirmed."""
    address = settings.archives[settings.results].address
    st.markdown(f"To **{plain(settings.results)}**, {code(address)}, into the study of this film")
    st.text(_describe_film(state, entry))
    st.markdown("\n".join(f"- {plain(verdict)}" for verdict in describe_verdicts(reading)))
    kinds = list(USUAL_KINDS)
    st.markdown(f"As DICOM objects: {', '.join(KINDS[kind] for kind in kinds)}.")
    has_outlines = entry.examination.segmentation is not None
    if has_outlines and st.checkbox(SEGMENTS, key=state.widget_key("send-segments")):
        kinds.append("segmentation")
    sent = state.sent.get(entry.key)
    if sent is not None:
        st.warning(_describe_repetition(sent, reading), icon=":material/warning:")
    is_confirmed = st.checkbox(CONFIRMED, key=state.widget_key(f"confirm-{entry.key}"))
    if st.button("Send", type="primary", disabled=not is_confirmed, icon=":material/send:"):
        with st.spinner("Sending …"):
            state.sent[entry.key] = send_results(state, entry, reading, settings, tuple(kinds))
        st.rerun()


def _describe_film(state: ReadPageState, entry: StudyEntry) -> str:
    """The film's name, and the patient where the archive has said who it is."""
    shown = state.open_studies.get(entry.key)
    patient = (format_patient(shown.study), shown.study.patient_id) if shown else ()
    return " · ".join([entry.name, *filter(None, patient)])


def _describe_repetition(sent: SentResults, reading: Reading) -> str:
    """That results were sent before, and what is different now."""
    changed = "The verdicts have changed since. "
    same = "The verdicts are the same. "
    return (
        f"Results of this film were sent at {sent.at:%H:%M} to {plain(sent.archive)}. "
        f"{same if sent.verdicts == tuple(describe_verdicts(reading)) else changed}"
        "Sending again adds a second set beside the first one."
    )


def describe_verdicts(reading: Reading) -> Iterator[str]:
    """Each finding with its verdict and probability, and the ratio, as the objects have them."""
    for finding in reading.findings:
        if not finding.has_verdict or finding.probability is None:
            yield f"{finding.name}: not assessed"
        elif finding.is_withheld:
            yield f"{finding.name}: {call_name(finding.call)}"
        else:
            number = format_percent(finding.probability)
            yield f"{finding.name}: {call_name(finding.call)}, {number}"
    for measurement in reading.measurements:
        yield f"Cardiothoracic ratio: {describe_ratio(measurement)}"


def send_results(
    state: ReadPageState,
    entry: StudyEntry,
    reading: Reading,
    settings: PacsSettings,
    kinds: tuple[str, ...],
) -> SentResults:
    """Make the objects of a film's reading, send them and ask whether they are held.

    Raises FilmRefused for a film that no result can belong to, and ArchiveError where they could not be sent: those
    that were made are kept, so that another try with the same reading sends the same ones and the archive has none of
    them twice.
    """
    models = ", ".join(sorted(f"{f.model} {f.version}" for f in reading.findings if f.model))
    with log_task("sending", source="page") as task:
        try:
            results = _make_results(state, entry, reading, kinds)
            task.count(objects=len(results.objects))
            archive = open_results_archive(settings)
            archive.send(results.files)
        except SilhouetteError:
            record_action("results sent", film=reading.sha256, model=models, outcome=FAILED)
            raise
        state.unsent.pop(entry.key, None)
        record_action("results sent", film=reading.sha256, model=models, times=len(results.objects))
        return SentResults(
            at=datetime.now().astimezone(),
            archive=settings.results,
            kinds=kinds,
            objects=results.objects,
            verdicts=tuple(describe_verdicts(reading)),
            missing=_count_missing(archive, results.objects),
        )


def _make_results(
    state: ReadPageState, entry: StudyEntry, reading: Reading, kinds: tuple[str, ...]
) -> UnsentResults:
    """The objects of a reading: those of a try that failed with the same reading, else new ones."""
    content = replace(reading, seconds=0.0).to_json(file="")  # how long it took changes nothing
    unsent = state.unsent.get(entry.key)
    if unsent is not None and (unsent.kinds, unsent.reading) == (kinds, content):
        return unsent
    header = find_header(state, entry)
    _require_same_study(state, entry, header)
    objects = build_objects(describe_result(_with_pixels(entry), reading), header, kinds)
    state.unsent[entry.key] = UnsentResults(
        kinds=kinds,
        reading=content,
        objects=tuple(ObjectReference.of_dataset(each) for each in objects),
        files=tuple(encode_object(each) for each in objects),
    )
    return state.unsent[entry.key]


def _require_same_study(state: ReadPageState, entry: StudyEntry, header: FilmHeader) -> None:
    """Refuse a film whose own header names another study or patient than the archive did: one of them is wrong."""
    shown = state.open_studies.get(entry.key)
    if shown is None:
        return
    stated = (shown.study.uid, shown.study.patient_id)
    own = (header.texts["StudyInstanceUID"], header.texts.get("PatientID", ""))
    if stated != own:
        raise FilmRefused(
            "The header of this film names another study or patient than the archive's list did, so its results are "
            "not sent. Ask the archive's administrator which of them is right.",
            REFUSED,
        )


def _with_pixels(entry: StudyEntry) -> Examination:
    return replace(entry.examination, film=decode_entry(entry))


def _count_missing(archive: Archive, objects: tuple[ObjectReference, ...]) -> int | None:
    """How many objects the archive does not hold; None where it does not say."""
    try:
        return len(archive.find_missing(objects))
    except ArchiveError:
        return None


def _show_sent(
    state: ReadPageState, entry: StudyEntry, sent: SentResults, settings: PacsSettings
) -> None:
    what = f"Sent at {sent.at:%H:%M} to {plain(sent.archive)}: " + ", ".join(
        KINDS[kind] for kind in sent.kinds
    )
    if sent.is_held:
        st.markdown(f":small[:green[:material/check: {what}. The archive holds all of it.]]")
        return
    doubt = "The archive has not confirmed that it holds them."
    if sent.missing:
        doubt = f"The archive does not hold {sent.missing} of {len(sent.objects)} objects yet."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[{what}. {doubt}]]", width="content")
        st.button(
            "Ask again",
            key=state.widget_key(f"ask-again-{entry.key}"),
            type="tertiary",
            disabled=sent.archive not in settings.archives,
            on_click=_ask_again,
            args=(state, entry.key, settings),
        )


@show_errors()
def _ask_again(state: ReadPageState, key: str, settings: PacsSettings) -> None:
    sent = state.sent[key]
    archive = open_archive(settings, sent.archive)
    state.sent[key] = replace(sent, missing=_count_missing(archive, sent.objects))
