"""Decodes films in child processes, so that a codec that crashes, hangs or fills the memory cannot end the server.

A worker process is warm (its imports are done) and has a memory limit and a time limit that the kernel enforces; see
`sandbox_process` for its side. It ends when its pipe closes, so it outlives its parent by one film at most.

The memory limit exists on Linux only. On macOS and Windows films decode the same way, but a file that makes a codec
fill the memory is stopped by the time limit alone. On Windows the parent keeps the time limit, by the clock.
"""

import queue
import threading

import numpy as np

from cxr_core.errors import FilmRefused, OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import sandbox_process
from cxr_core.film.limits import MAX_PIXELS, require_bytes
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.child_process import (
    CAN_LIMIT_COMPUTING_TIME,
    CLOCK_FACTOR,
    ONE_THREAD,
    PATIENCE_FOR_STATUS_S,
    PATIENCE_S,
    ChildEnded,
    ChildProcess,
    ChildTimedOut,
    describe_end,
    ended_by_time_limit,
    ended_from_outside,
)
from cxr_core.workspace.json_files import JsonObject

MEMORY_LIMIT_BYTES = 2 << 30
TIME_LIMIT_S = 20.0
# Of the worker, where the GNU C library is: Python's small objects come from malloc too, and malloc overwrites what is
# freed, so that no name stays behind.
FORGETFUL = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0",
}

TRIES = 2  # for a film whose worker somebody else ends
ENDED_FROM_OUTSIDE = (
    "This film could not be decoded, since the process that decodes was ended from outside twice, as the system does "
    "when memory runs out. Close other programs and read the film again"
)
REFUSALS = {kind.__name__: kind for kind in (FilmRefused, UndecodableFilm, OversizedFilm)}


class _EndedFromOutside(Exception):
    """Somebody else has ended the worker; the message says how."""


class DecodeWorker:
    """One process that decodes one film at a time. Threads may share it; they take turns."""

    def __init__(self, memory_limit: int = MEMORY_LIMIT_BYTES, time_limit: float = TIME_LIMIT_S):
        """memory_limit: bytes of the worker's own data.  time_limit: seconds of computing for one film."""
        self._memory_limit, self._time_limit = memory_limit, time_limit
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process; None when none is running."""
        return None if self._child is None else self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives, at work or not."""
        child = self._child
        return child is not None and child.is_running

    def start(self) -> None:
        """Start the process, if there is none, without waiting for it. Raises UndecodableFilm if it cannot start."""
        with self._lock:
            self._running_child()

    def decode(self, data: bytes) -> Radiograph:
        """The film that `decode.decode` gives, bit for bit.

        A worker that somebody else has ended says nothing about the film, so that is tried once again in a fresh one.
        Raises FilmRefused as `decode_film` does, and UndecodableFilm for a file that ends the worker.
        """
        require_bytes(len(data))
        end = ""
        with self._lock:
            for _ in range(TRIES):
                try:
                    answer = self._decode_once(data)
                except _EndedFromOutside as error:
                    end = str(error)
                    continue
                if isinstance(answer, FilmRefused):
                    raise answer
                return answer
        raise UndecodableFilm(f"{ENDED_FROM_OUTSIDE} ({end}).", "decoder_ended")

    def _decode_once(self, data: bytes) -> Radiograph | FilmRefused:
        """The film or its refusal. Raises _EndedFromOutside."""
        child, answer = self._running_child(), None
        try:
            answer = self._request_film(child, data)
        except ChildTimedOut:
            answer = _too_slow(self._time_limit)
            self._end()
        except (ChildEnded, ValueError, KeyError, TypeError):
            answer = _explain_death(self._end(PATIENCE_FOR_STATUS_S), self._time_limit)
        finally:
            # A conversation that was interrupted (by Ctrl-C, say) cannot be resumed.
            if answer is None:
                self._end()
        return answer

    def close(self) -> None:
        """End the process; a later decode starts another."""
        with self._lock:
            self._end()

    def _running_child(self) -> ChildProcess:
        if self._child is not None and not self._child.is_running:
            self._end()
        if self._child is None:
            limits = [str(self._memory_limit), str(self._time_limit)]
            try:
                # One thread is enough, and every thread's stack would count as data.
                self._child = ChildProcess(
                    sandbox_process.__name__, limits, environment=ONE_THREAD | FORGETFUL
                )
            except OSError as error:
                raise UndecodableFilm(
                    f"The decoder could not be started ({error.strerror}). Close other programs and try again.",
                    "decoder_died",
                ) from error
        return self._child

    def _request_film(self, child: ChildProcess, data: bytes) -> Radiograph | FilmRefused:
        """Send one file; the film or the refusal that comes back.

        Raises ChildEnded when the worker has ended, and ValueError, KeyError or TypeError when its answer is malformed.
        """
        by_the_clock = None if CAN_LIMIT_COMPUTING_TIME else CLOCK_FACTOR * self._time_limit
        child.send({"bytes": len(data)}, data)
        answer = child.receive(time_limit_s=by_the_clock)
        if "refused" in answer:
            return _refusal_from(answer)
        height, width = _shape_from(answer)
        pixels = np.empty((height, width), np.float32)
        child.receive_payload(pixels.data.cast("B"))
        return Radiograph.from_facts(answer["facts"], pixels)

    def _end(self, patience_s: float = PATIENCE_S) -> int:
        """End the process, if any; its exit status."""
        child, self._child = self._child, None
        return 0 if child is None else child.end(patience_s)


