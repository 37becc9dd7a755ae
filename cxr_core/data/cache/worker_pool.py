"""Runs the processes that decode films for a pixel cache: hands out films, watches and replaces the processes.

A film is blamed for the end of a process only after it has ended two fresh ones by itself. A process that somebody else
has ended, as the system does when memory runs out, says nothing about its films: they are handed to the next one.
"""

import errno
import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from cxr_core.data.cache import worker
from cxr_core.data.cache.index import Film
from cxr_core.data.cache.worker import FilmAnswer, FilmTask
from cxr_core.errors import DataError, RecordError
from cxr_core.film.decoding.sandbox import TIME_LIMIT_S
from cxr_core.workspace.child_process import (
    CAN_LIMIT_COMPUTING_TIME,
    CLOCK_FACTOR,
    ONE_THREAD,
    PATIENCE_FOR_STATUS_S,
    ChildEnded,
    ChildProcess,
    describe_end,
    ended_from_outside,
)
from cxr_core.workspace.paths import printable

BATCH_FILMS = 16  # films a request: small films take less time than a message
FAILURES = 2  # so many fresh processes a film must end before it is blamed
MAX_KILLS = 10  # of processes, one after the other, before the work is given up
POLL_S = 0.2
DIED = "decoder_died"
DECODER_DIED = (
    "Decoding this file broke the decoder, or took too much memory. Export the film again."
)
TOO_SLOW = f"Decoding this file took longer than {TIME_LIMIT_S:g} seconds. Export the film again."
STALLED = f"decoding it did not end within {CLOCK_FACTOR * TIME_LIMIT_S:g} seconds"
TaskQueue = queue.SimpleQueue[Sequence[FilmTask]]


