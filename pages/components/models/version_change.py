"""Changes the versions of a model: undoes or rolls back in one click; activates, retires or removes with a reason."""

from collections.abc import Callable

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import (
    activate_version,
    remove_version,
    retire_model,
    roll_back,
)
from cxr_core.models.registry.overlap import describe_refusal, describe_replaced
from cxr_core.models.registry.undo import describe_undo, find_last_change, undo_last_change
from cxr_core.models.segmenter_card import SegmenterCard
from pages.components.markdown import plain
from pages.components.models.installed_models import InstalledModel, Version
from pages.components.models.page_state import PARAMETER, ModelsPageState
from pages.components.sign_in.door import offer_only_to

# The reason on record for what takes one click and must not wait for somebody to write one.
ONE_CLICK = "one click on the Models page"


def offer_version_change(state: ModelsPageState, model: InstalledModel) -> None:
    """The buttons that undo the last change, activate a version, retire the model, or remove a version."""
    if not offer_only_to(Role.ADMIN, "Changing which version reads films"):
        return
    before = find_last_change(model.name)
    with st.container(horizontal=True, gap="small"):
        _offer_activation(state, model)
        _offer_undo(state, model, before)
        previous = model.previous.name if model.previous else ""
        if previous and before.get(model.name) != previous:
            _offer_rollback(state, model, previous)
        _offer_retirement(state, model)
        _offer_removal(state, model)


def _offer_undo(state: ModelsPageState, model: InstalledModel, before: dict[str, str]) -> None:
    # After any change, of another tab too, the key is a new one: a click undoes what its button said, nothing else.
    if before and st.button(
        plain(f"Undo: {describe_undo(before)}"),
        icon=":material/undo:",
        key=state.widget_key(f"undo-{model.name}-{describe_undo(before)}"),
        help="Takes back the last change of this model, with all that it changed.",
    ):
        _change(state, lambda: undo_last_change(model.name, ONE_CLICK), "The change was undone.")


def _offer_rollback(state: ModelsPageState, model: InstalledModel, previous: str) -> None:
    if st.button(
        f"Roll back to {plain(previous)}",
        icon=":material/history:",
        key=state.widget_key(f"back-{model.name}-{previous}"),
    ):
        _change(
            state,
            lambda: roll_back(model.name, ONE_CLICK, previous),
            f"{model.name} {previous} is now the active version.",
        )


def _offer_activation(state: ModelsPageState, model: InstalledModel) -> None:
    others = {
        version.name: version
        for version in reversed(model.versions)
        if not version.is_active and version.card is not None
    }
    if not others:
        return
    label = "Activate another version" if model.active else "Activate"
    key = state.widget_key(f"another-{model.name}")
    with st.popover(label, icon=":material/swap_horiz:", key=key):
        name = st.selectbox("Version", others, key=state.widget_key(f"version-{model.name}"))
        version = others[name]
        refusal = describe_refusal(model.name, version.card) if version.card else ""
        if refusal:
            st.warning(plain(f"{refusal}."))
            return
        st.caption(plain(_describe_activation(model, version)))
        reason = _ask_reason(state, f"use-{model.name}", f"Activate {name}")
        if reason:
            _change(
                state,
                lambda: activate_version(model.name, name, reason),
                f"{model.name} {name} is now the active version. {_describe_replaced(model, version)}".strip(),
            )


def _describe_activation(model: InstalledModel, version: Version) -> str:
    sentences = ["Films read from now on are read with it. Earlier results do not change."]
    if isinstance(version.card, SegmenterCard):
        sentences.append("Only one model segments films: another one is retired.")
    else:
        sentences.append(_describe_replaced(model, version))
    if version.imported:
        sentences.append("It came from a zip file: the gate has not compared it with others here.")
    return " ".join(filter(None, sentences))


def _describe_replaced(model: InstalledModel, version: Version) -> str:
    return describe_replaced(model.name, version.card) if version.card else ""


def _offer_retirement(state: ModelsPageState, model: InstalledModel) -> None:
    if model.active is None:
        return
    key = state.widget_key(f"retire-{model.name}")
    with st.popover("Retire", icon=":material/block:", key=key):
        st.caption("No film is read with this model until a version of it is activated again.")
        reason = _ask_reason(state, f"retire-now-{model.name}", f"Retire {model.name}")
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
    key = f"delete-{state.widget_key(f'remove-{model.name}')}"
    with st.popover("Remove a version", icon=":material/delete:", key=key):
        key = state.widget_key(f"removed-version-{model.name}")
        version = st.selectbox("Version to remove", removable, key=key)
        st.caption("Its files are deleted. This cannot be undone: export it first to keep it.")
        reason = _ask_reason(
            state, f"remove-for-good-{model.name}", f"Remove {version} for good", deletes=True
        )
        if reason:
            if len(model.versions) == 1:  # the address must not name a model that is gone
                st.query_params.pop(PARAMETER, None)
            _change(
                state,
                lambda: remove_version(model.name, version, reason),
                f"{model.name} {version} was removed.",
            )


def _ask_reason(state: ModelsPageState, name: str, label: str, deletes: bool = False) -> str:
    """The reason for a change once its button has been clicked; empty before. deletes: the button is red."""
    reason = st.text_input(
        "Reason",
        key=state.widget_key(f"why-{name}"),
        max_chars=500,
        placeholder="Kept in the history",
    ).strip()
    if not reason:
        st.caption("Enter a reason first.")
    key = state.widget_key(name)
    if deletes:  # as the style sheet knows it
        key = f"sure-delete-{key}"
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