class DecodePool:
    """A few workers behind one `decode`, for many threads."""

    def __init__(
        self,
        workers: int = 2,
        memory_limit: int = MEMORY_LIMIT_BYTES,
        time_limit: float = TIME_LIMIT_S,
    ):
        self.workers = workers
        self._workers = [DecodeWorker(memory_limit, time_limit) for _ in range(workers)]
        # Last in, first out: a single thread keeps using the same warm worker.
        self._idle: queue.LifoQueue[DecodeWorker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def warm(self) -> None:
        """Start every worker without waiting for it."""
        for worker in self._workers:
            worker.start()

    def start_ended(self) -> int:
        """Start the workers whose process has ended, without waiting for those at work; how many there were.

        Raises UndecodableFilm when one cannot start.
        """
        ended = [worker for worker in self._workers if not worker.is_running]
        for worker in ended:
            worker.start()
        return len(ended)

    def decode(self, data: bytes) -> Radiograph:
        """Decode on the next worker that is free; see DecodeWorker.decode."""
        worker = self._idle.get()
        try:
            return worker.decode(data)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End every worker once it is idle; a later decode starts it again."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> "DecodePool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _refusal_from(answer: JsonObject) -> FilmRefused:
    kind = REFUSALS.get(str(answer["refused"]), UndecodableFilm)
    return kind(str(answer["message"]), str(answer["code"]))


def _shape_from(answer: JsonObject) -> tuple[int, int]:
    height, width = answer["height"], answer["width"]
    if not isinstance(height, int) or not isinstance(width, int):
        raise TypeError(f"{height!r} × {width!r} is no size of a film")
    if not 0 < height * width <= MAX_PIXELS or height < 0:
        raise ValueError(f"{height} × {width} pixels are no size of a film")
    return height, width


def _explain_death(status: int, time_limit: float) -> UndecodableFilm:
    """The refusal of a film that has ended its worker. Raises _EndedFromOutside when somebody else has."""
    if ended_by_time_limit(status):
        return _too_slow(time_limit)
    if ended_from_outside(status):
        raise _EndedFromOutside(describe_end(status))
    return UndecodableFilm(
        "Decoding this file broke the decoder, as a damaged file can. Export the film again.",
        "decoder_died",
    )


def _too_slow(time_limit: float) -> UndecodableFilm:
    return UndecodableFilm(
        f"Decoding this file took longer than {time_limit:g} seconds and was stopped. Export the film again.",
        "too_slow",
    )
