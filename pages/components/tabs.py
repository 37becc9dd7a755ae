"""Tabs of a page of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import streamlit as st

from pages.components.error_boundary import show_errors
from pages.components.session import field_text, set_field_value


class HasTab(Protocol):
    """What a browser tab shows on a page. tab: the name of the page's tab that is open; it may be set to open one."""

    tab: str


def show_tabs(state: HasTab, contents: Mapping[str, Callable[[], None]], key: str) -> None:
    """The tabs by their names; the open one's content is shown, and its errors within it.

    The name is kept in `state` and not in the widget's `default`: a tab widget that gets another default forgets what
    its reader chose.
    """

    def keep_choice() -> None:
        state.tab = field_text(key)

    set_field_value(key, state.tab)
    tabs = st.tabs(list(contents), key=key, on_change=keep_choice)
    for show, tab in zip(contents.values(), tabs, strict=True):
        if tab.open:
            with tab, show_errors():
                show()
