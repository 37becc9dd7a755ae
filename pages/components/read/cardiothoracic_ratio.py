"""Shows the cardiothoracic ratio, and lets the reader move the endpoints of both diameters."""

from functools import partial

import streamlit as st

from cxr_core.access.audit import record_action
from cxr_core.findings import RATIO_LIMIT
from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    Measurement,
    describe_diameters,
    describe_ratio,
    suggest_diameters,
)
from cxr_core.reading.impression import name_limitations
from cxr_core.reading.interpret import recompute_with_edited_ratio, replace_diameters
from cxr_core.reading.results import Reading
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.session import field_value, moved_ends, set_field_value
from pages.components.viewer import Calipers

# Diameter and index of the endpoint.
ENDPOINTS = (("heart", 0), ("heart", 1), ("thorax", 0), ("thorax", 1))
# Of both endpoints: what is on the left of the picture is the patient's right, unless the film may be mirrored.
SIDES = ("patient's right", "patient's left")
PICTURE_SIDES = ("left of the picture", "right of the picture")
AXES = ("x", "y")
UPPER_LIMIT = f"upper limit {RATIO_LIMIT:.2f} (adult PA)"


def film_id(entry: StudyEntry) -> str:
    """Tells a film's picture and endpoints from another's, and from the same film before it was put right."""
    examination = entry.examination
    return ":".join([entry.key, examination.sha256, *examination.adjustments.describe()])


def has_mirrored_flag(entry: StudyEntry) -> bool:
    """Whether the film may be mirrored, so that the patient's sides are not known."""
    return any(concern.code == "mirrored" for concern in entry.examination.concerns)


def apply_edited_ends(state: ReadPageState, entry: StudyEntry, reading: Reading) -> Reading:
    """The reading of a film with the endpoints that the reader has set, if any, and what is to rest on them."""
    film = entry.examination.film
    if entry.key not in state.edited_ends or film is None:
        return reading
    edited = replace_diameters(reading, *state.edited_ends[entry.key], film.shape)
    if state.uses_edited_ratio.get(entry.key):
        return recompute_with_edited_ratio(edited, entry.examination)
    return edited


def make_calipers(
    state: ReadPageState, entry: StudyEntry, reading: Reading, viewer_key: str
) -> Calipers | None:
    """What the viewer draws of the measurement; None where nothing is measured."""
    anatomy, last_move = entry.examination.segmentation, moved_ends(viewer_key)
    if anatomy is None or not reading.measurements:
        return None
    (measurement,) = reading.measurements
    heart, thorax = _current_ends(entry, measurement)
    return Calipers(
        outlines={} if entry.key in state.feedback.hidden else anatomy.contours,
        heart=heart,
        thorax=thorax,
        measured=measurement.heart is not None,
        edited=measurement.edited,
        offered=entry.key in state.manual_requests,
        echo=last_move.serial if last_move else 0,
    )


def store_moved_ends(state: ReadPageState, viewer_key: str) -> None:
    """Keep the endpoints that were moved in the viewer, for the film on which they were moved."""
    last_move = moved_ends(viewer_key)
    if last_move is None:
        return
    for entry in state.entries.values():
        if film_id(entry) == last_move.film:
            _keep_edited_ends(state, entry, last_move.heart, last_move.thorax)


def _keep_edited_ends(state: ReadPageState, entry: StudyEntry, heart: Line, thorax: Line) -> None:
    state.edited_ends[entry.key] = (heart, thorax)
    record_action("edit of the heart's measurement", film=entry.examination.sha256)


def show_ratio(state: ReadPageState, reading: Reading) -> None:
    """The CTR with its interval, and what it disagrees with."""
    for measurement in reading.measurements:
        with st.container(gap=None, key=state.widget_key("heart")):
            st.markdown(_describe_measurement(measurement))
            if measurement.automatic is not None:
                st.caption(f"Automatic: {plain(describe_ratio(measurement.automatic))}")
            for sentence in measurement.disagreements:
                st.markdown(f":small[:orange[{plain(sentence)}]]")


def show_ratio_details(state: ReadPageState, entry: StudyEntry, reading: Reading) -> None:
    """Both diameters, what limits the CTR, and the endpoints as numbers."""
    for measurement in reading.measurements:
        with st.container(gap="xsmall", key=state.widget_key("ratio-details")):
            diameters = describe_diameters(measurement)
            if diameters is not None:
                st.markdown(f"**CTR**  \n:small[{plain(diameters)}]")
            if measurement.value is not None and measurement.reasons:
                with st.expander("Limitations of the CTR", type="compact"):
                    lines = [f":small[{plain(reason)}]" for reason in measurement.reasons]
                    st.markdown("  \n".join(lines))
            _offer_manual_measurement(state, entry, measurement)


