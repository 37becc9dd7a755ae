"""What this server does in the background for the Train page: estimates, judgements, publications."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cxr_core.errors import Cancelled, SilhouetteError

KEPT = 20

Work = Callable[["Errand"], Any]


class Errand:
    """One piece of work in a thread of its own, with its progress and what came of it. Read by many, written by it."""

    def __init__(self, key: str, work: Work):
        self.key = key
        self.stage, self.done, self.total = "", 0, 0
        self.result: Any = None
        self.error = ""
        self.cancelled = False
        self._work = work
        self._thread = threading.Thread(target=self._run, name=key, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    @property
    def share(self) -> float:
        """How much of the stage is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def wait(self, seconds: float) -> None:
        """Wait for the end, but no longer."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Ask it to stop."""
        self.cancelled = True

    def stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self.cancelled

    def progress(self, stage: str, done: int, total: int) -> None:
        """Note how far it is. Raises Cancelled when it was asked to stop."""
        if self.cancelled:
            raise Cancelled("stopped")
        self.stage, self.done, self.total = stage, done, total

    def _run(self) -> None:
        ended = False
        try:
            self.result = self._work(self)
            ended = True
        except SilhouetteError as error:
            self.error, ended = str(error), True
        except OSError as error:
            self.error = f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."
            ended = True
        finally:
            if not ended:
                self.error = (
                    "This ended in a fault of the program; the server's log has the details."
                )


class Errands:
    """All that run or have ended on this server, by their keys. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: OrderedDict[str, Errand] = OrderedDict()

    def start(self, key: str, work: Work) -> Errand:
        """The one that runs under this key, or a new one."""
        with self._lock:
            found = self._all.get(key)
            if found is None or not found.running:
                found = self._all[key] = Errand(key, work)
            self._all.move_to_end(key)
            for each in [key for key, errand in self._all.items() if not errand.running][:-KEPT]:
                del self._all[each]
            return found

    def find(self, key: str) -> Errand | None:
        """The one under this key, running or ended."""
        with self._lock:
            return self._all.get(key)

    def forget(self, key: str) -> None:
        """Drop one that has ended."""
        with self._lock:
            if key in self._all and not self._all[key].running:
                del self._all[key]
