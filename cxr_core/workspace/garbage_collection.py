"""Keeps Python's garbage collection away from libraries and models that stay, and from moments when somebody waits."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cxr_core.workspace.malloc import release_freed_memory


@contextmanager
def load_for_good() -> Iterator[None]:
    """Collect no garbage during the block, and never look at what is alive at its end: before any film is there.

    torch and timm come with half a million objects. Walking through them takes a tenth of the time of loading, and half
    a second as the process ends. Concerns the whole process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


class IdleCollector:
    """Collects all garbage, and returns freed memory, once nothing has been done for a while; safe for threads.

    idle_s: how long.  longest_wait_s: after which it is done anyway, however much is going on.
    """

    def __init__(self, idle_s: float = 1.0, longest_wait_s: float = 20.0) -> None:
        self._idle_s, self._longest_wait_s = idle_s, longest_wait_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._waiting_since = 0.0

    def put_off(self) -> None:
        """Say that something is being done, which leaves garbage."""
        with self._lock:
            now = time.monotonic()
            if self._timer is None:
                self._waiting_since = now
            elif now - self._waiting_since > self._longest_wait_s - self._idle_s:
                return
            else:
                self._timer.cancel()
            self._timer = threading.Timer(self._idle_s, self._collect)
            self._timer.daemon = True
            self._timer.start()

    def _collect(self) -> None:
        with self._lock:
            self._timer = None
        gc.collect()
        release_freed_memory()
