"""What one browser tab holds on the Read page: the films of its study, and which of them is displayed.

A study may hold hundreds of films. So it keeps the models' results for each film, its file (or a compressed copy),
pictures for the viewer within PICTURE_BYTES, and the models' features only for the few films that were read last.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cxr_core.presentation.wording import format_count
from cxr_core.workspace.malloc import erase_soon
from pages.components.feedback.page_state import FeedbackState
from pages.components.pacs.page_state import OpenStudy, PacsState, SentResults, UnsentResults

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.dicom_io.header import FilmHeader
    from cxr_core.reading.cardiothoracic.contours import Line
    from cxr_core.reading.patient import Patient
    from cxr_core.reading.results import Attribution, Examination, ModelOutput

FILMS_WITH_FEATURES = 2  # films of which any heatmap can be made without reading them again
PICTURE_BYTES = 12 << 20  # of a study's pictures for the viewer; a film beyond it is decoded again
BYTES_IN_MEMORY = 48 << 20  # of a study's files; of films beyond it a compressed copy is kept
UNDO_S = 30.0  # how long removed films can be brought back; then they leave the memory


@dataclass(kw_only=True, eq=False)
class StudyEntry:
    """One film of the study. Its examination has been stripped of pixels and features."""

    key: str  # Streamlit's file id, never the file's name
    name: str  # as the browser sent it: display it as plain text only
    data: (
        bytes  # the file, or a compressed copy of its film; empty when there is no film to display
    )
    compressed: bool = False
    thumbnail: str = ""  # base64 of a JPEG
    outlines_only: bool = False  # of a drawing that the models cannot be expected to read
    examination: Examination

    @property
    def is_drawing(self) -> bool:
        """Whether this is one of the program's own drawings."""
        return any(concern.code == "drawing" for concern in self.examination.concerns)

    def forget(self) -> None:
        """Drop the file, its name and its results here too: Streamlit keeps callbacks, and with them this entry."""
        self.name, self.data, self.thumbnail = "", b"", ""
        self.examination = _without_results(self.examination)


