"""Shows the fields of a recipe as widgets, each with room below it for its fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import streamlit as st

from cxr_core.presentation.wording import finding_name
from pages.components import cache, session
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from cxr_core.training.recipe.form import FormField, FormValue

FIELD_PX = 236
SEPARATE_FIELDS = ("init", "split")  # asked with widgets of their own


class WidgetArguments(TypedDict):
    """What every widget takes."""

    label: str
    key: str
    help: str


def ask_fields(draft: RunDraft, fields: Iterable[FormField]) -> dict[str, DeltaGenerator]:
    """Ask some fields, as many beside each other as there is room for. Returns the empty place below each."""
    fault_places: dict[str, DeltaGenerator] = {}
    with st.container(horizontal=True, gap="small"):
        for field in fields:
            if field.name in SEPARATE_FIELDS:
                continue
            with st.container(width=FIELD_PX, gap="xxsmall"):
                draft.values[field.name] = _ask_field(draft, field)
                fault_places[field.name] = st.empty()
    return fault_places


def show_faults(places: Mapping[str, DeltaGenerator], faults: Mapping[str, str]) -> None:
    """Show each fault below its field."""
    for name, sentence in faults.items():
        if name in places:
            places[name].markdown(format_fault(sentence))


def show_idle(places: Mapping[str, DeltaGenerator], reasons: Mapping[str, str]) -> None:
    """Say below each field without effect why it has none."""
    for name, sentence in reasons.items():
        if name in places:
            places[name].markdown(f":gray[:small[{plain(sentence)}]]")


def format_fault(sentence: str) -> str:
    """A fault as small red Markdown."""
    return f":red[:small[{plain(sentence)}]]"


def format_value(value: FormValue) -> str:
    """A field's value in words."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(finding_name, value)) or "none"
    return str(value)


def _ask_field(draft: RunDraft, field: FormField) -> FormValue:
    value = draft.values.get(field.name, field.value)
    arguments: WidgetArguments = {
        "label": field.label,
        "key": draft.widget_key(field.name),
        "help": _describe_field(field),
    }
    entered: FormValue = WIDGETS[field.kind](field, value, arguments)
    return entered


# The kind of a field decides the type of its value, so these take it as it comes.


def _ask_number(field: FormField, value: Any, arguments: WidgetArguments) -> float | None:
    shown = float(value) if value is not None and field.kind == "number" else value
    if field.optional:
        session.initialise_field(arguments["key"], shown)
    number: float | None = st.number_input(
        **arguments,
        value=None if field.optional else shown,
        step=field.step if field.kind == "number" else int(field.step),
        format="%g" if field.kind == "number" else "%d",
        placeholder="empty" if field.optional else "required",
    )
    return number


def _ask_choice(field: FormField, value: Any, arguments: WidgetArguments) -> str:
    options = list(dict.fromkeys([*field.choices, *_own_functions(field), value]))
    chosen: str = st.selectbox(**arguments, options=options, index=options.index(value))
    return chosen


def _ask_keys(field: FormField, value: Any, arguments: WidgetArguments) -> list[str]:
    return st.multiselect(
        **arguments,
        options=field.choices,
        default=list(value),
        format_func=finding_name,
        placeholder="none",
    )


def _ask_switch(field: FormField, value: Any, arguments: WidgetArguments) -> bool:
    return st.checkbox(**arguments, value=value)


def _own_functions(field: FormField) -> list[str]:
    """The functions of the user's own files that a field may name."""
    if not field.takes_code:
        return []
    from cxr_core.models.networks.user_code import list_references

    return list_references()


def _ask_backbone(field: FormField, value: Any, arguments: WidgetArguments) -> str:
    """The backbones of the recipes and of one's own files to choose from; any other name of timm can be typed."""
    backbones = sorted({recipe.backbone for recipe in cache.load_recipes().values()})
    options = list(dict.fromkeys([value, *backbones, *_own_functions(field)]))
    chosen = st.selectbox(**arguments, options=options, index=0, accept_new_options=True)
    return (chosen or "").strip()


def _ask_text(field: FormField, value: Any, arguments: WidgetArguments) -> str:
    if field.takes_code:
        return _ask_backbone(field, value, arguments)
    text: str = st.text_input(**arguments, value=value)
    return text


WIDGETS: dict[str, Callable[[FormField, Any, WidgetArguments], Any]] = {
    "whole": _ask_number,
    "number": _ask_number,
    "choice": _ask_choice,
    "keys": _ask_keys,
    "switch": _ask_switch,
    "text": _ask_text,
    "table": _ask_text,
}


def _describe_field(field: FormField) -> str:
    limits = ""
    if field.low is not None and field.high is not None:
        limits = f" From {field.low:g} to {field.high:g}."
    return f"{plain(field.help)}{limits} In the recipe: {plain(format_value(field.value))}."
