"""What a training process tells whoever watches it: that it lives, what it does, and at last how it ended."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from cxr_core.errors import Cancelled, RunError, SilhouetteError
from cxr_core.jobs import files as files
from cxr_core.jobs.process_id import MARK, Name, die_with_parent, name_of

BEAT_S = 2.0
Report = Callable[[dict[str, Any]], None]


class Pulse:
    """The pulse of this process, from a thread of its own: a process that is halted or hangs gives none.

    Use it as a context around the training. A run that `launch` has started gives it from the start on, one from a
    shell as soon as it holds its folder; of several processes only the first does.
    """

    def __init__(self, show: Report, resumed: Path | None = None):
        """show: told of every event too.  resumed: the run that a shell goes on with."""
        self._show, self._resumed = show, resumed
        self._run: Path | None = None
        self._leader: Name | None = None
        self._event: dict[str, Any] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._first = os.environ.get("RANK", "0") == "0"

    def __enter__(self) -> "Pulse":
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        if several:
            die_with_parent()
        run = Path(os.environ[MARK]) if os.environ.get(MARK) else None
        if run is not None and files.process_of(run) in (
            name_of(os.getpid()),
            name_of(os.getppid()),
        ):
            self._begin(run, files.process_of(run))
        elif run is not None and several:
            os.kill(
                os.getpid(), signal.SIGKILL
            )  # whoever started it ended before it could be told so
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._run is None:
            return
        self._thread.join()
        if error is not None and not isinstance(error, SystemExit):
            self._end(error)

    def report(self, event: dict[str, Any]) -> None:
        """Take note of an event."""
        self._event = event
        if self._run is None:
            self._begin_by_hand(event)
        self._show(event)

    def _begin_by_hand(self, event: dict[str, Any]) -> None:
        """The first event after the folder is held: `begun` of a new run, any of one that goes on."""
        run = self._resumed or (Path(event["run"]) if event["event"] == "begun" else None)
        own = name_of(os.getpid())
        if run is None or own is None:
            return
        files.drop(run, files.QUEUE, files.HEARTBEAT, files.END, files.STOP)
        now = {"time": time.time(), "monotonic": time.monotonic()}
        files.write(run, files.PROCESS, {**own.to_record(), **now})
        self._begin(run, own)

    def _begin(self, run: Path, leader: Name | None) -> None:
        if not self._first:
            return
        self._run, self._leader = run, leader
        self._thread.start()

    def _beat(self) -> None:
        own = name_of(os.getpid())
        last = False
        while own is not None and self._leader is not None:
            sign = {
                "leader": self._leader.to_record(),
                "time": time.time(),
                "monotonic": time.monotonic(),
            }
            try:
                assert self._run is not None
                event = {
                    key: value for key, value in self._event.items() if not isinstance(value, list)
                }
                files.write(
                    self._run,
                    files.HEARTBEAT,
                    {**own.to_record(), **sign, "event": event},
                    lasting=False,
                )
            except RunError:  # a full disk: the training itself will say so
                pass
            if last:
                return
            last = self._ended.wait(BEAT_S)  # one more sign at the end, with the last event

    def _end(self, error: BaseException) -> None:
        assert self._run is not None
        stopped = (
            isinstance(error, Cancelled | KeyboardInterrupt)
            or self._event.get("event") == "stopped"
        )
        if isinstance(error, SilhouetteError):
            sentence = str(error)
        elif isinstance(error, KeyboardInterrupt):
            sentence = "Stopped by Ctrl-C."
        else:
            sentence = f"it ended by an error of the program, {type(error).__name__}: {error}"
        if self._event.get("event") == "stopped":
            sentence = f"Stopped at step {self._event['step']}; it can go on from there."
        state = "stopped" if stopped else "failed"
        files.write(
            self._run, files.END, {"state": state, "sentence": sentence, "time": time.time()}
        )
