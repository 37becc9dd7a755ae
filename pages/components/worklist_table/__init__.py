"""A list of films in which one is chosen: thumbnails, a filter, keys, and a mark for those that were read.

Text from files is set as text in the browser, never as HTML.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from pages.components.session import sent_text

HERE = Path(__file__).parent
Tone = Literal["present", "absent", "indeterminate", "none", ""]

_mount_component = st.components.v2.component(
    "silhouette.worklist",
    html=(HERE / "worklist.html").read_text(encoding="utf-8"),
    css=(HERE / "worklist.css").read_text(encoding="utf-8"),
    js=(HERE / "worklist.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value. tone: the call that its colour stands for; empty for plain text."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class WorklistRow:
    """One film. cells: the first is its name.  note: a line below the name.  jpeg: base64, or empty."""

    key: str
    jpeg: str
    cells: tuple[Cell, ...]
    note: str = ""
    suspected: bool = False
    read: bool = False


def show_worklist(
    columns: Sequence[str],
    rows: Sequence[WorklistRow],
    chosen: str,
    key: str,
    on_choose: Callable[[str], None],
    on_mark: Callable[[str], None],
) -> None:
    """Show the list. on_choose and on_mark are called with a row's key, before the run that follows.

    columns: of the cells.  chosen: the key of the film on display.
    """
    known = {row.key for row in rows}

    def answer(name: str, callback: Callable[[str], None]) -> Callable[[], None]:
        def call() -> None:
            sent = sent_text(key, name)
            if sent in known:
                callback(sent)

        return call

    _mount_component(
        key=key,
        data={"columns": list(columns), "rows": [asdict(row) for row in rows], "chosen": chosen},
        on_chosen_change=answer("chosen", on_choose),
        on_marked_change=answer("marked", on_mark),
    )
