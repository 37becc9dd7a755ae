"""The form that starts a run: data, recipe, initial weights, every field, device, an estimate, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.data.registry import list_datasets
from cxr_core.errors import SilhouetteError
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.page_links import link_to_data_page
from pages.components.training.estimate import show_estimate
from pages.components.training.form.batch_preview import show_batch_preview
from pages.components.training.form.fields import format_fault
from pages.components.training.form.recipe_choice import ask_recipe
from pages.components.training.form.recipe_fields import ask_recipe_fields
from pages.components.training.form.run_inputs import (
    ask_data,
    find_data_faults,
)
from pages.components.training.form.split_choice import ask_split
from pages.components.training.form.sweep_form import ONE, Sweep, ask_sweep, start_sweep
from pages.components.training.page_state import RunDraft, TrainPageState
from pages.components.training.run_annotation import ask_annotation, list_tags, read_fields

if TYPE_CHECKING:
    from cxr_core.jobs.job import TrainingRequest
    from cxr_core.training.engine.device import Device
    from cxr_core.training.recipe.recipe import Recipe


def show_start_form(state: TrainPageState) -> None:
    """The whole form, from top to bottom; nothing can be started while anything is wrong."""
    datasets = list_datasets()
    if not datasets:
        st.info(
            "No dataset is registered yet. A run needs one whose films have been decoded and checked."
        )
        link_to_data_page()
        return
    draft = state.draft
    with st.container(border=True):
        st.markdown("##### Data and recipe")
        ask_data(draft, datasets)
        ask_recipe(draft)
        ask_split(draft)
    recipe, field_faults = ask_recipe_fields(draft)
    with show_errors():
        show_batch_preview(draft, recipe)
    with st.container(border=True):
        st.markdown("##### Device")
        request, device_faults = _ask_device(draft, recipe)
        data_faults = find_data_faults(draft, recipe)
        faults = [*field_faults, *data_faults, *device_faults]
        request, annotation_faults = _ask_annotation(draft, request)
        faults += annotation_faults
        kind, sweep, sweep_faults = ask_sweep(draft, request)
        faults += sweep_faults
        _offer_start(state, None if faults else request, faults, kind, sweep)


def _ask_device(draft: RunDraft, recipe: Recipe | None) -> tuple[TrainingRequest | None, list[str]]:
    """Device and processes of this machine. Returns the request as entered, and what is wrong with the device."""
    from cxr_core.jobs.job import TrainingRequest
    from cxr_core.training.engine.device import require_device

    with st.container(horizontal=True, gap="small"):
        device = _choose_device(draft, cache.find_devices())
        if device.processes > 1:
            entered = st.number_input(
                "Processes",
                1,
                device.processes,
                min(draft.processes, device.processes),
                key=draft.persistent_key(f"processes-{device.name}"),
                width=140,
                help="How many processes train the run together; each takes its share of every batch.",
            )
            draft.processes = int(entered)
        else:
            draft.processes = 1
    if recipe is None:
        return None, []
    try:
        require_device(device.name, draft.processes, recipe.batch_size)
    except SilhouetteError as error:
        st.markdown(format_fault(str(error)))
        return None, [str(error)]
    request = TrainingRequest(
        recipe=recipe,
        data=draft.data or (),
        token=draft.token,
        device=device.name,
        processes=draft.processes,
        retry_of=draft.retry_of,
    )
    return request, []


def _ask_annotation(
    draft: RunDraft, request: TrainingRequest | None
) -> tuple[TrainingRequest | None, list[str]]:
    """Name, tags and note. Returns the request with them, and what is wrong with them."""
    from cxr_core.jobs.status import list_runs

    with st.expander("Name, tags and note", icon=":material/edit_note:"):
        key = draft.persistent_key("annotation")
        keys = ask_annotation(key, draft.annotation, list_tags(list_runs()))
        try:
            draft.annotation = read_fields(keys)
        except SilhouetteError as error:
            st.markdown(format_fault(str(error)))
            return None, [str(error)]
    return (replace(request, annotation=draft.annotation) if request else None), []


def _choose_device(draft: RunDraft, devices: Sequence[Device]) -> Device:
    names = [device.name for device in devices]
    labels = {device.name: device.words for device in devices}
    index = names.index(draft.device) if draft.device in names else 0
    draft.device = st.selectbox(
        "Device",
        names,
        index=index,
        format_func=labels.__getitem__,
        key=draft.persistent_key("device"),
        width=340,
    )
    return devices[names.index(draft.device)]


def _offer_start(
    state: TrainPageState,
    request: TrainingRequest | None,
    faults: Sequence[str],
    kind: str,
    sweep: Sweep | None,
) -> None:
    """The start button and the estimate; while anything is wrong, what it is."""
    draft = state.draft
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        clicked = st.button(
            "Start" if kind == ONE else f"Start: {kind.lower()}",
            type="primary",
            icon=":material/play_arrow:",
            disabled=request is None,
            key=draft.widget_key("start"),
            help=plain(faults[0]) if faults else "The run continues when this page is closed.",
        )
        show_estimate(draft, request)
    for fault in faults:
        st.markdown(format_fault(fault))
    if clicked and request is not None:
        if sweep is None:
            start_run(state, request)
        else:
            start_sweep(state, request, sweep)


def start_run(state: TrainPageState, request: TrainingRequest) -> None:
    """Submit the run and show it; the token makes it one run, however many clicks there were."""
    from cxr_core.jobs import actions

    with show_errors():
        with st.spinner("Starting …"):
            run = actions.submit_training(request)
        state.show_submitted_runs((run.id,), f"{run.id} was submitted.")
        st.rerun()
