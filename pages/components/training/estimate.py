"""How long a run would take, measured in the background; the answer belongs to the form as it was then."""

from typing import TYPE_CHECKING

import streamlit as st

from pages.components import cache
from pages.components.background_tasks import Errand
from pages.components.markdown import plain
from pages.components.training.page_state import Draft

if TYPE_CHECKING:
    from cxr_core.jobs.job import Request

POLL_S = 1.0


def show_estimate(draft: Draft, request: "Request | None") -> None:
    """The button, then the progress, then the answer."""
    clicked = st.button(
        "Estimate time and memory",
        icon=":material/timer:",
        key=draft.widget("estimate"),
        disabled=request is None,
        help="Measures a few steps, in 20 s at most.",
    )
    if clicked and request is not None:
        draft.estimated = _key(request)
        cache.errands().start(draft.estimated, lambda errand: _measure(request, errand))
    errand = cache.errands().find(draft.estimated)
    if errand is None or request is None or draft.estimated != _key(request):
        return
    if errand.running:
        watch(draft, errand)
    else:
        _show_answer(errand)


@st.fragment(run_every=POLL_S)
def watch(draft: Draft, errand: Errand) -> None:
    """Wait for the answer; the page runs once when it is there."""
    if not errand.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.markdown(":material/hourglass_top: Measuring a few steps …", width="content")
        st.button(
            "Cancel",
            key=draft.widget("cancel-estimate"),
            on_click=errand.cancel,
            disabled=errand.cancelled,
        )


def _measure(request: "Request", errand: Errand) -> object:
    from cxr_core.jobs.estimate import estimate

    return estimate(request, stop=errand.stopped)


def _show_answer(errand: Errand) -> None:
    if errand.error:
        st.error(plain(errand.error))
    else:
        st.markdown(plain(errand.result.sentence), width="stretch")


def _key(request: "Request") -> str:
    """All that an estimate depends on."""
    return f"estimate {request.recipe} {request.data} {request.device} {request.processes}"
