"""Runs the slow steps of the Site page in background threads, shows their progress and takes over what they found."""

import streamlit as st

from pages.components import cache
from pages.components.background_tasks import BackgroundTask, Work
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.site.page_state import ComparedFilms, FittedProfile, SitePageState

TEST, FIT = "test", "fit"  # the steps
STEPS = {TEST: "The acceptance test", FIT: "The recalibration"}
FIRST_WAIT_S = 1.0  # a few films of a dataset are tested in less
POLL_S = 0.5


def start_step(state: SitePageState, step: str, work: Work) -> None:
    """Start one step of this tab, unless it is running already."""
    cache.background_tasks().start(state.task_key(step), work).wait(FIRST_WAIT_S)
    st.rerun()


def show_running_step(state: SitePageState) -> bool:
    """The progress of the step that runs, if one does, else why the last one failed. Returns whether one runs.

    What an ended step found is taken over, and its task forgotten.
    """
    tasks = cache.background_tasks()
    for step, name in STEPS.items():
        task = tasks.find(state.task_key(step))
        if task is None:
            continue
        if task.is_running:
            _watch_step(step, task)
            return True
        tasks.dismiss(task)
        _take_result(state, task, name)
    if state.error:
        st.error(plain(state.error), icon=":material/error:")
        state.error = ""
    return False


def _take_result(state: SitePageState, task: BackgroundTask, name: str) -> None:
    if isinstance(task.result, ComparedFilms):
        state.keep_compared(task.result)
    elif isinstance(task.result, FittedProfile):
        state.fitted = task.result
    elif task.is_cancelled:
        state.error = f"{name} was stopped; nothing was kept."
    else:
        state.error = task.error


@st.fragment(run_every=POLL_S)
@show_errors()
def _watch_step(step: str, task: BackgroundTask) -> None:
    """How far a step is, with a button that stops it. The page runs once when it has ended."""
    if not task.is_running:
        st.rerun()
    stage = f"{task.stage[:1].upper()}{task.stage[1:]}" or "Starting"
    count = f", {task.done:,} of {task.total:,}" if task.total > 1 else ""
    text = "Stopping …" if task.is_cancelled else f"{stage}{count} …"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(task.share_done, text=plain(text))
        st.button("Stop", key=f"site-stop-{step}", on_click=task.cancel, disabled=task.is_cancelled)
