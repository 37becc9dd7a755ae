"""Work that this server does in background threads: datasets being prepared, estimates, gates, publications.

A browser tab may be closed, reloaded or opened twice meanwhile; the work goes on and every tab sees the same task.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from cxr_core.access.actor import acting_as, current_actor
from cxr_core.errors import Cancelled, SilhouetteError

ENDED_TASKS_KEPT = 20  # ended tasks that nobody has dismissed yet
RATE_SETTLES_S = 2.0  # how long a stage must have run before its rate is believed

Work = Callable[["BackgroundTask"], object]


class BackgroundTask:
    """One piece of work in its own thread. Only that thread writes progress and result; every thread may read them.

    key: identifies the work; a second start under the key of a running task joins it.  label: what it works on, for
    people.  result: what the work returned.  error: why it failed, in a sentence; empty otherwise.
    """

    def __init__(self, key: str, label: str, work: Work):
        self.key, self.label = key, label
        self.stage, self.done, self.total = "", 0, 0
        self.result: object = None
        self.error = ""
        self.is_cancelled = False
        self._stage_began_s = time.monotonic()
        self._done_at_stage_begin = 0
        self._work, self._actor = work, current_actor()
        self._thread = threading.Thread(target=self._run, name=key, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    @property
    def share_done(self) -> float:
        """How much of the stage is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left in this stage at its rate so far; None while too little is known."""
        elapsed_s = time.monotonic() - self._stage_began_s
        done = self.done - self._done_at_stage_begin
        if elapsed_s < RATE_SETTLES_S or done <= 0:
            return None
        return elapsed_s / done * (self.total - self.done)

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long. Returns whether it has ended."""
        self._thread.join(seconds)
        return not self.is_running

    def cancel(self) -> None:
        """Ask the work to stop at its next report of progress."""
        self.is_cancelled = True

    def should_stop(self) -> bool:
        """Whether somebody cancelled it; for work that polls instead of reporting progress."""
        return self.is_cancelled

    def report_progress(self, stage: str, done: int, total: int) -> None:
        """Called by the work. Raises Cancelled once the task is cancelled."""
        if self.is_cancelled:
            raise Cancelled("stopped")
        if stage != self.stage:
            # What an earlier attempt had finished is done at once and says nothing about the rate.
            self._stage_began_s, self._done_at_stage_begin = time.monotonic(), done
        self.stage, self.done, self.total = stage, done, total

    def _run(self) -> None:
        has_ended = False
        try:
            with acting_as(self._actor):
                self.result = self._work(self)
            has_ended = True
        except Cancelled:
            self.is_cancelled = has_ended = True
        except SilhouetteError as error:
            self.error, has_ended = str(error), True
        except OSError as error:
            name = error.filename or "A file"
            self.error, has_ended = f"{name} cannot be used: {error.strerror or error}.", True
        finally:
            # Anything else is a fault of this program: the thread's traceback goes to the server's log.
            if not has_ended:
                self.error = "This failed because of a fault in the program; the server's log has the details."


class BackgroundTasks:
    """All tasks that are running or have just ended on this server, by their keys. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: OrderedDict[str, BackgroundTask] = OrderedDict()

    def start(self, key: str, work: Work, label: str = "") -> BackgroundTask:
        """Start a task, or return the one that is running under this key."""
        with self._lock:
            task = self._tasks.get(key)
            if task is None or not task.is_running:
                task = self._tasks[key] = BackgroundTask(key, label, work)
            self._tasks.move_to_end(key)
            self._drop_oldest_ended()
            return task

    def find(self, key: str) -> BackgroundTask | None:
        """The task under this key, running or ended."""
        with self._lock:
            return self._tasks.get(key)

    def list_running(self, prefix: str) -> list[BackgroundTask]:
        """The running tasks whose key begins with the prefix, the oldest first."""
        return [task for task in self._list(prefix) if task.is_running]

    def list_ended(self, prefix: str) -> list[BackgroundTask]:
        """The ended, not yet dismissed tasks whose key begins with the prefix, the oldest first."""
        return [task for task in self._list(prefix) if not task.is_running]

    def dismiss(self, task: BackgroundTask) -> None:
        """Forget a task that has ended."""
        with self._lock:
            if self._tasks.get(task.key) is task and not task.is_running:
                del self._tasks[task.key]

    def _list(self, prefix: str) -> list[BackgroundTask]:
        with self._lock:
            return [task for key, task in self._tasks.items() if key.startswith(prefix)]

    def _drop_oldest_ended(self) -> None:
        ended = [key for key, task in self._tasks.items() if not task.is_running]
        for key in ended[:-ENDED_TASKS_KEPT]:
            del self._tasks[key]
