"""A table whose rows can be selected; a click means the row that the browser showed, whatever the list holds now."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.components import session


def show_selectable_rows(
    rows: Any,
    ids: Sequence[str],
    selected: Sequence[str],
    *,
    key: str,
    on_select: Callable[[tuple[str, ...]], None],
    **options: Any,
) -> None:
    """Show a table with these rows selected. A click calls `on_select` with the ids of the rows that are selected then.

    ids: what each row stands for.  options: further arguments of `st.dataframe`.

    The browser sends row numbers. A click may be on its way while the list changes, so the ids are part of the widget's
    key, and its callback keeps the ids that this very table was drawn with.
    """
    shown_ids = tuple(ids)
    table_key = f"{key}-{_digest(shown_ids)}"
    selected_rows = [row for row, each in enumerate(shown_ids) if each in selected]
    if set(session.selected_rows(table_key)) != set(selected_rows):
        session.set_field_value(table_key, {"selection": {"rows": selected_rows}})

    def store() -> None:
        picked = set(session.selected_rows(table_key))
        on_select(tuple(each for row, each in enumerate(shown_ids) if row in picked))

    st.dataframe(
        rows,
        key=table_key,
        hide_index=True,
        selection_mode="multi-row",
        on_select=store,
        **options,
    )


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode("utf-8", "surrogateescape")).hexdigest()[:16]
