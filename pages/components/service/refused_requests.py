"""Counts requests without a valid key, and records them: a client without a key cannot fill the disk with them."""

import threading

from cxr_core.access.audit import REFUSED, record_action

RECORD_EVERY_S = 10.0


class RefusedRequests:
    """Requests that were refused and wait to be recorded. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._is_pausing = False  # after a record; what comes meanwhile is recorded at the end

    def add(self) -> None:
        """Count one. It is recorded at once, or with others RECORD_EVERY_S after the last record."""
        with self._lock:
            self._count += 1
            has_to_wait, self._is_pausing = self._is_pausing, True
        if not has_to_wait:
            self._record_and_pause()

    def record(self) -> int:
        """Record those that wait, as one line. Returns how many there were."""
        with self._lock:
            count, self._count = self._count, 0
            self._is_pausing = count > 0
        if count:
            record_action("API request", who="unknown key", outcome=REFUSED, times=count)
        return count

    def _record_and_pause(self) -> None:
        if self.record():
            timer = threading.Timer(RECORD_EVERY_S, self._record_and_pause)
            timer.daemon = True  # the server records the rest as it ends
            timer.start()


refused_requests = RefusedRequests()
