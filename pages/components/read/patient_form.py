"""Asks for what a reading needs besides the film: the sidebar's settings, and the patient of each film."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

import streamlit as st

from pages.components import cache, session
from pages.components.decision_form import ask_decision, ask_prevalences
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.session import field_text, set_field_value

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.models.card import ModelCard
    from cxr_core.reading.patient import AgeGroup, Patient
    from cxr_core.reading.site_profile import SiteProfile

View = Literal["PA", "AP"]
VIEWS: tuple[View, ...] = ("PA", "AP")
VIEW_HELP = "PA: from back to front, usually standing. AP: from front to back, often in bed."
AGE_HELP = "Years, months or weeks: 57, 8 months, 3 weeks. Emptied, it is the file's own again."
SEXES = {"F": "female", "M": "male"}
OLDEST_YEARS = 120
AGE_FIELD_PX = 136


@dataclass(frozen=True, kw_only=True)
class SidebarAnswers:
    """What the user chose in the sidebar, and what the site has installed.

    age_years, view: of films that do not say them; None is unknown.
    """

    age_years: float | None
    view: View | None
    decision: str
    prevalence: Mapping[str, float] = field(default_factory=dict)
    site_profile: SiteProfile | None = None


def ask_settings(state: ReadPageState) -> SidebarAnswers:
    """The sidebar's form: the decision, the patient of films that say nothing, and the prevalence of each finding."""
    cards = _list_cards(state)
    decision = ask_decision(cards, state.widget_key("decision"))
    st.subheader("Missing patient details")
    with st.container(horizontal=True, gap="small"):
        age = st.number_input(
            "Age in years",
            min_value=0,
            max_value=120,
            value=None,
            step=1,
            placeholder="unknown",
            key=state.widget_key("age"),
            persist_state="session",
            help="Only for films whose file states no age. The age of a single film is entered beside the film.",
            width=AGE_FIELD_PX,
        )
        view = st.segmented_control(
            "View",
            VIEWS,
            key=state.widget_key("view"),
            persist_state="session",
            help=f"Only for films whose file states no view. {VIEW_HELP}",
        )
    # Before the first film nothing needs it, and the page is painted without numpy.
    site_profile = cache.load_site_profile() if state.entries else None
    prevalence = ask_prevalences(cards, state.widget_key("prevalence"), site_profile)
    names = ("age", "view", "decision", "decision-threshold")
    state.sidebar = session.keep_fields([*map(state.widget_key, names), session.PREVALENCES])
    return SidebarAnswers(
        age_years=None if age is None else float(age),
        view=view,
        decision=decision,
        prevalence=prevalence,
        site_profile=site_profile,
    )


def _list_cards(state: ReadPageState) -> list[ModelCard]:
    """The cards of the models that have read films of this study; none before the first film."""
    cards: dict[tuple[str, str], ModelCard] = {}
    for entry in state.entries.values():
        for output in entry.examination.outputs:
            cards.setdefault((output.card.model, output.card.version), output.card)
    return list(cards.values())


def patient_of(state: ReadPageState, entry: StudyEntry, answers: SidebarAnswers) -> Patient:
    """The patient to interpret a film with.

    Age and view are those that were entered for this film, else the file's own, else the sidebar's.
    """
    from cxr_core.reading.patient import Patient

    entered, stated = _entered_for(state, entry), _stated_in(entry)
    assumed = Patient(age_years=answers.age_years, view=answers.view)
    known = next((each for each in (entered, stated, assumed) if not each.is_age_unknown), assumed)
    return replace(known, view=entered.view or stated.view or assumed.view)


def show_film_patient(
    state: ReadPageState, entry: StudyEntry, patient: Patient, needs_age: bool
) -> None:
    """The patient of a film in a row, to be corrected there; asks for the age while a model waits for it."""
    film = entry.examination.film
    if film is None:
        return
    if needs_age:
        _ask_age(state, entry, patient)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _show_age_field(state, entry, patient)
        _show_view_field(state, entry, patient)
        remarks = list(_list_remarks(state, entry, patient))
        if film.sex is not None:
            remarks.insert(0, SEXES[film.sex])
        if remarks:
            st.caption(plain(" · ".join(remarks)), width="content")
    for conflict in list_conflicts(state, entry):
        st.markdown(f":small[:orange[{plain(conflict)}]]")


