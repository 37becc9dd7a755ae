"""The only module that uses `st.session_state`: the pages' states, and the values that components sent.

Each page's state is a class of its own in that page's package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from cxr_core.access.actor import current_actor
from pages.components import cache
from pages.components.datasets.page_state import DataPageState
from pages.components.models.page_state import ModelsPageState
from pages.components.read.page_state import ReadPageState
from pages.components.review.page_state import ReviewPageState
from pages.components.site.page_state import SitePageState
from pages.components.streamlit_internals import current_session_id
from pages.components.training.page_state import TrainPageState

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.reading.cardiothoracic.contours import Line
    from pages.components.evaluation.page_state import EvaluatePageState

State = TypeVar("State")
PREVALENCES = "prevalences"  # the key of those that the user chose


def read_page_state() -> ReadPageState:
    """This tab's study, empty at first; after the tab was closed it is kept for a while, for a reload."""
    state = _get_or_create("read_page", ReadPageState)
    if not state.study_token:
        state.study_token = cache.kept_studies().add(
            current_session_id(), state, current_actor().name
        )
    cache.leave_studies_at_end()
    return state


def claimed_token(component_key: str) -> str | None:
    """The token of an earlier study that the browser sent; None when it sent none."""
    return sent_text(component_key, "claimed") or None


def adopt_study(token: str) -> bool:
    """Go on with the study of this token and its sidebar; False when it is gone, or open in another tab.

    Called before the sidebar is drawn.
    """
    study = cache.kept_studies().claim(token, current_session_id(), current_actor().name)
    if study is not None:
        st.session_state["read_page"] = study
        st.session_state.update(study.sidebar)
    return study is not None


def forget_widget(key: str) -> None:
    """Drop what a widget holds before Streamlit does, at the end of the run."""
    st.session_state.pop(key, None)


def data_page_state() -> DataPageState:
    """What this tab shows on the Data page."""
    return _get_or_create("data_page", DataPageState)


def train_page_state() -> TrainPageState:
    """What this tab shows on the Train page."""
    return _get_or_create("train_page", TrainPageState)


def evaluate_page_state() -> EvaluatePageState:
    """What this tab shows on the Evaluate page."""
    from pages.components.evaluation.page_state import EvaluatePageState

    return _get_or_create("evaluate_page", EvaluatePageState)


def models_page_state() -> ModelsPageState:
    """What this tab did last on the Models page."""
    return _get_or_create("models_page", ModelsPageState)


def review_page_state() -> ReviewPageState:
    """What this tab shows on the Review page."""
    return _get_or_create("review_page", ReviewPageState)


def site_page_state() -> SitePageState:
    """What this tab shows on the Site page."""
    return _get_or_create("site_page", SitePageState)


def _get_or_create(key: str, create: Callable[[], State]) -> State:
    if key not in st.session_state:
        st.session_state[key] = create()
    state: State = st.session_state[key]
    return state


@dataclass(frozen=True, kw_only=True)
class SentSelection:
    """The rows that are selected in a table, as the browser sent them last. serial: grows with each click."""

    serial: int = 0
    ids: tuple[str, ...] = ()


def sent_selection(table_key: str) -> SentSelection:
    """The last selection of a table; with serial 0 when there was no click, or the browser sent no selection."""
    sent = (st.session_state.get(table_key) or {}).get("selection")
    if not isinstance(sent, Mapping) or not isinstance(sent.get("serial"), int):
        return SentSelection()
    ids = sent.get("ids") or ()
    if not isinstance(ids, Sequence) or not all(isinstance(each, str) for each in ids):
        return SentSelection()
    return SentSelection(serial=sent["serial"], ids=tuple(ids))


def clicked_point(chart_key: str) -> tuple[int, int] | None:
    """The trace and the point in it that are selected in a chart; None when none is."""
    points = selected_points(chart_key)
    return points[-1] if points else None


def selected_points(chart_key: str) -> tuple[tuple[int, int], ...]:
    """The trace and the place in it of each point that is selected in a chart."""
    points = _selection_of(chart_key).get("points") or []
    return tuple(
        (int(point.get("curve_number", -1)), int(point.get("point_index", -1))) for point in points
    )


def _selection_of(key: str) -> Mapping[str, Any]:
    selection: Mapping[str, Any] = (st.session_state.get(key) or {}).get("selection") or {}
    return selection


def clicked_picture(gallery_key: str, action: Literal["opened", "picked"]) -> int | None:
    """The position of the film that was just opened or picked in a gallery."""
    position = (st.session_state.get(gallery_key) or {}).get(action)
    return position if isinstance(position, int) else None


