"""Decode in a process apart: a codec that crashes, hangs or eats memory takes down a worker, not the server.

A worker is warm (its imports are done), has a memory limit and a time limit that the kernel enforces, and is talked to
over its own pipes (see decode_process). Nothing is unpickled, and no core of it is dumped. It ends when its pipe
closes, so it outlives its parent by one film at most.
"""

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from types import TracebackType
from typing import Any

import numpy as np

from cxr_core.errors import FilmRefused, OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import sandbox_process
from cxr_core.film.decoding.sandbox_process import read_exactly, read_into, write_all
from cxr_core.film.limits import MAX_PIXELS, require_bytes
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.paths import ROOT

MEMORY_LIMIT_BYTES = 2 << 30
TIME_LIMIT_S = 20.0

REFUSALS = {kind.__name__: kind for kind in (FilmRefused, UndecodableFilm, OversizedFilm)}
LONGEST_HEADER = 1 << 16


class DecodeWorker:
    """One process that decodes one film at a time; any thread may call it, they take turns."""

    def __init__(self, memory_limit: int = MEMORY_LIMIT_BYTES, time_limit: float = TIME_LIMIT_S):
        """memory_limit: bytes of the worker's own data.  time_limit: seconds of computing for one film."""
        self._limits = (memory_limit, time_limit)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize | None = None

    def start(self) -> None:
        """Start the process, if there is none, without waiting for it. Raises UndecodableFilm if it cannot start."""
        with self._lock:
            self._running()

    def decode(self, data: bytes) -> Radiograph:
        """The same as `decode.decode`, to the last bit; what kills the worker is an UndecodableFilm."""
        require_bytes(len(data))
        with self._lock:
            process, header = self._running(), None
            try:
                header, pixels = _ask(process, data)
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                raise _explain_death(self._end(), self._limits[1]) from None
            finally:
                # Broken off in the middle (Ctrl-C, say), the conversation cannot be taken up again.
                if header is None:
                    self._end()
        if pixels is None:
            raise REFUSALS.get(header["refused"], UndecodableFilm)(
                header["message"], header["code"]
            )
        return Radiograph(pixels=pixels, **header)

    def close(self) -> None:
        """End the process; a later decode starts another."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            try:
                self._process = _spawn(*self._limits)
            except OSError as error:
                raise UndecodableFilm(
                    f"The decoder could not be started ({error.strerror}). Close other programs and try again.",
                    "decoder_died",
                ) from error
            # Whoever forgets to close leaves neither a process nor a zombie behind.
            self._finalizer = weakref.finalize(self, _bury, self._process)
        return self._process

    def _end(self) -> int:
        """Bury the process, if any; its return code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if self._finalizer is not None:
            self._finalizer.detach()
        # One that has just died keeps its own signal as the return code; one that hangs gets ours.
        return _bury(process)


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
        # Last in, first out: one thread alone keeps using the same warm worker.
        self._idle: queue.LifoQueue[DecodeWorker] = queue.LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def warm(self) -> None:
        """Start every worker without waiting for it."""
        for worker in self._workers:
            worker.start()

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _spawn(memory_limit: int, time_limit: float) -> subprocess.Popen[bytes]:
    # The package's own folder comes first, so that the worker finds it whatever the directory is.
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # One thread is enough, and every thread's stack would count as data.
    environment = os.environ | {
        "PYTHONPATH": path,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            sandbox_process.__name__,
            str(memory_limit),
            str(time_limit),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # codecs write there, and may quote what they read
        bufsize=0,
        cwd=ROOT,
        env=environment,
    )


def _bury(process: subprocess.Popen[bytes]) -> int:
    """Close the pipes, end the process if it still lives, wait for it; its return code."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        return process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ask(process: subprocess.Popen[bytes], data: bytes) -> tuple[dict[str, Any], np.ndarray | None]:
    """Send one file; its facts and pixels, or a refusal and None.

    Raises OSError or EOFError when the worker is gone, those or ValueError, KeyError, TypeError when it talks nonsense.
    """
    requests, answers = process.stdin, process.stdout
    assert requests is not None
    assert answers is not None
    write_all(requests, struct.pack(">Q", len(data)))
    write_all(requests, data)
    (length,) = struct.unpack(">I", read_exactly(answers, 4))
    if length > LONGEST_HEADER:
        raise EOFError
    header: dict[str, Any] = json.loads(read_exactly(answers, length))
    if "refused" in header:
        return {key: header[key] for key in ("refused", "message", "code")}, None
    height, width = header.pop("shape")
    if not 0 < height * width <= MAX_PIXELS:
        raise EOFError
    pixels = np.empty((height, width), np.float32)
    read_into(answers, pixels.data.cast("B"))
    if header["spacing_mm"] is not None:
        header["spacing_mm"] = tuple(header["spacing_mm"])
    return header, pixels


def _explain_death(returncode: int, time_limit: float) -> UndecodableFilm:
    if returncode in (-signal.SIGPROF, -signal.SIGALRM):
        return UndecodableFilm(
            f"Decoding this file took longer than {time_limit:g} seconds and was stopped. Export the film again.",
            "too_slow",
        )
    return UndecodableFilm(
        "Decoding this file broke the decoder, as a damaged file can. Export the film again.",
        "decoder_died",
    )
