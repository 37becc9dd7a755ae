"""The fields of a recipe, in groups, with what is wrong with them and what differs from the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import cache
from pages.components.markdown import plain
from pages.components.training.form.fields import ask_fields, format_value, show_faults, show_idle
from pages.components.training.form.own_code import ask_code_permission
from pages.components.training.form.run_inputs import ask_initial_weights
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from cxr_core.training.recipe.form import FormField, FormValue
    from cxr_core.training.recipe.recipe import Recipe

FIRST_GROUP = "Common"


def ask_recipe_fields(draft: RunDraft) -> tuple[Recipe | None, list[str]]:
    """Initial weights and fields. Returns the recipe as entered, and what is wrong with it."""
    from cxr_core.training.recipe.contradictions import find_idle_fields
    from cxr_core.training.recipe.field_help import replace_keys
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
        places = {"init": st.empty()} | _ask_groups(draft, fields)
        faults = find_faults(draft.recipe, draft.values)
        recipe = None if faults else apply_values(draft.recipe, draft.values)
        if recipe:
            show_idle(places, find_idle_fields(recipe))
            faults = ask_code_permission(draft, recipe) or _find_weights_faults(recipe)
        sentences = {name: replace_keys(sentence) for name, sentence in faults.items()}
        show_faults(places, sentences)
        _show_changes(fields, changed_values(draft.recipe, draft.values))
    labels = {field.name: field.label for field in fields}
    return recipe, [f"{labels[name]}: {sentence}" for name, sentence in sentences.items()]


def _ask_groups(draft: RunDraft, fields: Sequence[FormField]) -> dict[str, DeltaGenerator]:
    """Ask the fields that matter most, then the others by group. Returns the empty place below each."""
    places = ask_fields(draft, [field for field in fields if field.group == FIRST_GROUP])
    for group in dict.fromkeys(field.group for field in fields):
        if group == FIRST_GROUP:
            continue
        own = [field for field in fields if field.group == group]
        with st.expander(f"{group} ({len(own)})", icon=":material/tune:"):
            places |= ask_fields(draft, own)
    return places


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
