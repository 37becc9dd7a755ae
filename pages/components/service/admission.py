"""Lets a limited number of requests with films in; the others are told when to come again."""

import asyncio
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from cxr_core.workspace.malloc import erase_soon

PLACES_A_CORE, FEWEST_PLACES = 4, 16
LONGEST_WAIT_S = 60
REMEMBERED = 20  # readings, for how long one takes
FIRST_GUESS_S = 1.0
IDLE_S, ERASE_AT_LATEST_S = 2.0, 60.0


class Admission:
    """The places for requests with films. Used on the server's own thread alone."""

    def __init__(self, places: int | None = None, cores: int | None = None):
        """places: films that may be in memory at once: arriving, waiting or being read."""
        self._cores = cores or os.cpu_count() or 1
        self._places = places or max(FEWEST_PLACES, PLACES_A_CORE * self._cores)
        self._inside = 0
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._erasing: asyncio.TimerHandle | None = None
        self._erased = time.monotonic()

    @property
    def inside(self) -> int:
        """How many requests have a place."""
        return self._inside

    def count_reading(self, seconds: float) -> None:
        """Remember how long a reading took."""
        self._seconds.append(seconds)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place during the block. Raises HTTPException 429 when all are taken."""
        if self._inside >= self._places:
            wait_s = self._estimate_wait_s()
            raise HTTPException(
                429,
                f"All {self._places} places for films are taken. Send the film again in {wait_s} s.",
                {"Retry-After": str(wait_s)},
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._erase_when_idle()

    def _estimate_wait_s(self) -> int:
        """Whole seconds until those who wait have been read."""
        typical_s = statistics.median(self._seconds) if self._seconds else FIRST_GUESS_S
        wait_s = math.ceil(typical_s * self._inside / self._cores)
        return min(LONGEST_WAIT_S, max(1, wait_s))

    def _erase_when_idle(self) -> None:
        """Have the memory of films that have been answered erased: once no film comes, at the latest after a minute.

        Erasing stops every thread for a moment, so it is not done after each film.
        """
        if self._erasing is not None:
            self._erasing.cancel()
        overdue = time.monotonic() - self._erased > ERASE_AT_LATEST_S
        self._erasing = asyncio.get_running_loop().call_later(0 if overdue else IDLE_S, self._erase)

    def _erase(self) -> None:
        self._erased = time.monotonic()
        erase_soon()
