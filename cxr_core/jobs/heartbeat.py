"""Sends the heartbeat of a job's process: that it runs, what it does, and at last how it ended."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from cxr_core.errors import Cancelled, RunError, SilhouetteError
from cxr_core.jobs import files
from cxr_core.jobs.records import EndRecord, HeartbeatRecord, ProcessRecord
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import (
    Event,
    PreparationProgress,
    Report,
    RunBegun,
    RunStopped,
    StageBegun,
    event_to_json,
)
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.process_id import (
    ProcessId,
    current_process,
    die_with_parent,
)

# Of a command on a cluster: the folder of the job that it carries out. The process of the job follows it from here, and
# that alone sends the heartbeat.
WATCHED_JOB = "CXR_WATCHED_JOB"
INTERVAL_S = 2.0
EVENT_INTERVAL_S = 0.5


class Heartbeat:
    """The heartbeat of this process, sent by a thread of its own: a process that is suspended or hangs sends none.

    Use it as a context around the work. A job that `launch` has started sends it from the start on, a training run of
    a shell as soon as it holds its folder; of several processes only the first does.
    """

    def __init__(self, show: Report, resumed: Path | None = None):
        """show: receives every event too.  resumed: the run that a shell resumes."""
        self._show, self._resumed = show, resumed
        self._job: Path | None = None
        self._leader: ProcessId | None = None
        self._event: Event | None = None
        self._ended = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._send_until_end, name="heartbeat", daemon=True)
        self._is_first = os.environ.get("RANK", "0") == "0"

    def __enter__(self) -> "Heartbeat":
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        if several:
            die_with_parent()
        job = find_own_job()
        if job is not None:
            self._start(job, files.read_process(job))
        elif several and os.environ.get(files.JOB_TAG):
            # torchrun ended before this process could be bound to it
            os.kill(os.getpid(), signal.SIGKILL)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._job is None:
            return
        self._thread.join()
        if error is not None and not isinstance(error, SystemExit):
            end = self._describe_end(error)
            files.write_record(self._job, run_files.END, end.to_json())

    def report(self, event: Event) -> None:
        """Take note of an event, and show it. The beginning of a stage is sent at once: it may hold up the next one."""
        self._event = event
        if self._job is None:
            self._start_by_hand(event)
        elif isinstance(event, StageBegun) and not event.done:
            self._send()
        self._show(event)

    def _start_by_hand(self, event: Event) -> None:
        """Begin with the first event after the folder is held: RunBegun, or any event of a run that is resumed."""
        run = self._resumed
        if run is None and isinstance(event, RunBegun):
            run = Path(event.run)
        if run is None or WATCHED_JOB in os.environ:
            return
        remove_unfinished(run / run_files.JOB_FOLDER)
        files.remove_records(
            run, run_files.QUEUE, run_files.HEARTBEAT, run_files.END, run_files.STOP
        )
        process = ProcessRecord(
            process=current_process(), time=time.time(), monotonic=time.monotonic()
        )
        files.write_record(run, run_files.PROCESS, process.to_json())
        self._start(run, process.process)

    def _start(self, job: Path, leader: ProcessId | None) -> None:
        if self._is_first:
            self._job, self._leader = job, leader
            self._thread.start()

    def _send_until_end(self) -> None:
        last = False
        while not last:
            self._send()
            last = self._ended.wait(INTERVAL_S)
        self._send()  # with the last event

    def _send(self) -> None:
        assert self._job is not None
        with self._sending:
            event: JsonObject = event_to_json(self._event) if self._event else {}
            record = HeartbeatRecord(
                process=current_process(),
                leader=self._leader,
                time=time.time(),
                monotonic=time.monotonic(),
                event={key: value for key, value in event.items() if not isinstance(value, list)},
            )
            with contextlib.suppress(RunError):  # a full disk: the work itself will say so
                files.write_record(self._job, run_files.HEARTBEAT, record.to_json(), durable=False)

    def _describe_end(self, error: BaseException) -> EndRecord:
        stopped = isinstance(error, Cancelled | KeyboardInterrupt)
        if isinstance(self._event, RunStopped):
            stopped = True
            sentence = f"Stopped at step {self._event.step}; it can be resumed from there."
        elif isinstance(error, SilhouetteError):
            sentence = str(error)
        elif isinstance(error, KeyboardInterrupt):
            sentence = "Stopped by Ctrl-C."
        else:
            sentence = f"it ended by an error of the program, {type(error).__name__}: {error}"
        state = "stopped" if stopped else "failed"
        return EndRecord(state=state, sentence=sentence, time=time.time())


class EventLog:
    """Writes the events of a job as JSON lines, but of those that only count on at most one every half second."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic):
        """clock: seconds, only ever rising."""
        self._path, self._clock = path, clock
        self._stage = ""
        self._written_at = 0.0

    def write(self, event: Event) -> None:
        """Append an event, unless it only counts on and one was just written. Raises RunError when that fails."""
        stage, complete = "", True
        if isinstance(event, PreparationProgress):
            stage, complete = event.stage, event.done == event.total
        now = self._clock()
        recent = now - self._written_at < EVENT_INTERVAL_S
        if stage == self._stage and recent and not complete:
            return
        self._stage, self._written_at = stage, now
        line = json.dumps({"time": round(time.time(), 3), **event_to_json(event)})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise RunError(
                f"{self._path} cannot be written: {error.strerror}; free space, or repair the disk"
            ) from error


def find_own_job() -> Path | None:
    """The folder of the job that this process carries out; None when a shell or a test started it."""
    tag = os.environ.get(files.JOB_TAG)
    if not tag:
        return None
    process = files.read_process(Path(tag))
    if process is None or process.pid not in (os.getpid(), os.getppid()):
        return None
    return Path(tag) if process.is_running else None