class WorkerPool:
    """A few decoding processes, each with a thread that talks to it. A context: leaving it ends them all.

    folder: of the cache.  examine: whether to inspect the quality of each film.  workers: how many processes at most.
    """

    def __init__(self, folder: Path, examine: bool, workers: int):
        self._folder, self._examine, self._workers = folder, examine, workers
        # None says that a thread has ended; an exception that the work cannot go on.
        self._answers: queue.Queue[FilmAnswer | Exception | None] = queue.Queue()
        self._children: set[ChildProcess] = set()
        self._idle: list[ChildProcess] = []
        self._kills = 0  # since the last answer
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with self._lock:
            for child in self._children:
                child.kill()
            while self._idle:
                self._idle.pop().end()

    def decode_films(self, tasks: Sequence[FilmTask]) -> Iterator[FilmAnswer | None]:
        """An answer for each task, in the order in which they are done; None now and then while there is none.

        Raises OSError when no process can start, and DataError when all of them are ended from outside.
        """
        batches: TaskQueue = queue.SimpleQueue()
        for start in range(0, len(tasks), BATCH_FILMS):
            batches.put(tasks[start : start + BATCH_FILMS])
        working = min(self._workers, batches.qsize())
        for _ in range(working):
            threading.Thread(target=self._serve_batches, args=(batches,), daemon=True).start()
        while working:
            try:
                answer = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                working -= 1
            else:
                yield answer

    def _serve_batches(self, batches: TaskQueue) -> None:
        """One thread: hand batches to its process until none is left."""
        child = self._take_idle()
        try:
            while not self._stopped.is_set():
                try:
                    batch = batches.get_nowait()
                except queue.Empty:
                    break
                child = self._decode_batch(child, batch)
        except (OSError, DataError) as error:
            child = None
            self._answers.put(error)
        finally:
            self._release(child)
            self._answers.put(None)

    def _decode_batch(
        self, child: ChildProcess | None, batch: Sequence[FilmTask]
    ) -> ChildProcess | None:
        """Put an answer for each film of the batch. Returns the process to go on with, None when it died."""
        unanswered = list(batch)
        while unanswered and not self._stopped.is_set():
            child = child or self._start_child()
            unanswered = self._exchange(child, unanswered)
            if not unanswered:
                break
            status = self._end_child(child)
            child = None
            if ended_from_outside(status):
                self._note_kill(status, unanswered[0])
            else:
                child = self._decode_suspect(unanswered.pop(0))
        return child

    def _decode_suspect(self, task: FilmTask) -> ChildProcess | None:
        """Put the answer for a film on which a process has ended: what fresh processes make of it."""
        failures: list[int] = []
        while len(failures) < FAILURES and not self._stopped.is_set():
            child = self._start_child()
            if not self._exchange(child, [task]):
                return child
            status = self._end_child(child)
            if ended_from_outside(status):
                self._note_kill(status, task)
            else:
                failures.append(status)
        if len(failures) == FAILURES:
            self._answers.put(_refuse_film(task, failures))
        return None

    def _exchange(self, child: ChildProcess, tasks: list[FilmTask]) -> list[FilmTask]:
        """Send tasks and put their answers. Returns those without an answer; the process is then of no more use."""
        # Where the child cannot limit its own computing time, its parent limits the time by the clock.
        time_limit_s = None if CAN_LIMIT_COMPUTING_TIME else CLOCK_FACTOR * TIME_LIMIT_S
        answered = 0
        try:
            child.send({"films": [task.to_json() for task in tasks]})
            for _ in tasks:
                message = child.receive(time_limit_s=time_limit_s)
                self._answers.put(FilmAnswer.from_json(message))
                self._kills = 0
                answered += 1
        except (ChildEnded, RecordError):  # a process that sends anything else is broken
            pass
        return tasks[answered:]

    def _note_kill(self, status: int, task: FilmTask) -> None:
        """Count a process that was ended from outside. Raises DataError when that happens again and again."""
        with self._lock:
            self._kills += 1
            kills = self._kills
        if kills >= MAX_KILLS:
            raise DataError(
                f"{kills} decoding processes, one after the other, were {describe_end(status)} from outside, as the "
                f"system does when memory runs out; the last one at {printable(task.path)}. Close other programs and "
                "prepare again; what is decoded so far is kept"
            )
        self._stopped.wait(0.1 * kills)  # memory may become free

    def _start_child(self) -> ChildProcess:
        """A fresh process that is ready to decode.

        Raises OSError when no process can be started or the cache cannot be written, DataError when it ends.
        """
        arguments = [
            os.path.abspath(self._folder),
            "examine" if self._examine else "decode",
            str(os.getpid()),
        ]
        while True:
            child = ChildProcess(worker.__name__, arguments, environment=ONE_THREAD)
            with self._lock:
                self._children.add(child)
                if self._stopped.is_set():
                    child.kill()
            try:
                message = child.receive()
            except ChildEnded:
                if self._stopped.is_set():
                    return child
                status = self._end_child(child)
                if not ended_from_outside(status):
                    raise DataError(
                        f"the process that decodes films cannot start ({describe_end(status)}); free some memory, "
                        "or install the program again"
                    ) from None
                self._note_kill(status, FilmTask(0, "its start", ""))
            else:
                if (reason := message.get("failed")) is not None:
                    self._end_child(child)
                    raise OSError(errno.EIO, str(reason))
                return child

    def _take_idle(self) -> ChildProcess | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _release(self, child: ChildProcess | None) -> None:
        """Keep a process for the next films; end it when there will be none."""
        with self._lock:
            if child is not None and not self._stopped.is_set():
                self._idle.append(child)
                return
        if child is not None:
            self._end_child(child)

    def _end_child(self, child: ChildProcess) -> int:
        with self._lock:
            self._children.discard(child)
        return child.end(PATIENCE_FOR_STATUS_S)


def _refuse_film(task: FilmTask, failures: Sequence[int]) -> FilmAnswer:
    """The answer for a film that has ended its processes, by their exit statuses."""
    if os.name == "posix" and -signal.SIGALRM in failures:  # the computer may have slept
        return FilmAnswer(path=task.path, unread=STALLED)
    code, reason = DIED, DECODER_DIED
    if os.name == "posix" and all(status == -signal.SIGPROF for status in failures):
        code, reason = "too_slow", TOO_SLOW
    return FilmAnswer(path=task.path, film=Film(sha256=task.sha256, refused=code, reason=reason))
