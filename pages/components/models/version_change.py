"""Putting another version of a model to use: the one before in one click, any other with a reason."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import roll_back, use
from pages.components.markdown import plain
from pages.components.models.installed_models import Model
from pages.components.models.page_state import Counter

WHY = "Kept in the log of changes"
ONE_CLICK = (
    "one click on the Models page"  # the reason on record; going back must not wait for words
)


def offer_changes(counter: Counter, model: Model) -> None:
    """Roll back in one click, or choose any other version; nothing is offered where there is only one."""
    others = [each.name for each in reversed(model.versions) if not each.used]
    if not others:
        st.caption(
            "It has this one version, so there is none to go back to. Published runs come beside it."
        )
        return
    back = None if model.below is None else model.below.name
    with st.container(horizontal=True, gap="small"):
        # With the turn in its key it is another one once something was done: a second click does not go back further.
        if back and st.button(
            f"Roll back to {plain(back)}",
            icon=":material/undo:",
            key=counter.widget(f"back-{model.name}"),
        ):
            _change(counter, model, lambda: roll_back(model.name, ONE_CLICK, back))
        key = counter.widget(f"another-{model.name}")
        with st.popover("Use another version", icon=":material/swap_horiz:", key=key):
            wanted = st.selectbox("Version", others, key=counter.widget(f"version-{model.name}"))
            _ask(counter, model, wanted)


def _ask(counter: Counter, model: Model, version: str) -> None:
    name = f"use-{model.name}"
    st.caption("Films read from now on are read with it; readings that are made are not changed.")
    note = st.text_input(
        "Why", key=counter.widget(f"why-{name}"), max_chars=500, placeholder=WHY
    ).strip()
    if not note:
        st.caption("Not yet: say why.")
    if st.button(
        f"Use {plain(version)}", key=counter.widget(name), type="primary", disabled=not note
    ):
        _change(counter, model, lambda: use(model.name, version, note))


def _change(counter: Counter, model: Model, make: Callable[[], Path]) -> None:
    try:
        now_used = make()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    counter.tell(f"{model.name} {now_used.name} is in use.")
    st.rerun()
