"""A table whose rows are selected by a click or by keys, and sorted by a click on the head of a column.

Each row has an id of its own, so that a click means the row that the browser showed, whatever the list holds by the
time it arrives. Text from files is set as text in the browser, never as HTML.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from pages.components.session import sent_selection, sent_text

HERE = Path(__file__).parent

_mount_component = st.components.v2.component(
    "silhouette.selectable_table",
    html=(HERE / "table.html").read_text(encoding="utf-8"),
    css=(HERE / "table.css").read_text(encoding="utf-8"),
    js=(HERE / "table.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """One column. help: shown at its head.  is_number: whether its cells are aligned at the right."""

    name: str
    help: str = ""
    is_number: bool = False


@dataclass(frozen=True, kw_only=True)
class Sorting:
    """The column that rows are sorted by, "" for none of them."""

    column: str = ""
    ascending: bool = False


@dataclass(frozen=True, kw_only=True)
class SelectableRow:
    """One row. cells: the first is its name."""

    id: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SelectableTable:
    """What a table shows. label: for screen readers.  limit: how many rows can be selected at once."""

    columns: tuple[TableColumn, ...]
    rows: tuple[SelectableRow, ...]
    label: str
    limit: int
    sorting: Sorting = Sorting()


def show_selectable_table(
    table: SelectableTable,
    selected: Sequence[str],
    key: str,
    on_select: Callable[[tuple[str, ...]], None],
    on_sort: Callable[[str], None],
) -> None:
    """Show a table with these rows selected; rows that it does not show may be among them.

    on_select: called with the ids of all rows that are selected after a click.  on_sort: called with the name of the
    column whose head was clicked.
    """
    names = {column.name for column in table.columns}

    def select() -> None:
        sent = sent_selection(key)
        if sent.serial:
            on_select(sent.ids)

    def sort() -> None:
        name = sent_text(key, "sorted")
        if name in names:
            on_sort(name)

    _mount_component(
        key=key,
        data={
            **asdict(table),
            "selected": list(selected),
            "answered": sent_selection(key).serial,
        },
        on_selection_change=select,
        on_sorted_change=sort,
    )
