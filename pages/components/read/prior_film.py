"""Sets a prior film beside the displayed one: both in linked viewers, and what has changed from one to the other."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import streamlit as st

from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.report.measurement import list_prior_limitations
from cxr_core.reading.report.page import find_verdict
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import Reading
from pages.components.markdown import plain
from pages.components.read.film_view import show_film_viewer
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.read.patient_form import show_film_patient
from pages.components.read.report_downloads import build_report
from pages.components.session import field_text, set_field_value
from pages.components.viewer import Marking

CHOICE_PX = 260


def find_prior(state: ReadPageState, entry: StudyEntry) -> StudyEntry | None:
    """The film to compare a film with; None where none is chosen, or the film itself."""
    return None if state.prior_key == entry.key else state.entries.get(state.prior_key or "")


def defer_prior_report(
    state: ReadPageState, entry: StudyEntry, readings: Mapping[str, Reading]
) -> Callable[[], Report] | None:
    """What makes the report of the prior film; None without one."""
    prior = find_prior(state, entry)
    return partial(build_report, prior, readings[prior.key]) if prior else None


def show_film_and_prior(
    state: ReadPageState,
    entry: StudyEntry,
    readings: Mapping[str, Reading],
    find_marking: Callable[[str], Marking | None] | None = None,
) -> None:
    """A film in the viewer; where a prior one is chosen it stands at the left, and above both what has changed.

    find_marking: what the viewer with a key marks on the film.
    """
    prior, reading = find_prior(state, entry), readings[entry.key]
    above = st.container(gap="small")
    with st.container(horizontal=True, gap="small", key="films"):
        left, right = st.container(key="prior-film"), st.container(key="current-film")
    with above:
        if len(state.entries) > 1:
            _offer_prior(state, entry, prior)
        if prior is not None:
            _show_changes((prior, readings[prior.key]), (entry, reading))
    link = state.widget_key("comparison") if prior else None
    with right:
        if prior is not None:
            st.text(f"Current: {entry.name}")
        show_film_viewer(state, entry, reading, link=link, find_marking=find_marking)
    if prior is not None:
        with left:
            _show_prior(state, prior, readings[prior.key], link)


def _offer_prior(state: ReadPageState, entry: StudyEntry, prior: StudyEntry | None) -> None:
    """A list of the study's other films; while one is chosen, buttons that swap the two and end the comparison."""
    key = state.widget_key("prior")
    others = [other for other in state.entries if other != entry.key]
    set_field_value(key, prior.key if prior else None)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Prior film",
            others,
            index=None,
            key=key,
            format_func=lambda other: state.entries[other].name,
            placeholder="Compare with a prior film",
            label_visibility="collapsed",
            width=CHOICE_PX,
            on_change=partial(_store_prior, state, key),
        )
        if prior is not None:
            st.button(
                "Swap",
                key=state.widget_key("swap-prior"),
                icon=":material/swap_horiz:",
                help="The prior film becomes the current one.",
                on_click=state.swap_with_prior,
            )
            st.button(
                "Stop comparing",
                key=state.widget_key("stop-comparing"),
                icon=":material/close:",
                type="tertiary",
                on_click=state.compare_with,
                args=(None,),
            )


def _store_prior(state: ReadPageState, key: str) -> None:
    state.compare_with(field_text(key) or None)


def _show_prior(
    state: ReadPageState, prior: StudyEntry, reading: Reading, link: str | None
) -> None:
    """The prior film with its patient, whose age its verdicts may wait for."""
    st.text(f"Prior: {prior.name}")
    show_film_viewer(state, prior, reading, name="prior-viewer", link=link)
    if reading.status == "refused":
        st.caption(f"Not read: {plain(reading.reason or '')}")
    needs_age = any(finding.needs_age for finding in reading.findings)
    show_film_patient(state, prior, reading.patient, needs_age)


def _show_changes(prior: tuple[StudyEntry, Reading], current: tuple[StudyEntry, Reading]) -> None:
    """A line with CTR and verdicts of both films; below it what speaks against comparing them."""
    changes = [
        f"**{plain(name)}** {plain(change)}" for name, change in list_changes(prior[1], current[1])
    ]
    with st.container(gap="xsmall", key="changes"):
        st.markdown(" &ensp; ".join(changes))
        for doubt in list_doubts(prior, current):
            st.markdown(f":small[:orange[{plain(doubt)}]]")


def list_changes(prior: Reading, current: Reading) -> Iterator[tuple[str, str]]:
    """CTR, and each finding that was assessed on one of the films, with their values on the prior and current film."""
    yield "CTR", _describe_ratios(prior, current)
    for finding in current.findings or prior.findings:
        verdicts = [find_verdict(finding, reading).lower() for reading in (prior, current)]
        if set(verdicts) != {"not assessed"}:
            yield finding.name, " → ".join(verdicts)


def _describe_ratios(prior: Reading, current: Reading) -> str:
    measured = [
        next((m for m in reading.measurements if m.value is not None), None)
        for reading in (prior, current)
    ]
    before, now = measured
    change = compare_ratios(before, now) if before and now else None
    if change is not None:
        return change.describe()
    values = [m.value if m else None for m in measured]
    return " → ".join("not measured" if v is None else format_ratio(v) for v in values)


def list_doubts(
    prior: tuple[StudyEntry, Reading], current: tuple[StudyEntry, Reading]
) -> Iterator[str]:
    """Sentences on what speaks against taking one film for the prior film of the other."""
    (earlier, before), (later, now) = prior, current
    if earlier.examination.sha256 == later.examination.sha256:
        yield "Both are the same file."
    age, later_age = before.patient.age_years, now.patient.age_years
    if age is not None and later_age is not None and age > later_age:
        yield "The patient is older on the prior film. Are the two swapped?"
    films = (earlier.examination.film, later.examination.film)
    sexes = {film.sex for film in films if film is not None and film.sex is not None}
    if len(sexes) > 1:
        yield "The files state different sexes. Are both films of one patient?"
    yield from list_prior_limitations(now, before)