def sent_text(component_key: str, name: str) -> str:
    """The text that a component sent under a name; empty when it sent none."""
    text = (st.session_state.get(component_key) or {}).get(name)
    return text if isinstance(text, str) else ""


def chosen_method(viewer_key: str, default: str) -> str:
    """The heatmap method that was chosen in the viewer with that key."""
    state = st.session_state.get(viewer_key) or {}
    method: str = state.get("method") or default
    return method


@dataclass(frozen=True, kw_only=True)
class MovedEnds:
    """The endpoints of both diameters, as the viewer sent them last. Points are (x, y) in film pixels.

    film: the film id that the viewer was given.  serial: grows with each move.
    """

    film: str
    serial: int
    heart: Line
    thorax: Line


def moved_ends(viewer_key: str) -> MovedEnds | None:
    """The endpoints that were moved last in a viewer; None when none were, or when the browser sent no valid points."""
    sent = (st.session_state.get(viewer_key) or {}).get("ends")
    if not isinstance(sent, Mapping) or not isinstance(sent.get("serial"), int):
        return None
    heart, thorax = _parse_line(sent.get("heart")), _parse_line(sent.get("thorax"))
    if heart is None or thorax is None:
        return None
    return MovedEnds(film=str(sent.get("film")), serial=sent["serial"], heart=heart, thorax=thorax)


def _parse_line(sent: Any) -> Line | None:
    try:
        (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in sent)
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    return ((x0, y0), (x1, y1))


@dataclass(frozen=True, kw_only=True)
class RequestedAdjustment:
    """What is wrong with a film, as it was put right in the viewer. film: the film id that the viewer was given."""

    film: str
    change: Literal["invert", "rotate", "mirror"]


def requested_adjustment(viewer_key: str) -> RequestedAdjustment | None:
    """The correction that was just requested in a viewer; None in every other run."""
    sent = (st.session_state.get(viewer_key) or {}).get("adjust")
    if not isinstance(sent, Mapping) or sent.get("change") not in ("invert", "rotate", "mirror"):
        return None
    return RequestedAdjustment(film=str(sent.get("film")), change=sent["change"])


@dataclass(frozen=True, kw_only=True)
class SentMark:
    """A mark that was just drawn or removed in a viewer. film: the film id that the viewer was given.

    box: (left, top, width, height) in fractions of the film; a point without width and height.  removed: the place of
    a mark that was taken away.
    """

    film: str
    box: tuple[float, float, float, float] | None = None
    removed: int | None = None


def sent_mark(viewer_key: str) -> SentMark | None:
    """The mark that was just drawn or removed; None in every other run, and when the browser sent no valid one."""
    sent = (st.session_state.get(viewer_key) or {}).get("mark")
    if not isinstance(sent, Mapping):
        return None
    film, removed = str(sent.get("film")), sent.get("remove")
    if isinstance(removed, int):
        return SentMark(film=film, removed=removed)
    try:
        left, top, width, height = (float(side) for side in sent.get("box") or ())
    except (TypeError, ValueError):
        return None
    if not all(0 <= side <= 1 for side in (left, top, width, height)):
        return None
    return SentMark(film=film, box=(left, top, min(width, 1 - left), min(height, 1 - top)))


def chosen_prevalence(finding: str) -> float | None:
    """The share of patients with a finding that the user chose, on whichever page; None while none was chosen."""
    return _chosen_prevalences().get(finding)


def choose_prevalence(finding: str, share: float | None) -> None:
    """Use this share of patients with a finding on every page; None goes back to each page's own."""
    if share is None:
        _chosen_prevalences().pop(finding, None)
    else:
        _chosen_prevalences()[finding] = share


def _chosen_prevalences() -> dict[str, float]:
    return _get_or_create(PREVALENCES, dict[str, float])


def set_field_value(key: str, value: object) -> None:
    """Make a field show this value, before the field is drawn. A field that shows it already is left alone."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def initialise_field(key: str, value: object) -> None:
    """Make a field start with this value, unless it has one; unlike with a default, a number field can be emptied."""
    if key not in st.session_state:
        st.session_state[key] = value


def keep_fields(keys: Iterable[str]) -> dict[str, object]:
    """What these fields hold now; those that are not there are left out."""
    return {key: st.session_state[key] for key in keys if key in st.session_state}


def field_text(key: str) -> str:
    """The text or the choice in a field; empty when there is none."""
    return st.session_state.get(key) or ""


def field_texts(key: str) -> tuple[str, ...]:
    """The choices in a field that takes several; none when there are none."""
    return tuple(map(str, st.session_state.get(key) or ()))


def field_value(key: str) -> float | None:
    """The number in a field; None when it was emptied."""
    value: float | None = st.session_state.get(key)
    return value