def _describe_measurement(measurement: Measurement) -> str:
    badges = ":blue-badge[Edited by hand]" if measurement.edited else ""
    if measurement.value is None and not measurement.reasons:  # hidden until the reader asks for it
        return "**CTR** :gray[as you measure it]"
    if measurement.value is None:
        reasons = plain(" ".join(measurement.reasons))
        return f"**CTR** :orange-badge[Cannot be measured] {badges}  \n:small[{reasons}]"
    if not measurement.trusted:
        limitations = plain(", ".join(name_limitations(measurement)))
        badges += f" :yellow-badge[Interpret with caution: {limitations}]"
    notes = []
    if measurement.low is not None and measurement.high is not None:
        low, high = format_ratio(measurement.low), format_ratio(measurement.high)
        notes.append(f"95 % interval {low} to {high}")
    if CHILD not in measurement.reasons:
        notes.append(UPPER_LIMIT)
    value = f"**CTR** :primary[**{format_ratio(measurement.value)}**]"
    return f"{value} {badges}  \n:small[:gray[{' · '.join(notes)}]]"


def _offer_manual_measurement(
    state: ReadPageState, entry: StudyEntry, measurement: Measurement
) -> None:
    """Buttons and fields; the fields and the viewer's handles always have the same endpoints."""
    if measurement.edited:
        st.button(
            "Back to the automatic measurement",
            key=state.widget_key(f"automatic-{entry.key}"),
            icon=":material/undo:",
            type="tertiary",
            on_click=state.discard_edited_ends,
            args=(entry.key,),
        )
    elif entry.key in state.manual_requests:
        st.caption(
            "Drag the four endpoints on the film to the borders of the heart and of the rib cage, or enter them below."
        )
    elif measurement.heart is None:
        st.button(
            "Measure by hand",
            key=state.widget_key(f"by-hand-{entry.key}"),
            icon=":material/straighten:",
            help="Shows four endpoints on the film, to be dragged to the borders of the heart and of the rib cage.",
            on_click=state.manual_requests.add,
            args=(entry.key,),
        )
    # Drawn once it is opened: eight fields would cost every run of the page a quarter of its time.
    fields = st.expander(
        "Endpoint coordinates", key=state.widget_key("points"), type="compact", on_change="rerun"
    )
    if not fields.open:
        return
    with fields:
        st.caption(
            "In pixels of the film, from its upper left corner. The fields follow the handles on the film."
        )
        for endpoint in ENDPOINTS:
            with st.container(horizontal=True, gap="small"):
                for axis in range(len(AXES)):
                    _ask_coordinate(state, entry, measurement, endpoint, axis)


def _ask_coordinate(
    state: ReadPageState,
    entry: StudyEntry,
    measurement: Measurement,
    endpoint: tuple[str, int],
    axis: int,
) -> None:
    name, end = endpoint
    side = (PICTURE_SIDES if has_mirrored_flag(entry) else SIDES)[end]
    key = state.widget_key(f"point-{entry.key}-{name}-{end}-{AXES[axis]}")
    line = _line_of(_current_ends(entry, measurement), name)
    set_field_value(key, round(line[end][axis], 2))
    st.number_input(
        f"{name.capitalize()}, {side}, {AXES[axis]}",
        value=None,  # so that an emptied field is told from 0
        step=1.0,
        format="%.1f",
        key=key,
        on_change=partial(_set_coordinate, state, entry, measurement, key, endpoint, axis),
    )


def _set_coordinate(
    state: ReadPageState,
    entry: StudyEntry,
    measurement: Measurement,
    key: str,
    endpoint: tuple[str, int],
    axis: int,
) -> None:
    """Store the number that was entered as that coordinate; an emptied field changes nothing."""
    value = field_value(key)
    if value is None:
        return
    name, end = endpoint
    lines = dict(zip(("heart", "thorax"), _current_ends(entry, measurement), strict=True))
    points = [list(point) for point in lines[name]]
    points[end][axis] = value
    (x0, y0), (x1, y1) = points
    lines[name] = ((x0, y0), (x1, y1))
    _keep_edited_ends(state, entry, lines["heart"], lines["thorax"])


def _current_ends(entry: StudyEntry, measurement: Measurement) -> tuple[Line, Line]:
    """The endpoints of heart and thorax: as measured, or as suggested for a measurement by hand."""
    if measurement.heart is not None and measurement.thorax is not None:
        return measurement.heart, measurement.thorax
    film = entry.examination.film
    assert film is not None, "a film that has a measurement was decoded"
    return suggest_diameters(film.shape)


def _line_of(ends: tuple[Line, Line], name: str) -> Line:
    return ends[0] if name == "heart" else ends[1]