@dataclass(kw_only=True, eq=False)
class Films:
    """Films of a study, in their order, and all that the reader has entered about them, by entry."""

    entries: dict[str, StudyEntry] = field(default_factory=dict)
    # Base64 of PNGs for the viewer; the one that was displayed last is the last one.
    pictures: OrderedDict[str, str] = field(default_factory=OrderedDict)
    # The models' outputs with their features; those of the film that was read last are the last ones.
    outputs: OrderedDict[str, tuple[ModelOutput, ...]] = field(default_factory=OrderedDict)
    # Heatmaps other than the exact ones, which the examinations have, by (model, finding, method).
    maps: dict[str, dict[tuple[str, str, str], Attribution]] = field(default_factory=dict)
    # What the user entered for a film; None in it was not entered.
    patients: dict[str, Patient] = field(default_factory=dict)
    # Endpoints of the heart's and the thorax's diameter that the reader has edited.
    edited_ends: dict[str, tuple[Line, Line]] = field(default_factory=dict)
    # Whether probabilities rest on the edited ratio, where there is one.
    uses_edited_ratio: dict[str, bool] = field(default_factory=dict)
    # Entries without an automatic measurement that the reader wants to measure by hand.
    manual_requests: set[str] = field(default_factory=set)
    read_marks: set[str] = field(default_factory=set)  # entries that the reader is done with
    # Of films from an archive: their study.
    open_studies: dict[str, OpenStudy] = field(default_factory=dict)
    # Of DICOM films of which only a compressed copy is kept: where results belong.
    headers: dict[str, FilmHeader] = field(default_factory=dict)
    # What was sent to an archive last, and what an archive has not taken.
    sent: dict[str, SentResults] = field(default_factory=dict)
    unsent: dict[str, UnsentResults] = field(default_factory=dict)

    def take_out(self, keys: set[str]) -> Films:
        """Remove films with all that belongs to them, and give them."""
        taken = Films()
        for ours, theirs in zip(self._tables(), taken._tables(), strict=True):
            theirs.update({key: ours.pop(key) for key in list(ours) if key in keys})
        for own, taken_marks in zip(self._marks(), taken._marks(), strict=True):
            taken_marks.update(own & keys)
            own.difference_update(keys)
        return taken

    def put_back(self, films: Films, order: list[str]) -> None:
        """Add films that were taken out. order: of all entries before; later ones stay behind them."""
        for ours, theirs in zip(self._tables(), films._tables(), strict=True):
            ours.update(theirs)
        for own, their_marks in zip(self._marks(), films._marks(), strict=True):
            own.update(their_marks)
        places = {key: place for place, key in enumerate(order)}
        entries = sorted(self.entries.items(), key=lambda item: places.get(item[0], len(places)))
        self.entries.clear()
        self.entries.update(entries)

    def forget(self) -> None:
        """Drop all of it, in place: Streamlit keeps references to callbacks until its next run."""
        for entry in self.entries.values():
            entry.forget()
        for table in self._tables():
            table.clear()
        for own in self._marks():
            own.clear()

    def _marks(self) -> tuple[set[str], ...]:
        return (self.manual_requests, self.read_marks)

    def _tables(self) -> tuple[dict[str, Any], ...]:
        return (
            self.entries,
            self.pictures,
            self.outputs,
            self.maps,
            self.patients,
            self.edited_ends,
            self.uses_edited_ratio,
            self.open_studies,
            self.headers,
            self.sent,
            self.unsent,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RemovedFilms:
    """Films that were removed, until `deadline` on the monotonic clock. name: what they are called in a sentence."""

    films: Films
    name: str
    order: list[str]
    chosen_key: str | None
    generation: int
    deadline: float


@dataclass(kw_only=True, eq=False)
class ReadPageState(Films):
    """The films of one tab's study, and which of them is displayed."""

    generation: int = 0  # part of every widget's key: a new generation starts with empty widgets
    examined_uploads: set[str] = field(default_factory=set)  # file ids, of removed films too
    # What the site's statistics have already: (entry, "film"), and (entry, model, finding) of each verdict.
    watched: set[tuple[str, ...]] = field(default_factory=set)
    chosen_key: str | None = None
    prior_key: str | None = None  # the film to compare with; it may be the chosen one, or gone
    removed: RemovedFilms | None = None
    sidebar: dict[str, object] = field(default_factory=dict)  # what its fields hold, by their keys
    pacs: PacsState = field(default_factory=PacsState)
    feedback: FeedbackState = field(default_factory=FeedbackState)
    study_token: str = ""  # with which a reloaded tab finds this study again
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_entry(self, entry: StudyEntry) -> None:
        """Add a film to the study."""
        self.entries[entry.key] = entry
        self.examined_uploads.add(entry.key)

    def has_room(self, size: int) -> bool:
        """Whether a file of `size` bytes can be kept as it is."""
        return size + sum(len(entry.data) for entry in self.entries.values()) <= BYTES_IN_MEMORY

    def choose_entry(self, key: str) -> None:
        """Display this film next."""
        self.chosen_key = key

    def compare_with(self, key: str | None) -> None:
        """Set this film beside the one on display, as its prior film; None ends the comparison."""
        self.prior_key = key

    def swap_with_prior(self) -> None:
        """Make the prior film the one on display, and that one the prior film."""
        if self.prior_key is not None:
            self.chosen_key, self.prior_key = self.prior_key, self.chosen_key

    def toggle_read_mark(self, key: str) -> None:
        """Mark a film as read, or take the mark away."""
        self.read_marks ^= {key}

    def discard_edited_ends(self, key: str) -> None:
        """Go back to the automatic endpoints of a film, and to what rests on them."""
        self.edited_ends.pop(key, None)
        self.uses_edited_ratio.pop(key, None)

    def remove_entries(self, keys: set[str]) -> None:
        """Remove films and everything known about them; `undo_removal` brings them back within UNDO_S."""
        names = [entry.name for key, entry in self.entries.items() if key in keys]
        name = names[0] if len(names) == 1 else format_count(len(names), "films")
        self._remove(keys, name, self.generation)

    def clear_study(self) -> None:
        """Remove every film and empty all widgets; `undo_removal` brings them back within UNDO_S."""
        before = self.generation
        self.generation += 1
        self.pacs.forget()
        self.feedback.forget_films()
        count = len(self.entries)
        self._remove(set(self.entries), "the study" if count > 1 else "the film", before)

    def undo_removal(self) -> None:
        """Bring back what was removed last; does nothing once it is gone."""
        removed = self._take_removed()
        if removed is None:
            return
        self.put_back(removed.films, removed.order)
        self.generation = removed.generation
        if removed.chosen_key is not None:
            self.choose_entry(removed.chosen_key)

    def drop_undo(self) -> None:
        """Let what was removed last leave the memory for good."""
        removed = self._take_removed()
        if removed is not None:
            removed.films.forget()
            erase_soon()

    def forget_study(self) -> None:
        """Let every film leave the memory for good, and what was removed before."""
        self.generation += 1
        self.pacs.forget()
        self.feedback.forget_films()
        self.drop_undo()
        self.forget()
        self.examined_uploads.clear()
        self.watched.clear()
        self.sidebar.clear()
        erase_soon()

    def count_bytes(self) -> int:
        """The memory that the films take, without their results."""
        return sum(len(entry.data) for entry in self.entries.values()) + self._count_picture_bytes()

    def _remove(self, keys: set[str], name: str, generation: int) -> None:
        self.drop_undo()
        if not keys:
            return
        order, chosen = list(self.entries), self.chosen_key
        self.removed = RemovedFilms(
            films=self.take_out(keys),
            name=name,
            order=order,
            chosen_key=chosen if chosen in keys else None,
            generation=generation,
            deadline=time.monotonic() + UNDO_S,
        )
        if chosen in keys:
            self.chosen_key = None
        timer = threading.Timer(UNDO_S, self._drop_expired)
        timer.daemon = True
        timer.start()

    def _take_removed(self) -> RemovedFilms | None:
        """What was removed last, given once: to the reader who wants it back, or to the timer that drops it."""
        with self._lock:
            removed, self.removed = self.removed, None
            return removed

    def _drop_expired(self) -> None:
        if self.removed is not None and time.monotonic() >= self.removed.deadline:
            self.drop_undo()

    @property
    def has_room_for_pictures(self) -> bool:
        """Whether another picture need not take the place of one that was displayed before it."""
        return self._count_picture_bytes() < PICTURE_BYTES

    def keep_picture(self, key: str, picture: str) -> None:
        """Hold the picture of the film that is displayed now; beyond PICTURE_BYTES the least recent ones leave."""
        self.pictures[key] = picture
        self.pictures.move_to_end(key)
        while len(self.pictures) > 1 and self._count_picture_bytes() > PICTURE_BYTES:
            self.pictures.popitem(last=False)

    def keep_outputs(self, key: str, outputs: tuple[ModelOutput, ...]) -> None:
        """Hold a film's outputs with their features until others have been read after it."""
        self.outputs[key] = outputs
        self.outputs.move_to_end(key)
        while len(self.outputs) > FILMS_WITH_FEATURES:
            self.outputs.popitem(last=False)

    def drop_pictures(self) -> None:
        """Let go of what can be made again from the files: the pictures and the features."""
        self.pictures.clear()
        self.outputs.clear()

    def _count_picture_bytes(self) -> int:
        return sum(map(len, self.pictures.values()))

    @property
    def uploader_key(self) -> str:
        """The key of the uploader: one until the study is cleared.

        A new one after every film would lose those that are still on their way to the old one.
        """
        return self.widget_key("uploader")

    def widget_key(self, name: str) -> str:
        """The key of one of this study's widgets."""
        return f"{name}-{self.generation}"


def _without_results(examination: Examination) -> Examination:
    return replace(
        examination, sha256="", film=None, concerns=(), outputs=(), segmentation=None, seconds=0.0
    )
