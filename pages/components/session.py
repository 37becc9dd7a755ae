"""What one browser tab holds: its study, and what it looks at elsewhere. The only place of `st.session_state`.

A study may hold hundreds of films, so it keeps what the models said of each, and pixels of the few shown last only.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pages.components.models.page_state import Counter
from pages.components.process_memory import give_back
from pages.components.training.page_state import Desk

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.data.selection import Selection
    from cxr_core.reading.cardiothoracic.contours import Line
    from cxr_core.reading.results import Examination
    from pages.components.evaluation.page_state import Visit

FILMS_IN_MEMORY = 2  # films kept with their pixels, for going back and forth
BYTES_IN_MEMORY = 48 << 20  # of a study's files; of films beyond it a compressed copy is kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One film of the study; its examination is a light one, without pixels and features."""

    key: str  # Streamlit's file id, never the file's name
    name: str  # as the browser sent it: show it as plain text only
    data: bytes  # the file, or a compressed copy of its film; empty when there is no film to show
    compressed: bool = False
    examination: "Examination"

    @property
    def drawn(self) -> bool:
        """Whether this is one of the program's own drawings."""
        return any(concern.code == "drawing" for concern in self.examination.concerns)


@dataclass(kw_only=True, eq=False)
class Shown:
    """A film being looked at: its whole examination, its picture, the maps asked for by (model, finding, method)."""

    examination: "Examination"
    picture: str  # base64 of a PNG
    maps: dict[tuple[str, str, str], "Evidence"] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Study:
    """The films of one tab, and which of them is being looked at."""

    generation: int = 0  # part of every widget's key here: with a new one they start empty
    takings: int = 0  # how often the uploader was emptied
    entries: dict[str, Entry] = field(default_factory=dict)
    chosen: str | None = None
    choices: int = (
        0  # how often the page, not the reader, chose: the worklist then starts from that choice
    )
    shown: OrderedDict[str, Shown] = field(default_factory=OrderedDict)
    ends: "dict[str, tuple[Line, Line]]" = field(
        default_factory=dict
    )  # of heart and thorax, set by hand, by entry
    by_hand: set[str] = field(
        default_factory=set
    )  # films without a measurement whose reader asked to make one

    def add(self, entry: Entry) -> None:
        """Take in a film."""
        self.entries[entry.key] = entry

    def has_room(self, size: int) -> bool:
        """Whether a file of so many bytes can be kept as it is."""
        return size + sum(len(entry.data) for entry in self.entries.values()) <= BYTES_IN_MEMORY

    def choose(self, key: str) -> None:
        """Look at this film next, whatever row of the worklist is marked."""
        self.chosen = key
        self.choices += 1

    def undo_ends(self, key: str) -> None:
        """Drop the ends that a hand has set on a film."""
        self.ends.pop(key, None)

    def forget(self, keys: set[str]) -> None:
        """Drop films and everything known of them."""
        for key in keys:
            self.entries.pop(key, None)
            self.shown.pop(key, None)
            self.undo_ends(key)
            self.by_hand.discard(key)
        if self.chosen in keys:
            self.chosen = None

    def clear(self) -> None:
        """Forget every film, and what the widgets hold: they all start anew.

        In place: Streamlit keeps the session's former values, and callbacks, until its next run.
        """
        self.generation += 1
        self.forget(set(self.entries))
        give_back()

    def keep_shown(self, key: str, shown: Shown) -> None:
        """Hold a film's pixels until others have been shown after it."""
        self.shown[key] = shown
        self.shown.move_to_end(key)
        while len(self.shown) > FILMS_IN_MEMORY:
            self.shown.popitem(last=False)

    @property
    def inbox(self) -> str:
        """The key of the uploader, another one each time it was emptied."""
        return self.widget(f"inbox-{self.takings}")

    def empty_inbox(self, uploads: Sequence[UploadedFile]) -> None:
        """Let Streamlit forget its own copies of files taken in.

        It would keep them until the tab is closed, and copy them all at every rerun.
        """
        self.takings += 1
        context = get_script_run_ctx()
        manager = context.uploaded_file_mgr if context else None
        if context is not None and isinstance(manager, MemoryUploadedFileManager):
            for upload in uploads:
                manager.remove_file(session_id=context.session_id, file_id=upload.file_id)
        give_back()

    def widget(self, name: str) -> str:
        """The key of one of this study's widgets."""
        return f"{name}-{self.generation}"


