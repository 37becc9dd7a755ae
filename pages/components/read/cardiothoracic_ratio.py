"""The heart's width: the ratio beside the findings, the ends in the viewer, and how a hand changes them."""

from functools import partial

import streamlit as st

from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.ratio import ENLARGED, Measurement, suggested
from cxr_core.reading.cardiothoracic.ratio_wording import diameter_words, ratio_text, ratio_words
from cxr_core.reading.results import Reading
from pages.components.markdown import plain
from pages.components.session import Entry, Study, field_value, fill_field, moved_ends
from pages.components.viewer import Calipers

POINTS = (
    ("heart", 0, "left"),
    ("heart", 1, "right"),
    ("thorax", 0, "left"),
    ("thorax", 1, "right"),
)
AXES = ("x", "y")


def film_id(entry: Entry) -> str:
    """What tells a film's picture and ends from another's."""
    return f"{entry.key}:{entry.examination.sha256}"


def with_edits(study: Study, entry: Entry, reading: Reading) -> Reading:
    """The reading of a film with the ends that a hand has set on it, if one has."""
    film = entry.examination.film
    if entry.key not in study.ends or film is None:
        return reading
    return reading.with_ends(*study.ends[entry.key], film.shape)


def calipers_of(study: Study, entry: Entry, reading: Reading, viewer_key: str) -> Calipers | None:
    """What the viewer draws of the measurement; None where nothing is measured."""
    anatomy, moved = entry.examination.anatomy, moved_ends(viewer_key)
    if anatomy is None or not reading.measurements:
        return None
    (measured,) = reading.measurements
    heart, thorax = _ends(entry, measured)
    return Calipers(
        outlines=anatomy.outlines,
        heart=heart,
        thorax=thorax,
        placed=measured.heart is not None,
        edited=measured.edited,
        offered=entry.key in study.by_hand,
        echo=moved.serial if moved else 0,
    )


def take_moved(study: Study, viewer_key: str) -> None:
    """Keep the ends that were moved in the viewer, for the film that they were moved on."""
    moved = moved_ends(viewer_key)
    entry = next((e for e in study.entries.values() if moved and film_id(e) == moved.film), None)
    if moved and entry:
        study.ends[entry.key] = (moved.heart, moved.thorax)


def show_heart(study: Study, entry: Entry, reading: Reading) -> None:
    """A card for the measurement: the ratio, what it rests on, what speaks against it, and the ends as numbers."""
    for measured in reading.measurements:
        with st.container(border=True, gap="small", key=study.widget("heart")):
            _show_ratio(measured)
            for sentence in reading.disagreements(measured):
                st.warning(plain(sentence), icon=":material/compare_arrows:")
            _show_reasons(measured)
            _offer_hand(study, entry, measured)


def _show_ratio(measured: Measurement) -> None:
    badges = ":blue-badge[Edited by hand]" if measured.edited else ""
    if measured.value is None:
        st.markdown(f"**Cardiothoracic ratio** {badges}")
        why = " ".join(measured.reasons)
        st.warning(f"**Cannot be measured:** {plain(why)}", icon=":material/straighten:")
    else:
        if not measured.trusted:
            badges += " :orange-badge[Doubtful]"
        interval = ""
        if measured.low is not None and measured.high is not None:
            interval = f"95 % interval {ratio_text(measured.low)} to {ratio_text(measured.high)} · "
        st.markdown(
            f"**Cardiothoracic ratio** :primary[**{ratio_text(measured.value)}**] {badges}  \n"
            f":small[:gray[{interval}limit {ENLARGED} · {plain(diameter_words(measured) or '')}]]"
        )
    if measured.automatic is not None:
        st.caption(f"Automatic: {plain(ratio_words(measured.automatic))}")


def _show_reasons(measured: Measurement) -> None:
    if measured.value is not None and measured.reasons:
        st.caption("  \n".join(plain(reason) for reason in measured.reasons))


def _offer_hand(study: Study, entry: Entry, measured: Measurement) -> None:
    """Buttons and fields; the fields and the viewer's handles always have the same ends."""
    if measured.edited:
        st.button(
            "Back to the automatic measurement",
            key=study.widget(f"automatic-{entry.key}"),
            icon=":material/undo:",
            type="tertiary",
            on_click=study.undo_ends,
            args=(entry.key,),
        )
    elif entry.key in study.by_hand:
        st.caption(
            "Drag the four ends on the film to the borders of heart and lungs, or enter them below."
        )
    elif measured.heart is None:
        st.button(
            "Measure by hand",
            key=study.widget(f"by-hand-{entry.key}"),
            icon=":material/straighten:",
            help="Shows four ends on the film, to be dragged to the borders of heart and lungs.",
            on_click=study.by_hand.add,
            args=(entry.key,),
        )
    with st.expander("Exact points", key=study.widget("points")):
        st.caption(
            "Ends in film pixels (x, y), left and right on the picture. They follow the handles on the film."
        )
        for name, end, side in POINTS:
            with st.container(horizontal=True, gap="small"):
                for axis, axis_name in enumerate(AXES):
                    key = study.widget(f"point-{entry.key}-{name}-{end}-{axis_name}")
                    fill_field(key, round(_of(_ends(entry, measured), name)[end][axis], 2))
                    st.number_input(
                        f"{name.capitalize()}, {side}, {axis_name}",
                        value=None,  # so that an emptied field is known from 0
                        step=1.0,
                        format="%.1f",
                        key=key,
                        on_change=partial(
                            _take_field, study, entry, measured, key, name, end, axis
                        ),
                    )


def _take_field(
    study: Study, entry: Entry, measured: Measurement, key: str, name: str, end: int, axis: int
) -> None:
    """Put the number that was entered in the place of that coordinate; an emptied field changes nothing."""
    value = field_value(key)
    if value is None:
        return
    lines = dict(zip(("heart", "thorax"), _ends(entry, measured), strict=True))
    points = [list(point) for point in lines[name]]
    points[end][axis] = value
    (x0, y0), (x1, y1) = points
    lines[name] = ((x0, y0), (x1, y1))
    study.ends[entry.key] = (lines["heart"], lines["thorax"])


def _ends(entry: Entry, measured: Measurement) -> tuple[Line, Line]:
    """Of heart and thorax: as measured, or where a hand may begin."""
    if measured.heart is not None and measured.thorax is not None:
        return measured.heart, measured.thorax
    film = entry.examination.film
    assert film is not None, "a film that has a measurement was decoded"
    return suggested(film.shape)


def _of(ends: tuple[Line, Line], name: str) -> Line:
    return ends[0] if name == "heart" else ends[1]