def list_conflicts(state: ReadPageState, entry: StudyEntry) -> Iterator[str]:
    """A sentence for each fact that was entered for a film and is not what its file states."""
    entered, stated = _entered_for(state, entry), _stated_in(entry)
    if stated.age_years is not None and not entered.is_age_unknown:
        youngest, oldest = entered.age_range
        # Ages are in completed years: 5 covers a child until its sixth birthday.
        if not youngest <= stated.age_years < oldest + 1:
            yield f"Entered: {entered.describe_age()}. The file states {stated.describe_age()}."
    if stated.view is not None and entered.view not in (None, stated.view):
        yield f"Entered: {entered.view}. The file states {stated.view}."


def _ask_age(state: ReadPageState, entry: StudyEntry, patient: Patient) -> None:
    """One click for the age group; the exact age where a group is not enough."""
    from cxr_core.reading.patient import Patient

    if not patient.is_age_unknown:
        st.markdown("**Enter the exact age:** a model is for a part of this age group.")
        return
    choices: tuple[tuple[str, AgeGroup], ...] = (
        ("Adult", "adult"),
        ("Child of 1 to 5", "child_1_to_5"),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(":blue[**How old is the patient?**]", width="content")
        for label, group in choices:
            st.button(
                label,
                key=state.widget_key(f"{group}-{entry.key}"),
                type="primary",
                on_click=_store_patient,
                args=(state, entry, Patient(age_group=group, view=_entered_for(state, entry).view)),
            )


def _show_age_field(state: ReadPageState, entry: StudyEntry, patient: Patient) -> None:
    key = state.widget_key(f"film-age-{entry.key}")
    set_field_value(key, "" if patient.is_age_unknown else patient.describe_age())
    st.text_input(
        "Age",
        key=key,
        placeholder="age, such as 57",
        label_visibility="collapsed",
        width=AGE_FIELD_PX,
        help=AGE_HELP,
        on_change=partial(_store_age, state, entry, key),
    )


def _show_view_field(state: ReadPageState, entry: StudyEntry, patient: Patient) -> None:
    key = state.widget_key(f"film-view-{entry.key}")
    set_field_value(key, patient.view if patient.view in VIEWS else None)
    st.segmented_control(
        "View",
        VIEWS,
        key=key,
        label_visibility="collapsed",
        on_change=partial(_store_view, state, entry, key),
    )


def _list_remarks(state: ReadPageState, entry: StudyEntry, patient: Patient) -> Iterator[str]:
    """Where age and view come from, unless from the file."""
    entered, stated = _entered_for(state, entry), _stated_in(entry)
    if patient.view is None:
        yield "view unknown"
    elif patient.view not in VIEWS:
        yield f"{patient.view.lower()} view"
    assumed = []
    if entered.is_age_unknown and stated.is_age_unknown and not patient.is_age_unknown:
        assumed.append("age")
    if entered.view is None and stated.view is None and patient.view is not None:
        assumed.append("view")
    if assumed:
        yield f"{' and '.join(assumed)} from the sidebar"


def _store_age(state: ReadPageState, entry: StudyEntry, key: str) -> None:
    """Keep the age that was entered; an emptied field goes back to the file's own."""
    text = field_text(key)
    entered = _entered_for(state, entry)
    age = _parse_age(text)
    if age is None:
        st.toast(f"Enter an age such as 57, 8 months or 3 weeks; found “{plain(text)}”.")
        return
    _store_patient(state, entry, replace(age, view=entered.view))


def _parse_age(text: str) -> Patient | None:
    """The age or age group that a text names; the patient of unknown age for an empty one, None for any other."""
    from cxr_core.film.vocabulary import parse_age
    from cxr_core.reading.patient import AGE_GROUP_NAMES, Patient

    if not text.strip():
        return Patient()
    for group, name in AGE_GROUP_NAMES.items():
        if text.strip().lower() == name:
            return Patient(age_group=group)
    years = parse_age(text)
    return None if years is None or not 0 <= years <= OLDEST_YEARS else Patient(age_years=years)


def _store_view(state: ReadPageState, entry: StudyEntry, key: str) -> None:
    """Keep the view that was chosen; without one it is the file's own again."""
    view = cast("View | None", field_text(key) or None)
    _store_patient(state, entry, replace(_entered_for(state, entry), view=view))


def _store_patient(state: ReadPageState, entry: StudyEntry, patient: Patient) -> None:
    state.patients[entry.key] = patient


def _entered_for(state: ReadPageState, entry: StudyEntry) -> Patient:
    from cxr_core.reading.patient import Patient

    return state.patients.get(entry.key, Patient())


def _stated_in(entry: StudyEntry) -> Patient:
    """What a film's own file states."""
    from cxr_core.reading.patient import Patient

    film = entry.examination.film
    return Patient() if film is None else Patient(age_years=film.age_years, view=film.view)
