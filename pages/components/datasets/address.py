"""The Data page's tab and filters in its address, so that a link leads to the same films.

Films are named by what the tables say of them. Neither a path nor a patient's number is ever in the address, as it
stays in the browser's history.
"""

from dataclasses import replace

import streamlit as st

from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.selection import EVERY_FILM, LABELS, LEVEL_COLUMNS, FilmIndex, Selection
from pages.components.datasets.page_state import DataPageState

TAB = "tab"
RANGES = {"age": ("age_min", "age_max"), "films": ("films_min", "films_max")}
FILTERS = ("finding", "label", "also", *LEVEL_COLUMNS, *RANGES, "issue")
OLDEST_YEARS, MOST_FILMS = 150, 10**6


def read_tab(state: DataPageState, views: tuple[str, ...]) -> None:
    """Open the tab that the address names, the first time that this browser tab shows the page."""
    wanted = st.query_params.get(TAB, "")
    if not state.has_read_address:
        state.tab = next((view for view in views if view.lower() == wanted), state.tab)


def write_tab(state: DataPageState) -> None:
    """Name the open tab in the address."""
    if st.query_params.get(TAB) != state.tab.lower():
        st.query_params[TAB] = state.tab.lower()


def read_filters(state: DataPageState, index: FilmIndex) -> None:
    """Take the filters over from the address, once; what the dataset does not have is left out."""
    if state.has_read_address:
        return
    state.has_read_address = True
    if any(name in st.query_params for name in FILTERS):
        state.select_films(_parse_filters(index))


def write_filters(selection: Selection) -> None:
    """Put the filters into the address."""
    wanted = _format_filters(selection)
    for name in FILTERS:
        values = wanted.get(name, [])
        if st.query_params.get_all(name) != values:
            if values:
                st.query_params[name] = values
            else:
                del st.query_params[name]


def clear_filters() -> None:
    """Take the filters out of the address: for another dataset or another tab."""
    write_filters(EVERY_FILM)


def _format_filters(selection: Selection) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    if selection.finding:
        wanted["finding"] = [selection.finding]
        wanted["label"] = [selection.label] if selection.label != "positive" else []
    if selection.also:
        wanted["also"] = [selection.also]
    for column in LEVEL_COLUMNS:
        # A source may be named by its folder, of which the address says nothing.
        wanted[column] = [level for level in getattr(selection, column) if "/" not in level]
    for name, (low, high) in RANGES.items():
        ends = [getattr(selection, low), getattr(selection, high)]
        if ends != [None, None]:
            wanted[name] = ["-".join("" if end is None else str(end) for end in ends)]
    if selection.age_unknown:
        wanted["age"] = ["unknown"]
    if selection.issue:
        wanted["issue"] = [selection.issue]
    return wanted


def _parse_filters(index: FilmIndex) -> Selection:
    address = st.query_params
    selection = EVERY_FILM
    if address.get("finding") in index.findings:
        label = next((label for label in LABELS if label == address.get("label")), "positive")
        selection = selection.with_values(finding=address["finding"], label=label)
    if address.get("also") in index.findings:
        selection = replace(selection, also=address["also"])
    for column in LEVEL_COLUMNS:
        levels = [level for level in index.levels[column] if level in address.get_all(column)]
        selection = selection.with_values(**{column: tuple(levels)})
    if address.get("age") == "unknown":
        selection = replace(selection, age_unknown=True)
    for (name, ends), limit in zip(RANGES.items(), (OLDEST_YEARS, MOST_FILMS), strict=True):
        first, _, last = address.get(name, "").partition("-")
        for end, text in zip(ends, (first, last), strict=True):
            if text.isascii() and text.isdigit() and len(text) <= len(str(limit)):
                selection = selection.with_values(**{end: min(int(text), limit)})
    if address.get("issue") in ISSUES:
        selection = replace(selection, issue=address["issue"])
    return selection
