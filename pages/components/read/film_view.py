"""Displays one film of the study: its facts, its picture in the viewer, and its heatmaps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.audit import record_reading
from cxr_core.access.permission import require_role
from cxr_core.errors import FilmRefused, SilhouetteError
from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.film.orientation import measure_pose
from cxr_core.film.radiograph import Radiograph
from cxr_core.film.spacing import describe_spacing_source
from cxr_core.presentation.wording import format_percent
from cxr_core.reading.heatmap_notes import describe_heatmap, points_elsewhere
from cxr_core.reading.results import (
    EXACT_METHOD,
    HEATMAP_METHODS,
    Attribution,
    Examination,
    FindingReading,
    ModelOutput,
    Reading,
)
from cxr_core.workspace.log import log_task
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.read.cardiothoracic_ratio import (
    film_id,
    has_mirrored_flag,
    make_calipers,
    store_moved_ends,
)
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.read.reading_queue import Turn
from pages.components.read.strip_pixels import strip_examination
from pages.components.session import chosen_method, requested_adjustment
from pages.components.viewer import Layer, Marking, ViewerFilm, encode_picture, show_viewer

CONTAINERS = {
    "png": "PNG",
    "jpeg": "JPEG",
    "webp": "WebP",
    "tiff": "TIFF",
    "bmp": "BMP",
    "dicom": "DICOM",
    "drawing": "Synthetic",
}
UNRECORDED = (
    "This reading could not be recorded in the audit log; tell whoever manages this server."
)
COMPRESSED = "This study is large, so a compressed copy is displayed. The results are from the original file."
# The changes that the viewer offers for every film.
VIEWER_CHANGES = {
    "invert": Adjustments.then_invert,
    "rotate": Adjustments.then_rotate,
    "mirror": Adjustments.then_mirror,
}


@contextmanager
def take_reading_turn() -> Iterator[Turn]:
    """Wait until this tab may read films, and say meanwhile how many wait before it."""
    notice = st.empty()

    def show_waiting(before: int) -> None:
        if before == 0:
            notice.info("Films of other tabs are being read. Yours are next.")
        else:
            waiting = "1 reading is" if before == 1 else f"{before} readings are"
            notice.info(f"Films of other tabs are being read. {waiting} waiting before yours.")

    require_role(Role.READER, "reading films")
    with cache.reading_queue().take_turn(show_waiting) as turn, log_task("reading"):
        notice.empty()
        yield turn


def record_film(examination: Examination) -> None:
    """Record in the audit log that a film was read or refused; say so where that fails, for the reading goes on."""
    if not record_reading(examination.sha256, [output.card for output in examination.outputs]):
        st.toast(UNRECORDED, icon=":material/edit_off:")


def keep_for_display(state: ReadPageState, key: str, examination: Examination) -> None:
    """Keep of a fresh examination what is not in the stripped one: the picture, and the models' features."""
    if examination.film is not None:
        state.keep_picture(key, encode_picture(examination.film))
        state.keep_outputs(key, examination.outputs)


def open_picture(state: ReadPageState, entry: StudyEntry) -> str | None:
    """A film's picture for the viewer, from memory or decoded again; None when its file cannot be decoded."""
    if entry.examination.film is None:
        return None
    picture = state.pictures.get(entry.key)
    if picture is None:
        try:
            with st.spinner("Opening the film …"):
                picture = encode_picture(decode_entry(entry))
        except FilmRefused as refusal:
            st.error(plain(str(refusal)))
            return None
    state.keep_picture(entry.key, picture)
    return picture


def decode_entry(entry: StudyEntry) -> Radiograph:
    """A film with its pixels, and with the facts of the original file where only a compressed copy is kept."""
    film = entry.examination.film
    assert film is not None, "only a film that was decoded is opened"
    decoded = cache.load_reader().decode(entry.data, entry.examination.adjustments)
    return replace(film, pixels=decoded.pixels)


