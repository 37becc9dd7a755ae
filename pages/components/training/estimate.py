"""Estimates in the background how long a run would take; the answer applies to the form as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import streamlit as st

from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from cxr_core.jobs.estimate import Estimate
    from cxr_core.jobs.job import TrainingRequest

POLL_S = 1.0


def show_estimate(draft: RunDraft, request: TrainingRequest | None) -> None:
    """The button, then the progress, then the answer."""
    clicked = st.button(
        "Estimate time and memory",
        icon=":material/timer:",
        key=draft.widget_key("estimate"),
        disabled=request is None,
        help="Measures a few training steps; takes 20 s at most.",
    )
    if clicked and request is not None:
        draft.estimate_key = _estimate_key(request)
        cache.background_tasks().start(
            draft.estimate_key, lambda task: _run_estimate(request, task)
        )
    task = cache.background_tasks().find(draft.estimate_key)
    if task is None or request is None or draft.estimate_key != _estimate_key(request):
        return
    if task.is_running:
        watch_estimate(draft, task)
    else:
        _show_answer(task)


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_estimate(draft: RunDraft, task: BackgroundTask) -> None:
    """Wait for the answer; the page reruns once when it is there."""
    if not task.is_running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.markdown(":material/hourglass_top: Measuring a few steps …", width="content")
        st.button(
            "Cancel",
            key=draft.widget_key("cancel-estimate"),
            on_click=task.cancel,
            disabled=task.is_cancelled,
        )


def find_estimate(draft: RunDraft, request: TrainingRequest) -> Estimate | None:
    """The estimate of a run like this one, where it was made."""
    task = cache.background_tasks().find(_estimate_key(request))
    if task is None or task.is_running or not task.result:
        return None
    return cast("Estimate", task.result)


def _run_estimate(request: TrainingRequest, task: BackgroundTask) -> Estimate:
    from cxr_core.jobs.estimate import estimate

    return estimate(request, stop=task.should_stop)


def _show_answer(task: BackgroundTask) -> None:
    if task.error:
        st.error(plain(task.error))
    elif task.result:
        st.markdown(plain(cast("Estimate", task.result).sentence), width="stretch")


def _estimate_key(request: TrainingRequest) -> str:
    """Everything that an estimate depends on."""
    return f"estimate {request.recipe} {request.data} {request.device} {request.processes}"
