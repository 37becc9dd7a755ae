"""Shows what the network would see: training films before and after augmentation, drawn in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.presentation.wording import format_count
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from cxr_core.training.batch_preview import BatchPreview
    from cxr_core.training.recipe.recipe import Recipe

POLL_S = 0.5
FILM_PX = 118


def show_batch_preview(draft: RunDraft, recipe: Recipe | None) -> None:
    """The button, then the films of the form as it is now; another click draws others."""
    form = f"{recipe} {draft.data}"
    _take_films(draft)
    is_shown = draft.preview is not None and draft.previewed_form == form
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        clicked = st.button(
            "Draw another batch" if is_shown else "Show what the network sees",
            icon=":material/grid_view:",
            key=draft.widget_key("preview"),
            disabled=recipe is None or not draft.data,
            help="Draws a few training films, with the recipe's preprocessing and augmentation.",
        )
        if clicked and recipe is not None:
            _start_drawing(draft, recipe, form)
        task = cache.background_tasks().find(_task_key(draft))
        if task is not None and draft.previewed_form == form:
            _show_task(draft, task)
    if is_shown and not clicked and draft.preview is not None and recipe is not None:
        _show_films(draft.preview, recipe)


def _start_drawing(draft: RunDraft, recipe: Recipe, form: str) -> None:
    data, seed = draft.data or (), draft.preview_seed + 1
    draft.previewed_form, draft.preview_seed, draft.preview = form, seed, None

    def draw(task: BackgroundTask) -> BatchPreview:
        from cxr_core.training.batch_preview import draw_batch

        return draw_batch(
            recipe, data, seed, lambda done, total: task.report_progress("decoding", done, total)
        )

    cache.background_tasks().start(_task_key(draft), draw)


def _take_films(draft: RunDraft) -> None:
    """Keep the films of a task that has ended in this tab alone."""
    task = cache.background_tasks().find(_task_key(draft))
    if task is not None and not task.is_running and task.result is not None:
        draft.preview = task.result  # type: ignore[assignment]
        cache.background_tasks().dismiss(task)


def _show_task(draft: RunDraft, task: BackgroundTask) -> None:
    """Wait for the films; or why there are none."""
    if task.is_running or not task.error:
        watch_drawing(draft, task)
    else:
        st.error(plain(task.error))


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_drawing(draft: RunDraft, task: BackgroundTask) -> None:
    """Wait for the films; the page reruns once when they are there."""
    if not task.is_running and not task.is_cancelled:
        st.rerun()
    if not task.is_running:
        return
    st.markdown(":material/hourglass_top: Drawing films …", width="content")
    st.button("Cancel", key=draft.widget_key("cancel-preview"), on_click=task.cancel)


def _show_films(preview: BatchPreview, recipe: Recipe) -> None:
    is_augmented = bool((preview.before != preview.after).any())
    side = recipe.input_side
    st.caption(
        f"{format_count(len(preview.labels), 'training films')} at {side} × {side} px: above as the network would see "
        "them without augmentation, below with it. "
        f"After normalisation the values lie between {preview.low:.2f} and {preview.high:.2f}."
    )
    with st.container(horizontal=True, gap="xsmall"):
        for before, after, label in zip(preview.before, preview.after, preview.labels, strict=True):
            with st.container(width=FILM_PX, gap="xxsmall"):
                st.image(before, width=FILM_PX)
                st.image(after, width=FILM_PX, caption=plain(label))
    if not is_augmented:
        st.caption("This recipe augments no film, or none of these: both rows are the same.")


def _task_key(draft: RunDraft) -> str:
    return f"batch preview {draft.token} {draft.preview_seed}"