def show_film_name(state: ReadPageState, entry: StudyEntry) -> None:
    """The file's name, as plain text, and the button that removes it."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.text(entry.name, width="stretch")
        st.button(
            "Remove",
            key=state.widget_key(f"remove-{entry.key}"),
            type="tertiary",
            icon=":material/close:",
            help="Removes this film from the study.",
            on_click=state.remove_entries,
            args=({entry.key},),
        )


def show_film_facts(entry: StudyEntry, reading: Reading) -> None:
    """What the picture is, and whether it is a compressed copy."""
    film = entry.examination.film
    if film is None:
        return
    lines = [" · ".join(plain(fact) for fact in _list_facts(film, reading))]
    if entry.compressed:
        lines.append(COMPRESSED)
    st.caption("  \n".join(lines))


def _list_facts(film: Radiograph, reading: Reading) -> list[str]:
    size = f"{film.shape[1]} × {film.shape[0]} px"
    spacing = _state_spacing(film, reading)
    if spacing is not None:
        _, column_mm, place = spacing
        size += f" of {column_mm:.3g} mm {place}"
    return [CONTAINERS[film.container], size]


def _state_spacing(film: Radiograph, reading: Reading) -> tuple[float, float, str] | None:
    """Millimetres from row to row and from column to column, and where they hold; None where nobody should use them."""
    doubted = any(concern.code == "implausible_spacing" for concern in reading.concerns)
    if film.spacing_mm is None or doubted:
        return None
    return (*film.spacing_mm, describe_spacing_source(film.spacing_source))


def offer_corrections(state: ReadPageState, entry: StudyEntry) -> None:
    """Name what was changed on the film, with a way back; offer the change that a quality flag asks for."""
    changes = entry.examination.adjustments.describe()
    codes = {concern.code for concern in entry.examination.concerns}
    offered = [(label, change) for code, label, change in CORRECTIONS if code in codes]
    if changes:
        offered.append(("Undo and read again", _undo_changes))
    if not offered or entry.examination.film is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if changes:
            st.markdown(f":blue-badge[Changed: {'; '.join(changes)}]", width="content")
        for label, change in offered:
            st.button(
                label,
                key=state.widget_key(f"{label}-{entry.key}"),
                disabled=entry.compressed,
                help="Only a compressed copy of this film is kept: add its file again first."
                if entry.compressed
                else None,
                on_click=_correct_film,
                args=(state, entry, change),
            )


@show_errors()
def _correct_film(
    state: ReadPageState, entry: StudyEntry, change: Callable[[StudyEntry], Adjustments]
) -> None:
    read_again(state, entry, change(entry))


def _undo_changes(_: StudyEntry) -> Adjustments:
    return UNCHANGED


def _invert(entry: StudyEntry) -> Adjustments:
    return entry.examination.adjustments.then_invert()


def _mirror(entry: StudyEntry) -> Adjustments:
    return entry.examination.adjustments.then_mirror()


def _turn_upright(entry: StudyEntry) -> Adjustments:
    adjustments = entry.examination.adjustments
    for _ in range(-measure_pose(decode_entry(entry).pixels).quarter_turns % 4):
        adjustments = adjustments.then_rotate()
    return adjustments


# The quality flag that asks for a change, the button's label, and the film's adjustments with that change.
CORRECTIONS: tuple[tuple[str, str, Callable[[StudyEntry], Adjustments]], ...] = (
    ("inverted", "Invert greyscale and read again", _invert),
    ("turned", "Turn upright and read again", _turn_upright),
    ("mirrored", "Mirror and read again", _mirror),
)


@show_errors()
def read_again(state: ReadPageState, entry: StudyEntry, adjustments: Adjustments) -> None:
    """Read a film anew with changes to it; endpoints that no longer lie where they were set are dropped."""
    with take_reading_turn():
        examination = cache.load_reader().examine(entry.data, adjustments)
    record_film(examination)
    before = entry.examination.adjustments
    if (before.quarter_turns, before.mirrored) != (adjustments.quarter_turns, adjustments.mirrored):
        state.discard_edited_ends(entry.key)
    entry.examination = strip_examination(examination)
    state.maps.pop(entry.key, None)
    keep_for_display(state, entry.key, examination)


def show_film_viewer(
    state: ReadPageState,
    entry: StudyEntry,
    reading: Reading,
    name: str = "viewer",
    link: str | None = None,
    find_marking: Callable[[str], Marking | None] | None = None,
) -> None:
    """The film in the viewer, with a heatmap for each finding that has one, the heart's contour and both diameters.

    name: of the viewer on the page.  link: viewers with the same one move together.  find_marking: what the viewer
    with a key marks.
    """
    film, picture = entry.examination.film, open_picture(state, entry)
    if picture is None or film is None:
        st.caption("This file has no picture to display.")
        return
    key = state.widget_key(name)
    method = chosen_method(key, EXACT_METHOD)
    mapped = [f for f in reading.findings if f.attribution and not f.needs_age]
    first = _choose_first_heatmap(mapped)
    maps = [(finding, _explain_finding(state, entry, finding, method)) for finding in mapped]
    layers = [_make_layer(finding, mapped, attribution) for finding, attribution in maps]
    show_viewer(
        ViewerFilm(
            id=film_id(entry),
            picture=picture,
            shape=film.shape,
            is_drawing=entry.is_drawing,
            spacing=_state_spacing(film, reading),
            mirrored=has_mirrored_flag(entry),
        ),
        layers,
        first_layer=_layer_key(first) if first else None,
        methods=HEATMAP_METHODS,
        marking=find_marking(key) if find_marking else None,
        calipers=make_calipers(state, entry, reading, key),
        on_ends=partial(store_moved_ends, state, key),
        on_adjust=None if entry.compressed else partial(_adjust_film, state, key),
        link=link,
        key=key,
    )
    _show_heatmap_notes(maps)


def _adjust_film(state: ReadPageState, viewer_key: str) -> None:
    """Read the film anew with the change that was requested in the viewer."""
    request = requested_adjustment(viewer_key)
    for entry in state.entries.values():
        if request is not None and film_id(entry) == request.film:
            change = VIEWER_CHANGES[request.change]
            read_again(state, entry, change(entry.examination.adjustments))


def _choose_first_heatmap(mapped: Sequence[FindingReading]) -> FindingReading | None:
    """The first finding that is suspected; None without one, and when its heatmap is known to mislead."""
    first = next((finding for finding in mapped if finding.call == "present"), None)
    if first is None or (first.card and points_elsewhere(first.card, first.finding)):
        return None  # the reader can still choose a heatmap, and it is then explained
    return first


def _show_heatmap_notes(layers: Sequence[tuple[FindingReading, Attribution]]) -> None:
    notes = []
    for finding, attribution in layers:
        method = HEATMAP_METHODS[attribution.method].split(" (")[0]
        title = f"Heatmap of {finding.name.lower()} ({method})"
        notes.append(plain(f"{title}: {_describe_map(finding, attribution.method)}"))
    if notes:
        st.caption("  \n".join(notes))


def _describe_map(finding: FindingReading, method: str) -> str:
    """How well maps of this method and finding point, as far as it was measured."""
    note = None
    if method == EXACT_METHOD and finding.card is not None:
        note = describe_heatmap(finding.card, finding.finding)
    if note is not None:
        return note
    return "whether it shows where the finding is was not measured. Interpret with caution."


def _make_layer(
    finding: FindingReading, mapped: Sequence[FindingReading], attribution: Attribution
) -> Layer:
    name = finding.name
    is_only_one = sum(other.finding == finding.finding for other in mapped) == 1
    number = "" if finding.is_withheld else f", {format_percent(finding.probability or 0)}"
    return Layer(
        key=_layer_key(finding),
        label=name if is_only_one else f"{name}, {finding.population}",
        note=f"{name}{number}: {finding.model} for {finding.population}",
        attribution=attribution,
    )


def _layer_key(finding: FindingReading) -> str:
    return f"{finding.model}/{finding.finding}"


def _explain_finding(
    state: ReadPageState, entry: StudyEntry, finding: FindingReading, method: str
) -> Attribution:
    """The heatmap by the chosen method, computed once per film; the exact one comes with the reading."""
    exact = finding.attribution
    assert exact is not None
    assert finding.model is not None
    # No model reads a compressed copy, so for one there is nothing else to display.
    if method == EXACT_METHOD or entry.compressed:
        return exact
    maps = state.maps.setdefault(entry.key, {})
    key = (finding.model, finding.finding, method)
    if key in maps:
        return maps[key]
    outputs = _find_features(state, entry)
    output = next((output for output in outputs if output.card == finding.card), None)
    if output is None:
        st.error(
            f"The version of {plain(finding.model)} that read this film is no longer active. Add the film again."
        )
        return exact
    try:
        maps[key] = cache.load_reader().explain(output, finding.finding, method)
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return exact
    return maps[key]


def _find_features(state: ReadPageState, entry: StudyEntry) -> tuple[ModelOutput, ...]:
    """What the models made of a film, with their features: from memory, or read again."""
    if entry.key not in state.outputs:
        with st.spinner("Making the heatmap …"), take_reading_turn():
            examination = cache.load_reader().examine(entry.data, entry.examination.adjustments)
        state.keep_outputs(entry.key, examination.outputs)
    return state.outputs[entry.key]
