"""Runs the processes that decode films for a pixel cache: hands out films, watches and replaces the processes.

A process that dies shows which film it died of: the films it had not answered are tried again one at a time, and a film
that ends a process by itself is refused.
"""

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from cxr_core.data.cache import worker
from cxr_core.data.cache.index import Film
from cxr_core.data.cache.worker import FilmAnswer, Task
from cxr_core.film.decoding.sandbox import TIME_LIMIT_S
from cxr_core.workspace.child_process import (
    CAN_LIMIT_COMPUTING_TIME,
    CLOCK_FACTOR,
    ONE_THREAD,
    ChildEnded,
    ChildProcess,
)

BATCH_FILMS = 16  # films a request: small films take less time than a message
DECODER_DIED = "Decoding this file broke the decoder, or took too long or too much memory. Export the film again."
TaskQueue = queue.SimpleQueue[Sequence[Task]]


class WorkerPool:
    """A few decoding processes, each with a thread that talks to it. A context: leaving it ends them all.

    folder: of the cache.  examine: whether to inspect the quality of each film.  workers: how many processes at most.
    """

    def __init__(self, folder: Path, examine: bool, workers: int):
        self._folder, self._examine, self._workers = folder, examine, workers
        # None says that a thread has ended; an exception that it could start no process.
        self._answers: queue.Queue[FilmAnswer | BaseException | None] = queue.Queue()
        self._children: set[ChildProcess] = set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with self._lock:
            for child in self._children:
                child.kill()

    def decode_films(self, tasks: Sequence[Task]) -> Iterator[FilmAnswer]:
        """An answer for each task, in the order in which they are done. Raises OSError when no process can start."""
        batches: TaskQueue = queue.SimpleQueue()
        for start in range(0, len(tasks), BATCH_FILMS):
            batches.put(tasks[start : start + BATCH_FILMS])
        working = min(self._workers, batches.qsize())
        for _ in range(working):
            threading.Thread(target=self._serve_batches, args=(batches,), daemon=True).start()
        while working:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                working -= 1
            else:
                yield answer

    def _serve_batches(self, batches: TaskQueue) -> None:
        """One thread: hand batches to its process until none is left."""
        child = None
        try:
            while not self._stopped.is_set():
                try:
                    batch = batches.get_nowait()
                except queue.Empty:
                    break
                child = self._decode_batch(child, batch)
        except OSError as error:  # no process can be started
            self._answers.put(error)
        finally:
            if child is not None:
                self._end_child(child)
            self._answers.put(None)

    def _decode_batch(
        self, child: ChildProcess | None, batch: Sequence[Task]
    ) -> ChildProcess | None:
        """Put an answer for each film of the batch. Returns the process to go on with, None when it died."""
        child = child or self._start_child()
        unanswered = self._exchange(child, batch)
        if not unanswered or self._stopped.is_set():
            return child
        self._end_child(child)
        if len(batch) == 1:
            self._answers.put(_refuse_film(unanswered[0][1]))
            return None
        next_child = None
        for task in unanswered:
            next_child = self._decode_batch(next_child, [task])
        return next_child

    def _exchange(self, child: ChildProcess, batch: Sequence[Task]) -> Sequence[Task]:
        """Send a batch and put its answers. Returns the tasks that the process died without answering."""
        # Where the child cannot limit its own computing time, its parent limits the time by the clock.
        time_limit_s = None if CAN_LIMIT_COMPUTING_TIME else CLOCK_FACTOR * TIME_LIMIT_S
        answered = 0
        try:
            child.send({"films": [[row, path] for row, path in batch]})
            for _ in batch:
                message = child.receive(time_limit_s=time_limit_s)
                self._answers.put(FilmAnswer.from_json(message))
                answered += 1
        except ChildEnded:
            pass
        return batch[answered:]

    def _start_child(self) -> ChildProcess:
        arguments = [
            os.path.abspath(self._folder),
            "examine" if self._examine else "decode",
            str(os.getpid()),
        ]
        child = ChildProcess(worker.__name__, arguments, environment=ONE_THREAD)
        with self._lock:
            self._children.add(child)
            if self._stopped.is_set():
                child.kill()
        return child

    def _end_child(self, child: ChildProcess) -> None:
        with self._lock:
            self._children.discard(child)
        child.end()


def _refuse_film(path: str) -> FilmAnswer:
    """The answer for a film that ended its process; its hash is taken here, where no codec runs."""
    try:
        stamp, sha256 = worker.identify_file(Path(path))
    except OSError as error:
        return FilmAnswer(path=path, unread=error.strerror)
    film = Film(sha256=sha256, refused="decoder_died", reason=DECODER_DIED)
    return FilmAnswer(path=path, stamp=stamp, film=film)
