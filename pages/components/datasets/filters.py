"""The filters in words, each removable, and as fields: everything that a click on a chart can select, and more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from cxr_core.data.checks.issue import Issue
from cxr_core.data.selection import EVERY_FILM, LABELS, FilmIndex, Selection
from cxr_core.presentation.wording import finding_name
from pages.components.datasets.page_state import DataPageState
from pages.components.markdown import plain

FIELD_PX = 165
WIDE_FIELD_PX = 260
ANY = "any"
COLUMNS = {
    "split": "Split",
    "view": "View",
    "sex": "Sex",
    "source": "Source",
    "size": "Longer side",
    "status": "Status",
}
OLDEST_YEARS = 150

Option = TypeVar("Option", str, int)


def show_chips(state: DataPageState, selection: Selection) -> None:
    """A button for each filter, which removes it; one for all of them."""
    phrases = selection.describe()
    if not phrases:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("**Filters**", width="content")
        for dimension, phrase in phrases.items():
            st.button(
                plain(phrase),
                key=f"chip-{dimension}",
                icon=":material/close:",
                help="Remove this filter",
                on_click=lambda dimension: state.select_films(selection.without(dimension)),
                args=(dimension,),
            )
        if len(phrases) > 1:
            st.button(
                "Clear all",
                key="chip-all",
                type="tertiary",
                on_click=state.select_films,
                args=(None,),
            )


def ask_selection(state: DataPageState, index: FilmIndex, issues: Sequence[Issue]) -> Selection:
    """The films to show; the fields start from what the tab shows already."""
    start = state.selection or EVERY_FILM
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        selection = _ask_labels(state, index, start)
        for column, name in COLUMNS.items():
            levels, chosen = index.levels[column], getattr(start, column)
            if len(levels) > 1 or chosen:
                picked = st.multiselect(
                    name,
                    list(dict.fromkeys([*levels, *chosen])),
                    default=list(chosen),
                    key=state.widget_key(f"filter-{column}"),
                    width=WIDE_FIELD_PX if column == "source" else FIELD_PX,
                    placeholder=ANY,
                )
                selection = selection.with_values(**{column: tuple(picked)})
        selection = _ask_patient(state, selection, start)
        selection = _ask_issue(state, selection, start, issues)
    return replace(selection, films_min=start.films_min, films_max=start.films_max)


def _ask_labels(state: DataPageState, index: FilmIndex, start: Selection) -> Selection:
    if not index.findings:
        return EVERY_FILM
    names = {finding: finding_name(finding) for finding in index.findings}
    finding = _ask_option(state, "Finding", index.findings, start.finding, names)
    label = start.label
    if finding is not None:
        label = st.selectbox(
            "Labelled",
            LABELS,
            index=LABELS.index(start.label),
            key=state.widget_key("label"),
            width=FIELD_PX,
        )
    also = _ask_option(state, "And also positive", index.findings, start.also, names)
    return Selection(finding=finding, label=label or "positive", also=also)


def _ask_patient(state: DataPageState, selection: Selection, start: Selection) -> Selection:
    age_unknown = st.checkbox(
        "Age unknown", value=start.age_unknown, key=state.widget_key("age-unknown")
    )
    if not age_unknown:
        low = _ask_age(state, "Age from", start.age_min)
        high = _ask_age(state, "Age to", start.age_max)
        selection = replace(selection, age_min=low, age_max=high)
    patient = st.text_input(
        "Patient",
        value=start.patient or "",
        key=state.widget_key("patient"),
        width=FIELD_PX,
        placeholder=ANY,
    )
    return replace(selection, age_unknown=age_unknown, patient=patient.strip() or None)


def _ask_issue(
    state: DataPageState, selection: Selection, start: Selection, issues: Sequence[Issue]
) -> Selection:
    titles = {issue.code: f"{issue.title} ({issue.count:,})" for issue in issues if issue.images}
    if not titles:
        return selection
    issue = _ask_option(
        state, "Named by the issue", list(titles), start.issue, titles, WIDE_FIELD_PX
    )
    return replace(selection, issue=issue)


def _ask_age(state: DataPageState, name: str, start: int | None) -> int | None:
    return st.number_input(
        name,
        min_value=0,
        max_value=OLDEST_YEARS,
        value=start,
        step=1,
        key=state.widget_key(name),
        width=FIELD_PX,
        placeholder=ANY,
    )


def _ask_option(
    state: DataPageState,
    name: str,
    options: Sequence[Option],
    start: Option | None,
    names: Mapping[Option, str] | None = None,
    width: int = FIELD_PX,
) -> Option | None:
    """A field for one of the options, or none."""
    labels = names or {}
    return st.selectbox(
        name,
        options,
        index=None if start is None or start not in options else list(options).index(start),
        format_func=lambda option: labels.get(option, str(option)),
        placeholder=ANY,
        key=state.widget_key(name),
        width=width,
    )
