"""The Evaluate page's evaluation, finding, view, tab and filters in its address, so that a link leads to the same.

An evaluation is named as in the workspace, never by a path of the server. Patients are not in the address, as it stays
in the browser's history.
"""

import math

import streamlit as st

from cxr_core.evaluation.charts.film_filter import OUTCOMES, FilmFilter
from pages.components.evaluation.page_state import FILMS_TAB, EvaluatePageState

EVALUATION, FINDING, VIEW, TAB = "evaluation", "finding", "view", "tab"
TEXTS = ("sex", "source")
SHARES = ("low", "high", "threshold")
AGES = ("age_min", "age_max")
FILTERS = ("outcome", "label", "films_view", *TEXTS, *SHARES, *AGES)
MAX_AGE = 150


def read_address(state: EvaluatePageState, tabs: tuple[str, ...]) -> None:
    """Take finding, view, tab and filters over from the address, the first time that this tab shows the page."""
    if state.has_read_address:
        return
    state.has_read_address = True
    address = st.query_params
    state.finding = address.get(FINDING, state.finding)
    state.view = address.get(VIEW, state.view)
    wanted = address.get(TAB, "")
    tab = next((name for name in tabs if _slug(name) == wanted), None)
    if tab is not None:
        state.switch_tab(tab)
    if tab == FILMS_TAB and any(name in address for name in FILTERS):
        state.film_filter = _parse_filter()


def write_address(state: EvaluatePageState, evaluation: str) -> None:
    """Name what is shown in the address; filters only on the tab that they belong to."""
    wanted = {
        EVALUATION: evaluation,
        FINDING: state.finding or "",
        VIEW: state.view or "",
        TAB: _slug(state.tab),
    }
    film_filter = state.film_filter if state.tab == FILMS_TAB else None
    wanted |= dict.fromkeys(FILTERS, "") | _format_filter(film_filter or FilmFilter())
    for name, value in wanted.items():
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value and name in st.query_params:
            del st.query_params[name]


def _format_filter(film_filter: FilmFilter) -> dict[str, str]:
    wanted = {
        "outcome": film_filter.outcome or "",
        "label": "" if film_filter.label is None else str(film_filter.label),
        "films_view": film_filter.view or "",
    }
    for name in TEXTS:
        value = getattr(film_filter, name) or ""
        wanted[name] = "" if "/" in value else value  # a source may be named by its folder
    for name in (*SHARES, *AGES):
        value = getattr(film_filter, name)
        wanted[name] = "" if value is None else f"{value:.6g}"
    return wanted


def _parse_filter() -> FilmFilter:
    address = st.query_params
    label = address.get("label")
    return FilmFilter(
        outcome=next((name for name in OUTCOMES if name == address.get("outcome")), None),
        label=int(label) if label in ("0", "1") else None,
        view=address.get("films_view"),
        sex=address.get("sex"),
        source=address.get("source"),
        low=_parse_number("low", 1),
        high=_parse_number("high", 1),
        threshold=_parse_number("threshold", 2),
        age_min=_parse_number("age_min", MAX_AGE),
        age_max=_parse_number("age_max", MAX_AGE),
    )


def _parse_number(name: str, maximum: float) -> float | None:
    """A number of the address from 0 to `maximum`; None for anything else."""
    try:
        value = float(st.query_params.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= maximum else None


def _slug(tab: str) -> str:
    return tab.lower().replace(" ", "-")
