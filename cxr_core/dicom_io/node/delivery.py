"""Sends results to the archive until it holds them, and deletes a film only then.

What may have been sent before is asked for first, and only what is missing is sent, always with the UIDs that it was
made with: so a result is sent at least once, and the archive has it once.
"""

import random
import time
from collections.abc import Callable

from cxr_core.access.audit import record_action
from cxr_core.dicom_io.node.film_queue import FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.dicom_io.pacs.archive import Archive
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable
from cxr_core.workspace.log import count_details, log_task

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
MOST_CONFIRMATIONS = 12  # that may fail, two hours with the waits between them
UNREACHABLE, NOT_CONFIRMED = "archive_unreachable", "not_confirmed"
ARCHIVE_REFUSED, RESULTS_MISSING = "archive_refused", "results_missing"


class Delivery:
    """Sends what the queue has for an archive. One thread uses it."""

    def __init__(
        self,
        queue: FilmQueue,
        spool: Spool,
        archive: Archive,
        *,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ):
        """clock: seconds since 1970.  rng: of the waits after failures."""
        self._queue, self._spool, self._archive = queue, spool, archive
        self._clock, self._rng = clock, rng or random.Random()
        self._failures = 0  # of the archive, one after another

    def send_due(self, is_stopping: Callable[[], bool]) -> int:
        """Send what is due, and return how many films are confirmed. is_stopping: whether to leave the rest."""
        first = self._queue.find_due(LONGEST_WAIT_S)
        if first is None:
            return 0
        confirmed, film = 0, first
        with log_task("sending", source="node"):
            while True:
                try:
                    confirmed += self._deliver(film)
                    self._failures = 0
                except ArchiveUnreachable:
                    wait_s = compute_wait_s(self._failures, self._rng)
                    self._failures += 1
                    self._queue.postpone_sending(UNREACHABLE, self._clock() + wait_s)
                    count_details(unreachable=1)
                following = None if is_stopping() else self._queue.find_due(LONGEST_WAIT_S)
                if following is None:
                    count_details(films=confirmed)
                    return confirmed
                film = following

    def _deliver(self, film: QueuedFilm) -> bool:
        """Send a film's results, and whether they are confirmed. Raises ArchiveUnreachable."""
        try:
            results = self._spool.read_results(film.name)
        except FileNotFoundError:
            self._queue.mark(film, State.DEAD, RESULTS_MISSING)
            return False
        references = [each.reference for each in results]
        try:
            missing = references
            if film.state == State.SENT:  # at least in part, perhaps
                missing = [*self._archive.find_missing(references)]
            else:
                self._queue.mark(film, State.SENT)
            if missing:
                self._archive.send([each.content for each in results if each.reference in missing])
                record_action(
                    "results sent", who="node", film=film.content_sha256, times=len(missing)
                )
                missing = [*self._archive.find_missing(references)]
        except ArchiveRefused:
            self._queue.mark(film, State.DEAD, ARCHIVE_REFUSED)
            return False
        if missing:
            self._wait_for_confirmation(film)
            return False
        self._queue.mark(film, State.CONFIRMED)
        self._spool.remove(film.name)
        return True

    def _wait_for_confirmation(self, film: QueuedFilm) -> None:
        if film.attempts + 1 >= MOST_CONFIRMATIONS:
            self._queue.mark(film, State.DEAD, NOT_CONFIRMED)
            return
        wait_s = compute_wait_s(film.attempts, self._rng)
        self._queue.postpone(film, NOT_CONFIRMED, self._clock() + wait_s)


def compute_wait_s(failures: int, rng: random.Random) -> float:
    """How long to wait after so many failures before this one: twice as long each time, up to a limit.

    Between half of that and all of it, by chance, so that several nodes do not come back at once.
    """
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures, 20))
    return longest * (0.5 + rng.random() / 2)
