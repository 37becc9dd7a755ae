"""Putting another version of a model to use, with a reason."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.in_use import roll_back, use
from pages.components.markdown import plain
from pages.components.models.counter import Counter
from pages.components.models.shelf import Model

WHY = "Kept in the log of changes"


def offer_changes(counter: Counter, model: Model) -> None:
    """Roll back in a click and a reason, or choose any other version; nothing is offered where there is only one."""
    others = [each.name for each in reversed(model.versions) if not each.used]
    if not others:
        st.caption("It has this one version, so there is none to go back to. Published runs come beside it.")
        return
    with st.container(horizontal=True, gap="small"):
        if model.below is not None:
            # With the turn in its key it is another one once something was done, and so is closed.
            label, key = f"Roll back to {plain(model.below.name)}", counter.widget(f"back-to-{model.name}")
            with st.popover(label, icon=":material/undo:", key=key):
                _ask(counter, model, model.below.name, back=True)
        key = counter.widget(f"another-{model.name}")
        with st.popover("Use another version", icon=":material/swap_horiz:", key=key):
            wanted = st.selectbox("Version", others, key=counter.widget(f"version-{model.name}"))
            _ask(counter, model, wanted, back=False)


def _ask(counter: Counter, model: Model, version: str, *, back: bool) -> None:
    name = f"{'back' if back else 'use'}-{model.name}"
    st.caption("Films read from now on are read with it; readings that are made are not changed.")
    note = st.text_input("Why", key=counter.widget(f"why-{name}"), max_chars=500, placeholder=WHY).strip()
    label = f"Roll back to {plain(version)}" if back else f"Use {plain(version)}"
    clicked = st.button(label, key=counter.widget(name), type="primary", disabled=not note)
    if not note:
        st.caption("Not yet: say why.")
    if clicked:
        try:
            change = roll_back(model.name, note, version) if back else use(model.name, version, note)
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return
        counter.tell(f"{model.name} {change.name} is in use.")
        st.rerun()