@dataclass(kw_only=True, eq=False)
class Exploration:
    """Which dataset a tab looks at, and which films of it. No film is kept here."""

    dataset: str | None = None
    selection: "Selection | None" = None  # None: every film
    listed: bool = False  # every film listed, not only those that can be used
    seed: int | None = None  # of the shuffled order; None: the table's own order
    view: str = "Doctor"
    film: str | None = None  # the one looked at closely
    opening: bool = False  # it was asked for, and is not on the screen yet
    clicked: str | None = None  # the chart whose bar was clicked last
    unmarked: dict[str, int] = field(default_factory=dict)  # how often each chart lost its mark
    turns: int = 0  # part of the keys of widgets: with another they start from what is said here
    started: set[tuple[str, ...]] = field(
        default_factory=set
    )  # folders whose preparation this tab began

    def turn_to(self, dataset: str) -> None:
        """Look at another dataset, from its start."""
        self.dataset, self.view, self.listed = dataset, "Doctor", False
        self.look_at(None)

    def look_at(self, selection: "Selection | None", clicked: str | None = None) -> None:
        """Look at these films; the filter's fields follow, and no other chart stays marked."""
        if self.clicked is not None and self.clicked != clicked:
            self.unmarked[self.clicked] = self.unmarked.get(self.clicked, 0) + 1
        self.selection, self.clicked = selection, clicked
        self.turns += 1

    def open_film(self, image: str) -> None:
        """Look closely at a film."""
        self.film, self.opening = image, True

    def explore(self, selection: "Selection | None") -> None:
        """Turn from the doctor's words to these films, whatever their status."""
        self.view, self.listed = "Explore", True
        self.look_at(selection)

    def widget(self, name: str) -> str:
        """The key of a widget that follows what is said here."""
        return f"data-{name}-{self.turns}"


def visit() -> "Visit":
    """What this tab looks at on the Evaluate page."""
    if "visit" not in st.session_state:
        from pages.components.evaluation.page_state import Visit

        st.session_state["visit"] = Visit()
    found: Visit = st.session_state["visit"]
    return found


def exploration() -> Exploration:
    """What this tab looks at on the Data page."""
    if "exploration" not in st.session_state:
        st.session_state["exploration"] = Exploration()
    found: Exploration = st.session_state["exploration"]
    return found


def counter() -> Counter:
    """What this tab did last on the Models page."""
    if "counter" not in st.session_state:
        st.session_state["counter"] = Counter()
    found: Counter = st.session_state["counter"]
    return found


def desk() -> Desk:
    """What this tab holds on the Train page."""
    if "desk" not in st.session_state:
        st.session_state["desk"] = Desk()
    found: Desk = st.session_state["desk"]
    return found


def chosen_rows(table_key: str) -> tuple[int, ...]:
    """The rows that are marked in a table."""
    rows = ((st.session_state.get(table_key) or {}).get("selection") or {}).get("rows") or []
    return tuple(row for row in rows if isinstance(row, int))


def clicked_place(gallery_key: str) -> int | None:
    """The place of the film that was just clicked in a gallery."""
    place: Any = (st.session_state.get(gallery_key) or {}).get("opened")
    return place if isinstance(place, int) else None


def clicked_point(chart_key: str) -> tuple[int, int] | None:
    """The trace and the point in it that are marked in a chart; None when none is."""
    points = ((st.session_state.get(chart_key) or {}).get("selection") or {}).get("points") or []
    if not points:
        return None
    point = points[-1]
    return int(point.get("curve_number", -1)), int(point.get("point_index", -1))


def study() -> Study:
    """This tab's study, empty at first."""
    if "study" not in st.session_state:
        st.session_state["study"] = Study()
    found: Study = st.session_state["study"]
    return found


def chosen_method(viewer_key: str, default: str) -> str:
    """The heatmap method that was chosen in the viewer of that key."""
    state = st.session_state.get(viewer_key) or {}
    method: str = state.get("method") or default
    return method


@dataclass(frozen=True, kw_only=True)
class MovedEnds:
    """Ends of both diameters as the viewer sent them last. film: the id it was given; serial: grows with each move."""

    film: str
    serial: int
    heart: "Line"
    thorax: "Line"


def moved_ends(viewer_key: str) -> MovedEnds | None:
    """The ends that were moved last in the viewer of that key; None when none were, or when they are no points."""
    sent: Any = (st.session_state.get(viewer_key) or {}).get("ends")
    if not isinstance(sent, Mapping) or not isinstance(sent.get("serial"), int):
        return None
    heart, thorax = _line(sent.get("heart")), _line(sent.get("thorax"))
    if heart is None or thorax is None:
        return None
    return MovedEnds(film=str(sent.get("film")), serial=sent["serial"], heart=heart, thorax=thorax)


def _line(sent: Any) -> "Line | None":
    try:
        (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in sent)
    except (TypeError, ValueError):
        return None
    return ((x0, y0), (x1, y1)) if all(map(math.isfinite, (x0, y0, x1, y1))) else None


def fill_field(key: str, value: float) -> None:
    """Have a field show this value; before the field is drawn. What it already shows is left alone, typing and all."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def begin_field(key: str, value: object) -> None:
    """Have a field begin with this value, unless it is there already; a number's field can then be emptied."""
    if key not in st.session_state:
        st.session_state[key] = value


def field_value(key: str) -> float | None:
    """What was entered in a field; None when it was emptied."""
    value: float | None = st.session_state.get(key)
    return value
