"""The form that starts a run: data, recipe, initial weights, every field, device, an estimate, and the button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from pages.components.training.fields import (
    ask_fields,
    format_fault,
    format_value,
    show_faults,
)
from pages.components.training.page_state import RunDraft, TrainPageState
from pages.components.training.run_annotation import ask_annotation, list_tags, read_fields
from pages.components.training.run_inputs import (
    ask_data,
    ask_initial_weights,
    ask_recipe,
    find_data_faults,
)

if TYPE_CHECKING:
    from cxr_core.jobs.job import TrainingRequest
    from cxr_core.training.engine.device import Device
    from cxr_core.training.recipe.form import FormField, FormValue
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
    recipe, field_faults = _ask_recipe_fields(draft)
    with st.container(border=True):
        st.markdown("##### Device")
        request, device_faults = _ask_device(draft, recipe)
        data_faults = find_data_faults(draft, recipe.findings if recipe else ())
        faults = [*field_faults, *data_faults, *device_faults]
        request, annotation_faults = _ask_annotation(draft, request)
        faults += annotation_faults
        _offer_start(state, None if faults else request, faults)


def _ask_recipe_fields(draft: RunDraft) -> tuple[Recipe | None, list[str]]:
    """Initial weights and fields. Returns the recipe as entered, and what is wrong with it."""
    from cxr_core.training.recipe.form import (
        apply_values,
        changed_values,
        find_faults,
        list_form_fields,
    )

    assert draft.recipe is not None
    fields = list_form_fields(draft.recipe)
    with st.container(border=True):
        st.markdown("##### Initial weights and settings")
        ask_initial_weights(draft, segments=bool(draft.recipe.structures))
        fault_places = {"init": st.empty()}
        common = [field for field in fields if field.group == "Common"]
        others = [field for field in fields if field.group != "Common"]
        fault_places |= ask_fields(draft, common)
        with st.expander(f"All other settings ({len(others)})", icon=":material/tune:"):
            for group in dict.fromkeys(field.group for field in others):
                st.markdown(f"**{group}**")
                fault_places |= ask_fields(draft, [f for f in others if f.group == group])
        faults = find_faults(draft.recipe, draft.values)
        recipe = None if faults else apply_values(draft.recipe, draft.values)
        if recipe:
            faults = _find_weights_faults(recipe)
        show_faults(fault_places, faults)
        _show_changes(fields, changed_values(draft.recipe, draft.values))
    labels = {field.name: field.label for field in fields}
    return recipe, [f"{labels[name]}: {sentence}" for name, sentence in faults.items()]


def _find_weights_faults(recipe: Recipe) -> dict[str, str]:
    if not recipe.init:
        return {"init": "Enter a file, or choose a model."}
    arguments = recipe.architecture_arguments(len(recipe.findings))
    key = f"{recipe.init}|{arguments}|{recipe.input_spec()}"
    field, sentence = cache.check_initial_weights(key, recipe)
    return {field: sentence} if sentence else {}


def _show_changes(fields: Sequence[FormField], changes: Mapping[str, FormValue]) -> None:
    by_name = {field.name: field for field in fields}
    phrases = []
    for name, value in changes.items():
        field = by_name[name]
        new, old = plain(format_value(value)), plain(format_value(field.value))
        phrases.append(f"{plain(field.label.lower())} **{new}** instead of {old}")
    if phrases:
        st.caption("Changed from the recipe: " + "; ".join(phrases) + ".")


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
    state: TrainPageState, request: TrainingRequest | None, faults: Sequence[str]
) -> None:
    """The start button and the estimate; while anything is wrong, what it is."""
    draft = state.draft
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        clicked = st.button(
            "Start",
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
        start_run(state, request)


def start_run(state: TrainPageState, request: TrainingRequest) -> None:
    """Submit the run and show it; the token makes it one run, however many clicks there were."""
    from cxr_core.jobs import actions

    with show_errors():
        with st.spinner("Starting …"):
            run = actions.submit_training(request)
        state.show_submitted_run(run.id, f"{run.id} was submitted.")
        st.rerun()
