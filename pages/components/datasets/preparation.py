"""Datasets being prepared by threads of the server: a tab may be closed, refreshed or opened twice meanwhile."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.registry import Dataset
from cxr_core.errors import Cancelled, SilhouetteError

ENDED_KEPT = 8  # preparations that have ended and that nobody has looked at yet
SETTLED_S = 2.0  # of a stage, before its rate is believed

Prepare = Callable[..., Dataset]


class Preparation:
    """One call of `prepare` in a thread of its own; any thread may look at it and cancel it."""

    def __init__(
        self, folders: Sequence[Path], kind: str | None, name: str | None, prepare: Prepare
    ):
        self.folders, self.kind, self.name = tuple(folders), kind, name
        self.stage, self.done, self.total = "starting", 0, 0
        self.dataset: Dataset | None = None
        self.error: str | None = None
        self.cancelled = False
        self._stage_began = time.monotonic()
        self._first_done = 0
        self._prepare = prepare
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, but no longer; whether it has ended."""
        self._thread.join(seconds)
        return not self.running

    def cancel(self) -> None:
        """Stop at the next film; what was done is kept and is not done again."""
        self.cancelled = True

    @property
    def share(self) -> float:
        """How much of the stage is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Of this stage, by its rate so far; None while too little of it is known."""
        spent, done = time.monotonic() - self._stage_began, self.done - self._first_done
        if spent < SETTLED_S or done <= 0:
            return None
        return spent / done * (self.total - self.done)

    def _run(self) -> None:
        try:
            self.dataset = self._prepare(
                self.folders, progress=self._progress, kind=self.kind, name=self.name
            )
        except Cancelled:
            self.cancelled = True
        except SilhouetteError as error:
            self.error = str(error)
        except OSError as error:
            self.error = (
                f"{error.filename or 'The folder'} cannot be used: {error.strerror or error}."
            )
        finally:
            if not (self.dataset or self.error or self.cancelled):
                self.error = "Preparing the dataset ended in a fault of this program; the server's log has the details."

    def _progress(self, stage: str, done: int, total: int) -> None:
        if self.cancelled:
            raise Cancelled("stopped")
        if stage != self.stage:
            # Films of an earlier preparation are done at once: they say nothing of the rate.
            self._stage_began, self._first_done = time.monotonic(), done
        self.stage, self.done, self.total = stage, done, total


class Preparations:
    """All that are running or have just ended on this server, by their folders. Safe for threads."""

    def __init__(self, prepare: Prepare = prepare_dataset):
        self._prepare = prepare
        self._lock = threading.Lock()
        self._all: OrderedDict[tuple[Path, ...], Preparation] = OrderedDict()

    def start(
        self, folders: Sequence[Path], kind: str | None = None, name: str | None = None
    ) -> Preparation:
        """The one that runs for these folders, or a new one."""
        key = tuple(folders)
        with self._lock:
            found = self._all.get(key)
            if found is None or not found.running:
                found = Preparation(key, kind, name, self._prepare)
                self._all[key] = found
            self._all.move_to_end(key)
            ended = [each for each, preparation in self._all.items() if not preparation.running]
            for each in ended[:-ENDED_KEPT]:
                del self._all[each]
            return found

    def running(self) -> list[Preparation]:
        """Those that have not ended, the oldest first."""
        with self._lock:
            return [each for each in self._all.values() if each.running]

    def ended(self) -> list[Preparation]:
        """Those that have ended and were not dismissed, the oldest first."""
        with self._lock:
            return [each for each in self._all.values() if not each.running]

    def dismiss(self, preparation: Preparation) -> None:
        """Forget one that has ended."""
        with self._lock:
            if self._all.get(preparation.folders) is preparation and not preparation.running:
                del self._all[preparation.folders]
