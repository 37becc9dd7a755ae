"""Lets a few readings run at once, in the order in which they were asked for; the others wait and are told so."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_S = 1.0
SLOWER_EVERY = 8  # readings ahead: who waits behind 40 is told every five seconds, not every second
FILMS_A_TURN = 8  # of a large study, before the next one in the queue has its turn


class ReadingQueue:
    """A queue for a number of places, for many threads."""

    def __init__(self, places: int):
        self._places = places
        self._turns: list[Turn] = []  # those at the front have a place
        self._lock = threading.Lock()

    @contextmanager
    def take_turn(self, show_waiting: Callable[[int], None]) -> Iterator["Turn"]:
        """Wait for a place, and hold it during the block.

        show_waiting: called after a second with the number of readings before this one, and then every second, or less
        often behind many. An error that it raises, as Streamlit does once a tab has been closed, leaves the queue.
        """
        turn = Turn(self, show_waiting)
        with self._lock:
            self._turns.append(turn)
            self._give_places()
        try:
            self.wait_for(turn)
            yield turn
        finally:
            self.leave(turn)

    def wait_for(self, turn: "Turn") -> None:
        """Wait until a turn has a place."""
        pause_s = POLL_S
        while not turn.has_place.wait(pause_s):
            ahead = self._count_ahead(turn)
            turn.show_waiting(ahead)
            pause_s = POLL_S * max(1.0, ahead / SLOWER_EVERY)

    def leave(self, turn: "Turn") -> None:
        """Give up a turn's place in the queue."""
        with self._lock:
            self._turns.remove(turn)
            self._give_places()

    def count(self) -> tuple[int, int]:
        """How many readings have a place, and how many wait for one."""
        with self._lock:
            running = min(len(self._turns), self._places)
            return running, len(self._turns) - running

    def go_behind(self, turn: "Turn") -> bool:
        """Move a turn to the end of the queue, if anybody waits; whether it has to wait now."""
        with self._lock:
            if len(self._turns) <= self._places:
                return False
            self._turns.remove(turn)
            self._turns.append(turn)
            self._give_places()
            return True

    def _give_places(self) -> None:
        """Wake the turns that have a place, and none of the others. The lock is held."""
        for position, turn in enumerate(self._turns):
            if position < self._places:
                turn.has_place.set()
            else:
                turn.has_place.clear()

    def _count_ahead(self, turn: "Turn") -> int:
        """How many wait before a turn."""
        with self._lock:
            return max(0, self._turns.index(turn) - self._places)


class Turn:
    """One reading's place in the queue."""

    def __init__(self, queue: ReadingQueue, show_waiting: Callable[[int], None]):
        self._queue = queue
        self._films = 0
        self.show_waiting = show_waiting
        self.has_place = threading.Event()

    def count_film(self) -> None:
        """Count a film that was read; after FILMS_A_TURN of them, those who wait come first."""
        self._films += 1
        if self._films % FILMS_A_TURN == 0 and self._queue.go_behind(self):
            self._queue.wait_for(self)
