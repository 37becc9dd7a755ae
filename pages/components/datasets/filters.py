"""The filter's fields: everything that a click on a chart can ask, and more, for keyboards too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from cxr_core.data.checks.issue import Issue
from cxr_core.data.selection import LABELS, FilmIndex, Selection
from cxr_core.findings import FINDINGS
from pages.components.session import Exploration

FIELD_PX = 165
ANY = "any"
COLUMNS = {"split": "Part", "view": "View", "sex": "Sex", "source": "Source", "status": "Status"}
OLDEST = 150


def ask_selection(exploration: Exploration, index: FilmIndex, issues: Sequence[Issue]) -> Selection:
    """The films asked for; the fields start from what the tab looks at."""
    start = exploration.selection or Selection()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        found = _ask_labels(exploration, index, start)
        for column, name in COLUMNS.items():
            levels = index.levels[column]
            if len(levels) > 1 or getattr(start, column) is not None:
                found = replace(
                    found, **{column: _one_of(exploration, name, levels, getattr(start, column))}
                )
        found = _ask_patient(exploration, found, start)
        concerned = [place for place, issue in enumerate(issues) if issue.images]
        if concerned:
            titles = {
                place: f"{issues[place].title} ({issues[place].count:,})" for place in concerned
            }
            found = replace(
                found,
                issue=_one_of(exploration, "Concerned by", concerned, start.issue, titles, 260),
            )
    return replace(found, films_min=start.films_min, films_max=start.films_max)


def _ask_labels(exploration: Exploration, index: FilmIndex, start: Selection) -> Selection:
    if not index.findings:
        return Selection()
    names = {key: FINDINGS[key].name for key in index.findings}
    finding = _one_of(exploration, "Finding", index.findings, start.finding, names)
    label = start.label
    if finding is not None:
        asked = st.selectbox(
            "Labelled",
            LABELS,
            index=LABELS.index(start.label),
            key=exploration.widget("label"),
            width=FIELD_PX,
        )
        label = asked or "positive"
    also = _one_of(exploration, "And also positive", index.findings, start.also, names)
    return Selection(finding=finding, label=label, also=also)


def _ask_patient(exploration: Exploration, found: Selection, start: Selection) -> Selection:
    unknown = st.checkbox(
        "Age unknown", value=start.age_unknown, key=exploration.widget("age-unknown")
    )
    if not unknown:
        low = _years(exploration, "Age from", start.age_min)
        high = _years(exploration, "Age to", start.age_max)
        found = replace(found, age_min=low, age_max=high)
    patient = st.text_input(
        "Patient",
        value=start.patient or "",
        key=exploration.widget("patient"),
        width=FIELD_PX,
        placeholder=ANY,
    )
    return replace(found, age_unknown=unknown, patient=patient.strip() or None)


def _years(exploration: Exploration, name: str, start: int | None) -> int | None:
    return st.number_input(
        name,
        min_value=0,
        max_value=OLDEST,
        value=start,
        step=1,
        key=exploration.widget(name),
        width=FIELD_PX,
        placeholder=ANY,
    )


def _one_of(
    exploration: Exploration,
    name: str,
    options: Sequence[Any],
    start: Any,
    names: dict[Any, str] | None = None,
    width: int = FIELD_PX,
) -> Any:
    """A field of one choice, or none."""
    return st.selectbox(
        name,
        options,
        index=list(options).index(start) if start in options else None,
        format_func=lambda each: (names or {}).get(each, str(each)),
        placeholder=ANY,
        key=exploration.widget(name),
        width=width,
    )
