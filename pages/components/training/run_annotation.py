"""Asks for a run's name, tags and note; saves them, and pins the baseline."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.jobs import actions
from cxr_core.jobs.job import Job
from cxr_core.training.runs.annotation import (
    MAX_NAME,
    MAX_NOTE,
    MAX_TAGS,
    RunAnnotation,
    make_annotation,
    pin_baseline,
    read_baseline,
)
from pages.components import session
from pages.components.error_boundary import keep_error
from pages.components.markdown import plain
from pages.components.training.page_state import TrainPageState

NAME_PX, TAGS_PX = 300, 380


def show_annotation(state: TrainPageState, run: Job, known_tags: Sequence[str]) -> None:
    """A run's tags and note, the form that changes them, and the button that makes the run the baseline."""
    written = run.annotation
    if written.tags:
        st.markdown(" ".join(f":gray-badge[{plain(tag)}]" for tag in written.tags))
    for paragraph in filter(None, written.note.splitlines()):
        st.markdown(plain(paragraph))
    with st.container(horizontal=True, gap="small"):
        with st.popover("Name, tags and note", icon=":material/edit_note:", width="content"):
            _show_form(state, run, known_tags)
        _offer_pin(state, run)


def ask_annotation(key: str, before: RunAnnotation, known_tags: Sequence[str]) -> tuple[str, ...]:
    """Ask for name, tags and note. Returns the keys of their fields, in this order; see `read_fields`."""
    keys = (f"name-{key}", f"tags-{key}", f"text-{key}")
    with st.container(horizontal=True, gap="small"):
        st.text_input(
            "Name",
            value=before.name,
            key=keys[0],
            max_chars=MAX_NAME,
            placeholder="Shown in tables and charts",
            width=NAME_PX,
        )
        st.multiselect(
            "Tags",
            list(dict.fromkeys([*known_tags, *before.tags])),
            default=list(before.tags),
            key=keys[1],
            accept_new_options=True,
            max_selections=MAX_TAGS,
            placeholder="Choose or type",
            width=TAGS_PX,
        )
    st.text_area("Note", value=before.note, key=keys[2], max_chars=MAX_NOTE, height=90)
    return keys


def read_fields(keys: Sequence[str]) -> RunAnnotation:
    """What the fields of `ask_annotation` hold. Raises RunError when a tag is too long."""
    name, tags, note = keys
    return make_annotation(
        session.field_text(name), session.field_texts(tags), session.field_text(note)
    )


def list_tags(runs: Sequence[Job]) -> list[str]:
    """Every tag that a run has, in alphabetical order."""
    return sorted({tag for run in runs for tag in run.annotation.tags}, key=str.casefold)


def _show_form(state: TrainPageState, run: Job, known_tags: Sequence[str]) -> None:
    with st.form(f"annotation-{run.id}", border=False):
        keys = ask_annotation(run.id, run.annotation, known_tags)
        st.form_submit_button("Save", type="primary", on_click=_save, args=(state, run, keys))


def _save(state: TrainPageState, run: Job, keys: Sequence[str]) -> None:
    with keep_error(state):
        annotation = read_fields(keys)
        actions.annotate_run(run.id, lambda before: annotation)
        state.message = f"Saved with {run.id}."


def _offer_pin(state: TrainPageState, run: Job) -> None:
    is_baseline = read_baseline() == run.id
    st.button(
        "Unpin baseline" if is_baseline else "Pin as baseline",
        icon=":material/keep_off:" if is_baseline else ":material/keep:",
        key=f"pin-{run.id}",
        on_click=_pin,
        args=(state, "" if is_baseline else run.id),
        help="The run that others are compared with. There is one at a time.",
    )


def _pin(state: TrainPageState, run: str) -> None:
    with keep_error(state):
        pin_baseline(run)
        state.message = f"{run} is the baseline now." if run else "There is no baseline now."
