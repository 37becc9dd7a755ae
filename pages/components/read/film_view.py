"""One film of the study on the screen: its facts, its picture in the viewer, its maps."""

from functools import partial

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.film.radiograph import Radiograph
from cxr_core.presentation.wording import finding_name, format_percent
from cxr_core.reading.heatmap_notes import heat_words, points_elsewhere
from cxr_core.reading.methods import EXACT, METHODS
from cxr_core.reading.results import Attribution, Examination, FindingReading, Reading
from pages.components import cache
from pages.components.markdown import plain
from pages.components.read.cardiothoracic_ratio import calipers_of, film_id, take_moved
from pages.components.session import Entry, Shown, Study, chosen_method
from pages.components.viewer import Layer, picture_of, show_film

CONTAINERS = {"png": "PNG", "jpeg": "JPEG", "dicom": "DICOM", "drawing": "Drawing"}


def open_film(study: Study, key: str, examination: Examination) -> Shown | None:
    """Keep an examination just made, pixels and all, for being shown; None when the file did not decode."""
    if examination.film is None:
        return None
    shown = Shown(examination=examination, picture=picture_of(examination.film))
    study.keep_shown(key, shown)
    return shown


def bring_up(study: Study, entry: Entry) -> Shown | None:
    """The entry with its pixels, from memory or read again from its file; None when it did not decode."""
    if entry.examination.film is None:
        return None
    shown = study.shown.get(entry.key)
    if shown is None:
        with st.spinner("Opening the film …"):
            return open_film(study, entry.key, cache.reader().examine(entry.data))
    study.keep_shown(entry.key, shown)
    return shown


def show_facts(study: Study, entry: Entry, reading: Reading) -> None:
    """The file's name, as plain text, what is known of the film and its patient, and the way to be rid of it."""
    with st.container(gap=None):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.text(entry.name, width="stretch")
            st.button(
                "Remove",
                key=study.widget(f"remove-{entry.key}"),
                type="tertiary",
                icon=":material/close:",
                help="Take this film out of the study and out of memory.",
                on_click=study.forget,
                args=({entry.key},),
            )
        film = entry.examination.film
        if film is not None:
            st.caption(" · ".join(plain(fact) for fact in _facts(film, reading)))
            if entry.compressed:
                st.caption(
                    "Shown from a compressed copy, since this study is large; it was read from the file itself."
                )


def _facts(film: Radiograph, reading: Reading) -> list[str]:
    patient = reading.patient
    age = "age unknown" if patient.age_years is None else f"{patient.age_years:g} years"
    view = "view unknown" if patient.view is None else f"{patient.view} view"
    size = f"{film.shape[1]} × {film.shape[0]} px"
    if film.spacing_mm is not None:
        size += f" of {film.spacing_mm[1]:.3g} mm"
    return [CONTAINERS[film.container], size, age, view]


def view_film(study: Study, entry: Entry, shown: Shown | None, reading: Reading) -> None:
    """The film in the viewer, with a map for each finding that has one, and the heart's outlines and diameters."""
    film = shown.examination.film if shown else None
    if shown is None or film is None:
        st.caption("There is no picture to show of this file.")
        return
    key = study.widget("viewer")
    method = chosen_method(key, EXACT)
    mapped = [finding for finding in reading.findings if finding.evidence]
    foremost = next(
        (finding for finding in mapped if finding.call == "present"), mapped[0] if mapped else None
    )
    if foremost and foremost.card and points_elsewhere(foremost.card, foremost.finding):
        foremost = None  # it can be asked for, and is then explained
    show_film(
        film=film,
        film_id=film_id(entry),
        picture=shown.picture,
        layers=[
            _layer(finding, mapped, _evidence(entry, shown, finding, method)) for finding in mapped
        ],
        first=_layer_key(foremost) if foremost else None,
        methods=METHODS,
        drawn=entry.drawn,
        calipers=calipers_of(study, entry, reading, key),
        on_ends=partial(take_moved, study, key),
        key=key,
    )
    for finding in mapped:
        words = heat_words(finding.card, finding.finding) if finding.card else None
        if words:
            hidden = "" if foremost else ", shown when you choose it"
            st.caption(
                plain(f"Heatmap of {finding_name(finding.finding).lower()}{hidden}: {words}")
            )


def _layer(finding: FindingReading, mapped: list[FindingReading], evidence: Attribution) -> Layer:
    name = finding_name(finding.finding)
    alone = sum(other.finding == finding.finding for other in mapped) == 1
    return Layer(
        key=_layer_key(finding),
        label=name if alone else f"{name}, {finding.population}",
        note=f"{name}, {format_percent(finding.probability or 0)}: {finding.model} for {finding.population}",
        evidence=evidence,
    )


def _layer_key(finding: FindingReading) -> str:
    return f"{finding.model}/{finding.finding}"


def _evidence(entry: Entry, shown: Shown, finding: FindingReading, method: str) -> Attribution:
    """The map by the chosen method, made once per film; the exact one comes with the reading."""
    exact = finding.evidence
    assert exact is not None
    assert finding.model is not None
    if method == EXACT:
        return exact
    key = (finding.model, finding.finding, method)
    if key not in shown.maps:
        output = next((o for o in shown.examination.outputs if o.card == finding.card), None)
        if output is None:
            if (
                not entry.compressed
            ):  # of a compressed copy, which no model would read, nothing else can be shown
                st.error(
                    f"{plain(finding.model)} is no longer in use as it read this film; add the film again."
                )
            return exact
        try:
            shown.maps[key] = cache.reader().explain(output, finding.finding, method)
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return exact
    return shown.maps[key]
