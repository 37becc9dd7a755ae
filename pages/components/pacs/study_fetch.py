"""Fetches the films of a study in the background, as fast as they are read and no faster."""

import hashlib
import queue
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cxr_core.dicom_io.pacs.archive import Archive, ObjectReference, Study, find_priors
from cxr_core.dicom_io.pacs.open_archive import open_search_archive
from cxr_core.dicom_io.pacs.settings import PacsSettings
from cxr_core.errors import ArchiveError, Cancelled
from pages.components.background_tasks import BackgroundTask

FILMS_WAITING = 2  # in memory, until they are read; the archive is asked for no more meanwhile
GIVE_UP_S = 900.0  # how long a film waits to be read: its tab has gone then
POLL_S = 0.2


@dataclass(kw_only=True, repr=False)
class FetchedFilm:
    """A film from an archive, in the form of an upload. file_id: the same for the same film."""

    name: str
    file_id: str
    data: bytes

    def getvalue(self) -> bytes:
        """The bytes of the DICOM file."""
        return self.data


class StudyFetch:
    """The films of one study on their way into a tab.

    study: which one.  compare_with: the key of the film that it is to be a prior of; None to display it by itself.
    priors: earlier studies of the patient, known once all films are there.  read_keys: of the films that were read.
    """

    def __init__(
        self,
        settings: PacsSettings,
        study: Study,
        *,
        known: Iterable[str] = (),
        compare_with: str | None = None,
    ):
        """known: file ids of films that the tab has already."""
        self.study, self.compare_with = study, compare_with
        self.priors: tuple[Study, ...] = ()
        self.read_keys: list[str] = []
        self.total: int | None = None
        self._known, self._settings = frozenset(known), settings
        self._films: queue.Queue[FetchedFilm] = queue.Queue(FILMS_WAITING)
        self._current: FetchedFilm | None = None
        # Its key and label are of no patient: the task may show in the names of threads.
        self._task = BackgroundTask(f"fetch {secrets.token_hex(4)}", "a study", self._fetch)

    @property
    def error(self) -> str:
        """Why it ended early, in a sentence; empty otherwise."""
        return self._task.error

    def cancel(self) -> None:
        """Stop, and let go of the films."""
        self._task.cancel()
        self._current = None

    def take_film(self) -> FetchedFilm | None:
        """The film to be read next, again until `finish_film`; None when there is none for the moment."""
        if self._current is None:
            try:
                self._current = self._films.get(timeout=POLL_S)
            except queue.Empty:
                return None
        return self._current

    def finish_film(self) -> None:
        """The film that was taken has been read."""
        if self._current is not None:
            self.read_keys.append(self._current.file_id)
        self._current = None

    @property
    def has_ended(self) -> bool:
        """Whether no film is left or will come."""
        return not self._task.is_running and self._films.empty() and self._current is None

    def _fetch(self, task: BackgroundTask) -> None:
        archive = open_search_archive(self._settings)
        listed = archive.list_films(self.study.uid)
        films = {make_file_id(each): each for each in listed}
        self.read_keys += [key for key in films if key in self._known]
        wanted = {key: each for key, each in films.items() if key not in self._known}
        self.total = len(wanted)
        places = {key: place for place, key in enumerate(films, start=1)}
        for key, each in wanted.items():
            if task.should_stop():
                raise Cancelled("stopped")
            for data in archive.fetch_films([each]):
                name = _name_film(self.study, places[key])
                self._hand_over(FetchedFilm(name=name, file_id=key, data=data), task)
        self.priors = self._find_priors(archive)

    def _find_priors(self, archive: Archive) -> tuple[Study, ...]:
        """Earlier studies; none where the archive cannot say, which keeps nobody from reading the films."""
        if self.study.made is None:
            return ()
        try:
            return find_priors(archive, self.study.patient_id, self.study.issuer, self.study.made)
        except ArchiveError:
            return ()

    def _hand_over(self, film: FetchedFilm, task: BackgroundTask) -> None:
        deadline = time.monotonic() + GIVE_UP_S
        while not task.should_stop() and time.monotonic() < deadline:
            try:
                self._films.put(film, timeout=POLL_S)
            except queue.Full:
                continue
            return
        if task.should_stop():
            raise Cancelled("stopped")
        raise ArchiveError("The study's films waited too long to be read. Open it again.")


def make_file_id(film: ObjectReference) -> str:
    """The key of a film in a study: it stands in the page, and does not name the film's UID."""
    return f"pacs:{hashlib.sha256(film.instance_uid.encode()).hexdigest()[:24]}"


def _name_film(study: Study, place: int) -> str:
    made = f"{study.made:%Y-%m-%d}" if study.made else "an unknown date"
    return f"Film {place} of {made}"
