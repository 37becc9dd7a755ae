"""Asking for a run: data, recipe, first weights, every field, device; an estimate; and the button that starts it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.data.registry import list_datasets
from cxr_core.errors import SilhouetteError
from pages.components import cache
from pages.components.markdown import plain
from pages.components.training.estimate import show_estimate
from pages.components.training.fields import (
    ask_fields,
    fault_text,
    label_of,
    tell_faults,
    value_words,
)
from pages.components.training.page_state import Desk, Draft
from pages.components.training.run_inputs import ask_beginning, ask_data, ask_recipe, data_faults

if TYPE_CHECKING:
    from cxr_core.jobs.job import Device, Request
    from cxr_core.training.recipe.form import FormField
    from cxr_core.training.recipe.recipe import Recipe


def show_start(desk: Desk) -> None:
    """The whole form, top to bottom; nothing is started while anything speaks against it."""
    datasets = list_datasets()
    if not datasets:
        st.info(
            "No dataset is registered yet. A run needs one whose films are checked and decoded."
        )
        st.page_link(
            "pages/data.py",
            label="Add a dataset on the Data page",
            icon=":material/create_new_folder:",
        )
        return
    draft = desk.draft
    with st.container(border=True):
        st.markdown("##### What it learns from, and how")
        ask_data(draft, datasets)
        ask_recipe(draft)
    recipe, faults = _ask_recipe_fields(draft)
    with st.container(border=True):
        st.markdown("##### Where it runs")
        request, elsewhere = _ask_device(draft, recipe)
        reasons = [*faults, *data_faults(draft, recipe.findings if recipe else ()), *elsewhere]
        _offer(desk, request if not reasons else None, reasons)


def _ask_recipe_fields(draft: Draft) -> "tuple[Recipe | None, list[str]]":
    """First weights and fields. The recipe as it is now, and what is wrong with it."""
    from cxr_core.training.recipe.form import build, changed, check, form

    assert draft.recipe is not None
    fields = form(draft.recipe)
    with st.container(border=True):
        st.markdown("##### What it begins with, and its fields")
        ask_beginning(draft, outlines=bool(draft.recipe.structures))
        at_start = st.empty()
        places = ask_fields(draft, [each for each in fields if each.group == "Common"])
        others = [each for each in fields if each.group != "Common"]
        with st.expander(f"All other fields ({len(others)})", icon=":material/tune:"):
            for group in dict.fromkeys(each.group for each in others):
                st.markdown(f"**{group}**")
                places |= ask_fields(draft, [each for each in others if each.group == group])
        faults = check(draft.recipe, draft.values)
        recipe = None if faults else build(draft.recipe, draft.values)
        if recipe:
            faults = _start_faults(recipe)
        tell_faults({**places, "init": at_start}, faults)
        _tell_changes(fields, changed(draft.recipe, draft.values))
    return recipe, [f"{label_of(name)}: {sentence}" for name, sentence in faults.items()]


def _start_faults(recipe: "Recipe") -> dict[str, str]:
    if not recipe.init:
        return {"init": "Say which: a file, or a model."}
    arguments = recipe.architecture_arguments(len(recipe.findings))
    field, sentence = cache.start_fault(f"{recipe.init}|{arguments}|{recipe.input_spec()}", recipe)
    return {field: sentence} if sentence else {}


def _tell_changes(fields: "Sequence[FormField]", changes: dict[str, object]) -> None:
    own = {field.name: field.value for field in fields}
    told = [
        f"{plain(label_of(name).lower())} **{plain(value_words(value))}** instead of {plain(value_words(own[name]))}"
        for name, value in changes.items()
    ]
    if told:
        st.caption("Changed from the recipe: " + "; ".join(told) + ".")


def _ask_device(draft: Draft, recipe: "Recipe | None") -> "tuple[Request | None, list[str]]":
    """Device and processes as found here. The request as it is now, and what is wrong with the device."""
    from cxr_core.jobs.job import Request
    from cxr_core.training.engine.device import require_device

    there = cache.devices()
    with st.container(horizontal=True, gap="small"):
        device = _choose_device(draft, there)
        if device.processes > 1:
            draft.processes = int(
                st.number_input(
                    "Processes",
                    1,
                    device.processes,
                    min(draft.processes, device.processes),
                    key=draft.lasting(f"processes-{device.name}"),
                    width=140,
                    help="How many train it together; each sees its share of every batch.",
                )
            )
        else:
            draft.processes = 1
    if recipe is None:
        return None, []
    try:
        require_device(device.name, draft.processes, recipe.batch_size)
    except SilhouetteError as error:
        st.markdown(fault_text(str(error)))
        return None, [str(error)]
    return Request(
        recipe=recipe,
        data=draft.data or (),
        token=draft.token,
        device=device.name,
        processes=draft.processes,
        retry_of=draft.retry_of,
    ), []


def _choose_device(draft: Draft, there: "tuple[Device, ...]") -> "Device":
    names = [device.name for device in there]
    words = {device.name: device.words for device in there}
    index = names.index(draft.device) if draft.device in names else 0
    draft.device = st.selectbox(
        "Device",
        names,
        index=index,
        format_func=words.__getitem__,
        key=draft.lasting("device"),
        width=340,
    )
    return there[names.index(draft.device)]


def _offer(desk: Desk, request: "Request | None", reasons: Sequence[str]) -> None:
    """The estimate and the start; while something speaks against it, what."""
    draft = desk.draft
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        clicked = st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=request is None,
            key=draft.widget("start"),
            help=plain(reasons[0]) if reasons else "It runs on when this page is closed.",
        )
        show_estimate(draft, request)
    for reason in reasons:
        st.markdown(fault_text(reason))
    if clicked and request is not None:
        start(desk, request)


def start(desk: Desk, request: "Request") -> None:
    """Ask for the run and look at it; the token makes one run of however many clicks."""
    from cxr_core.jobs import jobs

    try:
        with st.spinner("Starting …"):
            job = jobs.submit(request)
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    desk.begun(job.id, f"{job.id} was asked for.")
    st.rerun()
