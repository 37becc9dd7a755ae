"""What one browser tab holds on the Read page: the films of its study, and which of them is displayed.

A study may hold hundreds of films. So it keeps the models' results for each film, and pixels only for the few films
that were displayed last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cxr_core.workspace.malloc import erase_freed_memory, release_freed_memory
from pages.components.streamlit_internals import UploadedFile, release_uploads

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.reading.cardiothoracic.contours import Line
    from cxr_core.reading.patient import Patient
    from cxr_core.reading.results import Attribution, Examination

FILMS_IN_MEMORY = 2  # films kept with their pixels, for going back and forth
BYTES_IN_MEMORY = 48 << 20  # of a study's files; of films beyond it a compressed copy is kept


@dataclass(kw_only=True, eq=False)
class StudyEntry:
    """One film of the study. Its examination has been stripped of pixels and features."""

    key: str  # Streamlit's file id, never the file's name
    name: str  # as the browser sent it: display it as plain text only
    data: (
        bytes  # the file, or a compressed copy of its film; empty when there is no film to display
    )
    compressed: bool = False
    examination: Examination

    @property
    def is_drawing(self) -> bool:
        """Whether this is one of the program's own drawings."""
        return any(concern.code == "drawing" for concern in self.examination.concerns)

    def forget(self) -> None:
        """Drop the file, its name and its results here too: Streamlit keeps callbacks, and with them this entry."""
        self.name, self.data = "", b""
        self.examination = _without_results(self.examination)


@dataclass(kw_only=True, eq=False)
class DisplayedFilm:
    """A film with its full examination, its picture and the heatmaps computed on request."""

    examination: Examination
    picture: str  # base64 of a PNG
    maps: dict[tuple[str, str, str], Attribution] = field(default_factory=dict)
    # the key is (model, finding, method)

    def forget(self) -> None:
        """Drop the pixels here too: the callbacks of download buttons hold this object."""
        self.picture = ""
        self.maps.clear()
        self.examination = _without_results(self.examination)


@dataclass(kw_only=True, eq=False)
class ReadPageState:
    """The films of one tab's study, and which of them is displayed."""

    generation: int = 0  # part of every widget's key: a new generation starts with empty widgets
    entries: dict[str, StudyEntry] = field(default_factory=dict)
    examined_uploads: set[str] = field(default_factory=set)  # file ids, of removed films too
    chosen_key: str | None = None
    # What the user entered for a film, by entry; None in it was not entered.
    patients: dict[str, Patient] = field(default_factory=dict)
    page_choices: int = 0  # counts choices by the page, not the reader: the worklist then restarts
    displayed: OrderedDict[str, DisplayedFilm] = field(default_factory=OrderedDict)
    # Endpoints of the heart's and the thorax's diameter that the reader has edited, by entry.
    edited_ends: dict[str, tuple[Line, Line]] = field(default_factory=dict)
    # Entries without an automatic measurement that the reader wants to measure by hand.
    manual_requests: set[str] = field(default_factory=set)

    def add_entry(self, entry: StudyEntry) -> None:
        """Add a film to the study."""
        self.entries[entry.key] = entry
        self.examined_uploads.add(entry.key)

    def has_room(self, size: int) -> bool:
        """Whether a file of `size` bytes can be kept as it is."""
        return size + sum(len(entry.data) for entry in self.entries.values()) <= BYTES_IN_MEMORY

    def choose_entry(self, key: str) -> None:
        """Display this film next, whichever row of the worklist is selected."""
        self.chosen_key = key
        self.page_choices += 1

    def discard_edited_ends(self, key: str) -> None:
        """Go back to the automatic endpoints of a film."""
        self.edited_ends.pop(key, None)

    def remove_entries(self, keys: set[str]) -> None:
        """Remove films and everything known about them."""
        for key in keys:
            for films in (self.entries, self.displayed):
                film = films.pop(key, None)
                if film is not None:
                    film.forget()
            self.patients.pop(key, None)
            self.discard_edited_ends(key)
            self.manual_requests.discard(key)
        if self.chosen_key in keys:
            self.chosen_key = None

    def clear_study(self) -> None:
        """Remove every film and empty all widgets.

        In place: Streamlit keeps references to the session's former values, and to callbacks, until its next run.
        """
        self.generation += 1
        self.remove_entries(set(self.entries))
        self.examined_uploads.clear()
        erase_freed_memory()

    def keep_displayed(self, key: str, film: DisplayedFilm) -> None:
        """Hold a film's pixels until others have been displayed after it."""
        self.displayed[key] = film
        self.displayed.move_to_end(key)
        while len(self.displayed) > FILMS_IN_MEMORY:
            self.displayed.popitem(last=False)

    @property
    def uploader_key(self) -> str:
        """The key of the uploader: one until the study is cleared.

        A new one after every film would lose those that are still on their way to the old one.
        """
        return self.widget_key("uploader")

    def release_uploads(self, uploads: Iterable[UploadedFile]) -> None:
        """Make Streamlit drop its copies of files that were read."""
        release_uploads(uploads)
        release_freed_memory()

    def widget_key(self, name: str) -> str:
        """The key of one of this study's widgets."""
        return f"{name}-{self.generation}"


def _without_results(examination: Examination) -> Examination:
    return replace(
        examination, sha256="", film=None, concerns=(), outputs=(), segmentation=None, seconds=0.0
    )
