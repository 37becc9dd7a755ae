"""Hashes film files in a few threads, and notices a disk that does not answer."""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cxr_core.errors import DataError, FileRefused, FileTimedOut
from cxr_core.film.limits import MAX_BYTES
from cxr_core.workspace.outside_files import FileIdentity, identify_outside_file
from cxr_core.workspace.paths import printable

THREADS = min(8, os.cpu_count() or 1)
MAX_TIMED_OUT = 3  # files, before the disk is taken not to answer
POLL_S = 0.2


@dataclass(frozen=True)
class HashedFiles:
    """identities: of the files that were read, by path.  unread: why the others cannot be opened."""

    identities: dict[str, FileIdentity] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def hash_files(paths: Sequence[str], tick: Callable[[], None]) -> HashedFiles:
    """Open and hash files. tick: called several times a second; what it raises stops the work.

    Raises DataError when the disk does not answer.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[str, FileIdentity | FileRefused]] = queue.SimpleQueue()
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                return
            results.put((path, _identify(path)))

    for path in paths:
        waiting.put(path)
    for _ in range(min(THREADS, len(paths))):
        threading.Thread(target=serve, daemon=True).start()
    hashed, timed_out = HashedFiles(), 0
    try:
        while len(hashed.identities) + len(hashed.unread) < len(paths):
            tick()
            try:
                path, result = results.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(result, FileIdentity):
                hashed.identities[path] = result
                continue
            hashed.unread[path] = result.reason
            timed_out += isinstance(result, FileTimedOut)
            if timed_out == MAX_TIMED_OUT:
                raise DataError(
                    f"{timed_out} files were not read in time, the last one {printable(path)}; check the disk that "
                    "they lie on, and prepare again"
                )
    finally:
        stopped.set()
    in_order = {path: hashed.identities[path] for path in paths if path in hashed.identities}
    return HashedFiles(in_order, hashed.unread)


def _identify(path: str) -> FileIdentity | FileRefused:
    try:
        return identify_outside_file(path, MAX_BYTES)
    except FileRefused as refusal:
        return refusal
    except MemoryError:
        return FileRefused(printable(path), "the memory does not suffice", "close other programs")
