"""The processes that decode for a pixel cache, seen from the program: they are fed, watched and replaced.

A process that dies names the film it died of: what it had not answered is tried again one film at a time, and a film
that ends a process by itself is refused.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from cxr_core.data.cache import worker
from cxr_core.data.cache.index import Film
from cxr_core.workspace.paths import ROOT

Task = tuple[int, str]  # the row its grid goes to, and the file
BATCH = 16  # films a request: small films take less time than a message
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Builder:
    """A few decoding processes, each with a thread that talks to it. Use it as a context: leaving it ends them all."""

    def __init__(self, folder: Path, examine: bool, workers: int):
        self._folder, self._examine, self._workers = folder, examine, workers
        self._answers: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "Builder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with self._lock:
            for process in self._processes:
                process.kill()

    def run(self, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
        """An answer for each task, in the order they are done: a Film's fields with path and stamp, or path and
        `unread` (the file cannot be opened) or `failed` (the grid cannot be written), each with the system's reason."""
        batches: queue.SimpleQueue[Sequence[Task]] = queue.SimpleQueue()
        for start in range(0, len(tasks), BATCH):
            batches.put(tasks[start : start + BATCH])
        workers = min(self._workers, batches.qsize())
        threads = [
            threading.Thread(target=self._serve, args=(batches,), daemon=True)
            for _ in range(workers)
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        while working:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                working -= 1
            else:
                yield answer

    def _serve(self, batches: "queue.SimpleQueue[Sequence[Task]]") -> None:
        """One thread: hand batches to its process until none is left."""
        process = None
        try:
            while not self._stopped.is_set():
                try:
                    batch = batches.get_nowait()
                except queue.Empty:
                    break
                process = self._ask(process, batch)
        except OSError as error:  # no process can be started
            self._answers.put(error)
        finally:
            if process is not None:
                self._bury(process)
            self._answers.put(None)

    def _ask(
        self, process: subprocess.Popen[bytes] | None, batch: Sequence[Task]
    ) -> subprocess.Popen[bytes] | None:
        """Put an answer for each film of the batch; the process to go on with, None when it died."""
        process = process or self._start()
        left = self._converse(process, batch)
        if not left or self._stopped.is_set():
            return process
        self._bury(process)
        if len(batch) > 1:
            process = None
            for task in left:
                process = self._ask(process, [task])
            return process
        self._answers.put(_refusal(left[0][1]))
        return None

    def _converse(self, process: subprocess.Popen[bytes], batch: Sequence[Task]) -> Sequence[Task]:
        """Send a batch and take its answers; the tasks that the process died without answering."""
        assert process.stdin is not None
        assert process.stdout is not None
        answered = 0
        try:
            process.stdin.write(json.dumps(batch).encode() + b"\n")
            process.stdin.flush()
            for _ in batch:
                line = process.stdout.readline()
                if not line.endswith(b"\n"):
                    break
                self._answers.put(json.loads(line))
                answered += 1
        except OSError:
            pass  # its pipe broke: it is dead
        return batch[answered:]

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        told = [
            os.path.abspath(self._folder),
            "examine" if self._examine else "decode",
            str(os.getpid()),
        ]
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", worker.__name__, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # codecs write there, and may quote what they read
            cwd=ROOT,
            env=os.environ | ONE_THREAD | {"PYTHONPATH": path},
        )
        with self._lock:
            self._processes.add(process)
            if self._stopped.is_set():
                process.kill()
        return process

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.discard(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # it died with a request half sent
                    pipe.close()
        process.kill()
        process.wait()


def _refusal(path: str) -> dict[str, Any]:
    """The answer for a film that ended its process; its hash is taken here, where no codec runs."""
    try:
        stamp, sha256 = worker.identity(Path(path))
    except OSError as error:
        return {"path": path, "unread": error.strerror}
    return {
        "path": path,
        "stamp": stamp,
        **asdict(Film(sha256=sha256, refused="decoder_died", reason=DIED)),
    }


DIED = "Decoding this file broke the decoder, or took too long or too much memory. Export the film again."
