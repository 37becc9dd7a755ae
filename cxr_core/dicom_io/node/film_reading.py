"""Reads the films that are ready, in batches as `read FOLDER` does, and puts their results on disk to be sent.

Results are made in a second thread while the next films are read: a PDF takes about as long as the networks.

The result objects of a film, with their UIDs, are on disk before the queue says that it was read: whatever happens
after that, the same objects are sent, and the film is not read again.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial

from cxr_core.access.audit import record_reading
from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.dicom_io.header import FilmHeader, HeaderReader
from cxr_core.dicom_io.node.film_queue import FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.priors import FilmExaminer, PriorFilms
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.dicom_io.result_writer import describe_result
from cxr_core.dicom_io.results import build_objects, encode_object
from cxr_core.errors import FilmRefused, ReadingError
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, Reading
from cxr_core.reading.site_profile import SiteProfile
from cxr_core.workspace.log import count_details, log_task

FILM_MISSING = "film_missing"  # its file is gone
HEADER_DISAGREES = "header_disagrees"  # header and pixels are not of one size
REFUSED = "refused"
ACTOR = "node"  # in the audit log
MOST_AT_ONCE = 64  # films; then models and profile of the site are looked at again
MOST_IN_THE_MAKING = (
    4  # films whose results are made while others are read; their pixels are in memory
)
Outcome = tuple[Examination, Reading]


class FilmReading:
    """Reads films out of the queue. One thread uses it, and has a second one for the time of `read_ready`."""

    def __init__(
        self,
        queue: FilmQueue,
        spool: Spool,
        kinds: tuple[str, ...],
        priors: PriorFilms | None,
        on_reading: Callable[[Reading], None],
    ):
        """kinds: of objects that are made.  priors: None looks for none.

        on_reading: is told every reading, once its results are on disk.
        """
        self._queue, self._spool, self._kinds = queue, spool, kinds
        self._priors, self._on_reading = priors, on_reading
        self._headers = HeaderReader()

    def close(self) -> None:
        """End the process that reads headers."""
        self._headers.close()

    def read_ready(
        self,
        reader: FilmExaminer,
        claim: Callable[[], QueuedFilm | None],
        profile: SiteProfile | None,
        is_stopping: Callable[[], bool],
    ) -> bool:
        """Read films until none is ready, or MOST_AT_ONCE were; whether there was any. Raises OSError, NodeError.

        claim: the next film that is ready, or None.  is_stopping: whether to put back what has not been read yet.
        """
        first = claim()
        if first is None:
            return False
        claimed: deque[tuple[QueuedFilm, bytes]] = deque()
        making: deque[tuple[QueuedFilm, Future[Outcome]]] = deque()
        with log_task("reading", source="node"), ThreadPoolExecutor(1, "results") as maker:
            try:
                for examination in reader.examine_many(self._load_films(first, claim, claimed)):
                    film, data = claimed[0]
                    make = partial(self._finish, film, data, examination, reader, profile)
                    making.append((film, maker.submit(copy_context().run, make)))
                    claimed.popleft()
                    self._settle(making, MOST_IN_THE_MAKING)
                    if is_stopping():
                        break
                self._settle(making, 0)
            finally:
                begun = [future for _, future in making if not future.cancel()]
                wait(begun)
                for future in begun:
                    if future.exception() is None:
                        self._tell(*future.result())
                for film, _ in (*making, *claimed):
                    self._queue.put_back(film)
        return True

    def _settle(self, making: deque[tuple[QueuedFilm, "Future[Outcome]"]], at_most: int) -> None:
        """Tell of films whose results are on disk, and wait until at most so many are not."""
        while making and (len(making) > at_most or making[0][1].done()):
            examination, reading = making[0][1].result()
            making.popleft()
            self._tell(examination, reading)

    def _tell(self, examination: Examination, reading: Reading) -> None:
        self._on_reading(reading)
        cards = [output.card for output in examination.outputs]
        record_reading(examination.sha256, cards, who=ACTOR)

    def _load_films(
        self,
        first: QueuedFilm,
        claim: Callable[[], QueuedFilm | None],
        claimed: deque[tuple[QueuedFilm, bytes]],
    ) -> Iterator[bytes]:
        """The films' bytes; what is asked for ahead waits in `claimed`."""
        film: QueuedFilm | None = first
        count = 0
        while film is not None:
            try:
                data = self._spool.read_film(film.name)
            except FileNotFoundError:
                self._queue.mark(film, State.DEAD, FILM_MISSING)
            else:
                claimed.append((film, data))
                yield data
            count += 1
            film = None if film.is_read_alone or count == MOST_AT_ONCE else claim()
            if film is not None and film.is_read_alone:
                self._queue.put_back(film)
                return

    def _finish(
        self,
        film: QueuedFilm,
        data: bytes,
        examination: Examination,
        reader: FilmExaminer,
        profile: SiteProfile | None,
    ) -> Outcome:
        """Write a film's results, or why there are none."""
        reading = interpret(examination, Patient(), DEFAULT_DECISION, {}, profile)
        if reading.status == "refused":
            self._set_aside(film, examination)
            return examination, reading
        try:
            header = self._headers.read(data)
            reading = self._compare_with_prior(header, reading, reader)
            objects = build_objects(describe_result(examination, reading), header, self._kinds)
        except FilmRefused as refusal:
            self._queue.mark(film, State.DEAD, refusal.code)
        except ReadingError:
            self._queue.mark(film, State.DEAD, HEADER_DISAGREES)
        else:
            self._spool.write_results(film.name, [encode_object(each) for each in objects])
            self._queue.mark_read(film, [str(each.SOPInstanceUID) for each in objects])
        return examination, reading

    def _set_aside(self, film: QueuedFilm, examination: Examination) -> None:
        """A file that does not decode is dead; a picture that is no frontal chest film is passed over."""
        codes = [each.code for each in examination.concerns if each.withholds_reading]
        code = codes[0] if codes else REFUSED
        if examination.film is None:
            self._queue.mark(film, State.DEAD, code)
            return
        self._queue.mark(film, State.PASSED_OVER, code)
        self._spool.remove(film.name)
        count_details(passed_over=1)

    def _compare_with_prior(
        self, header: FilmHeader, reading: Reading, reader: FilmExaminer
    ) -> Reading:
        """The reading with what a prior film shows, as remarks that stand in every result."""
        if self._priors is None:
            return reading
        remarks = self._priors.describe_change(header, reading, reader)
        return replace(reading, warnings=(*reading.warnings, *remarks))
