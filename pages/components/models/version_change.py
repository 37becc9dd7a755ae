"""Changes the active version of a model: rolls back in one click, or activates any other version with a reason."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import activate_version, roll_back
from pages.components.markdown import plain
from pages.components.models.installed_models import InstalledModel
from pages.components.models.page_state import ModelsPageState

# The reason on record for a rollback, which must not wait for somebody to write one.
ROLLBACK_REASON = "one click on the Models page"


def offer_version_change(state: ModelsPageState, model: InstalledModel) -> None:
    """The buttons that activate another version; nothing is offered where there is only one."""
    others = [
        version.name
        for version in reversed(model.versions)
        if not version.is_active and version.card is not None
    ]
    if not others:
        st.caption(
            "There is only this version, so there is none to roll back to. Published runs become further versions."
        )
        return
    previous = model.previous.name if model.previous else None
    with st.container(horizontal=True, gap="small"):
        # After a rollback the key is a new one: a second click must not go back further.
        if previous and st.button(
            f"Roll back to {plain(previous)}",
            icon=":material/undo:",
            key=state.widget_key(f"back-{model.name}"),
        ):
            _change_version(state, model, lambda: roll_back(model.name, ROLLBACK_REASON, previous))
        key = state.widget_key(f"another-{model.name}")
        with st.popover("Use another version", icon=":material/swap_horiz:", key=key):
            version = st.selectbox("Version", others, key=state.widget_key(f"version-{model.name}"))
            _ask_reason(state, model, version)


def _ask_reason(state: ModelsPageState, model: InstalledModel, version: str) -> None:
    name = f"use-{model.name}"
    st.caption("Films read from now on are read with it. Earlier results do not change.")
    reason = st.text_input(
        "Reason",
        key=state.widget_key(f"why-{name}"),
        max_chars=500,
        placeholder="Kept in the history",
    ).strip()
    if not reason:
        st.caption("Enter a reason first.")
    if st.button(
        f"Use {plain(version)}", key=state.widget_key(name), type="primary", disabled=not reason
    ):
        _change_version(state, model, lambda: activate_version(model.name, version, reason))


def _change_version(
    state: ModelsPageState, model: InstalledModel, change: Callable[[], Path]
) -> None:
    try:
        active_folder = change()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    state.report_change(f"{model.name} {active_folder.name} is now the active version.")
    st.rerun()
