"""Changes the versions of a model: rolls back in one click; activates, stops using or removes one with a reason."""

from collections.abc import Callable

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import (
    activate_version,
    remove_version,
    retire_model,
    roll_back,
)
from cxr_core.models.segmenter_card import SegmenterCard
from pages.components.markdown import plain
from pages.components.models.installed_models import InstalledModel, Version
from pages.components.models.page_state import PARAMETER, ModelsPageState

# The reason on record for a rollback, which must not wait for somebody to write one.
ROLLBACK_REASON = "one click on the Models page"


def offer_version_change(state: ModelsPageState, model: InstalledModel) -> None:
    """The buttons that activate another version, stop using the model, or remove a version."""
    previous = model.previous.name if model.previous else ""
    with st.container(horizontal=True, gap="small"):
        # After a rollback the key is a new one: a second click must not go back further.
        if previous and st.button(
            f"Roll back to {plain(previous)}",
            icon=":material/undo:",
            key=state.widget_key(f"back-{model.name}"),
        ):
            _change(
                state,
                lambda: roll_back(model.name, ROLLBACK_REASON, previous),
                f"{model.name} {previous} is now the active version.",
            )
        _offer_activation(state, model)
        _offer_deactivation(state, model)
        _offer_removal(state, model)


def _offer_activation(state: ModelsPageState, model: InstalledModel) -> None:
    others = {
        version.name: version
        for version in reversed(model.versions)
        if not version.is_active and version.card is not None
    }
    if not others:
        return
    label = "Use another version" if model.active else "Use this model"
    key = state.widget_key(f"another-{model.name}")
    with st.popover(label, icon=":material/swap_horiz:", key=key):
        version = st.selectbox("Version", others, key=state.widget_key(f"version-{model.name}"))
        st.caption(_describe_activation(others[version]))
        reason = _ask_reason(state, f"use-{model.name}", f"Use {version}")
        if reason:
            _change(
                state,
                lambda: activate_version(model.name, version, reason),
                f"{model.name} {version} is now the active version.",
            )


def _describe_activation(version: Version) -> str:
    sentences = ["Films read from now on are read with it. Earlier results do not change."]
    if isinstance(version.card, SegmenterCard):
        sentences.append("Only one model segments films: another one is taken out of use.")
    if version.imported:
        sentences.append("It came from a zip file: the gate has not compared it with others here.")
    return " ".join(sentences)


def _offer_deactivation(state: ModelsPageState, model: InstalledModel) -> None:
    if model.active is None:
        return
    key = state.widget_key(f"stop-{model.name}")
    with st.popover("Stop using it", icon=":material/block:", key=key):
        st.caption("No film is read with this model until a version of it is activated again.")
        reason = _ask_reason(state, f"stop-using-{model.name}", f"Stop using {model.name}")
        if reason:
            _change(
                state,
                lambda: retire_model(model.name, reason),
                f"{model.name} is no longer in use.",
            )


def _offer_removal(state: ModelsPageState, model: InstalledModel) -> None:
    removable = [version.name for version in reversed(model.removable)]
    if not removable:
        return
    key = state.widget_key(f"remove-{model.name}")
    with st.popover("Remove a version", icon=":material/delete:", key=key):
        key = state.widget_key(f"removed-version-{model.name}")
        version = st.selectbox("Version to remove", removable, key=key)
        st.caption("Its files are deleted. This cannot be undone: export it first to keep it.")
        reason = _ask_reason(state, f"remove-for-good-{model.name}", f"Remove {version} for good")
        if reason:
            if len(model.versions) == 1:  # the address must not name a model that is gone
                st.query_params.pop(PARAMETER, None)
            _change(
                state,
                lambda: remove_version(model.name, version, reason),
                f"{model.name} {version} was removed.",
            )


def _ask_reason(state: ModelsPageState, name: str, label: str) -> str:
    """The reason for a change once its button has been clicked; empty before."""
    reason = st.text_input(
        "Reason",
        key=state.widget_key(f"why-{name}"),
        max_chars=500,
        placeholder="Kept in the history",
    ).strip()
    if not reason:
        st.caption("Enter a reason first.")
    key = state.widget_key(name)
    clicked = st.button(plain(label), key=key, type="primary", disabled=not reason)
    return reason if clicked else ""


def _change(state: ModelsPageState, change: Callable[[], object], sentence: str) -> None:
    try:
        change()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    state.report_change(sentence)
    st.rerun()
