"""The fields of a recipe as widgets, each with room beneath it for what is wrong with it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxr_core.training.recipe.labels import LABELS
from pages.components import session
from pages.components.markdown import plain
from pages.components.training.page_state import Draft

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from cxr_core.training.recipe.form import FormField

WIDTH = 236
ELSEWHERE = ("init",)  # asked for in a place of its own

Places = dict[str, "DeltaGenerator"]


def ask_fields(draft: Draft, fields: "Iterable[FormField]") -> Places:
    """Ask for some fields, as many beside each other as there is room for. Returns the place beneath each."""
    places: Places = {}
    with st.container(horizontal=True, gap="small"):
        for field in fields:
            if field.name in ELSEWHERE:
                continue
            with st.container(width=WIDTH, gap="xxsmall"):
                draft.values[field.name] = _ask(draft, field)
                places[field.name] = st.empty()
    return places


def tell_faults(places: Places, faults: dict[str, str]) -> None:
    """Say what is wrong beneath the fields that have it."""
    for name, sentence in faults.items():
        if name in places:
            places[name].markdown(fault_text(sentence))


def fault_text(sentence: str) -> str:
    """A sentence about what is wrong, as Markdown."""
    return f":red[:small[{plain(sentence)}]]"


def label_of(name: str) -> str:
    """A field's name as people read it; of one that recipes no longer have, its key without underscores."""
    return LABELS.get(name) or name.rpartition(".")[2].replace("_", " ").capitalize()


def value_words(value: Any) -> str:
    """A field's value in words."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        ", ".join(map(str, value)) or "none"
        if isinstance(value, tuple | list)
        else str(value) or "empty"
    )


def _ask(draft: Draft, field: "FormField") -> Any:
    value = draft.values.get(field.name, field.value)
    return ASK[field.kind](
        field,
        value,
        {"label": label_of(field.name), "key": draft.widget(field.name), "help": _help(field)},
    )


def _number(field: "FormField", value: Any, shared: dict[str, Any]) -> Any:
    shown = float(value) if value is not None and field.kind == "number" else value
    if field.optional:
        session.begin_field(shared["key"], shown)
    return st.number_input(
        **shared,
        value=None if field.optional else shown,
        step=field.step if field.kind == "number" else int(field.step),
        format="%g" if field.kind == "number" else "%d",
        placeholder="empty" if field.optional else "needed",
    )


def _choice(field: "FormField", value: Any, shared: dict[str, Any]) -> Any:
    return st.selectbox(**shared, options=field.choices, index=field.choices.index(value))


def _keys(field: "FormField", value: Any, shared: dict[str, Any]) -> Any:
    return st.multiselect(**shared, options=field.choices, default=list(value), placeholder="none")


def _switch(field: "FormField", value: Any, shared: dict[str, Any]) -> Any:
    return st.checkbox(**shared, value=value)


def _text(field: "FormField", value: Any, shared: dict[str, Any]) -> Any:
    return st.text_input(**shared, value=value)


ASK: "dict[str, Callable[[FormField, Any, dict[str, Any]], Any]]" = {
    "whole": _number,
    "number": _number,
    "choice": _choice,
    "keys": _keys,
    "switch": _switch,
    "text": _text,
    "table": _text,
}


def _help(field: "FormField") -> str:
    between = (
        f" From {field.low:g} to {field.high:g}."
        if field.low is not None and field.high is not None
        else ""
    )
    return f"{plain(field.help)}{between} The recipe: {plain(value_words(field.value))}."
