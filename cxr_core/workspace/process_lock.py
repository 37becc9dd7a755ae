"""Locks that one process holds at a time, and that others can look at without taking them.

The operating system gives a lock back when its holder ends, however it ends. Beside the lock lies the identity of the
holder, so looking reads a file and asks the system for that process; it never gets in the way of taking the lock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cxr_core.errors import DataError
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.json_files import read_json_object, write_json
from cxr_core.workspace.process_id import ProcessId, current_process

POLL_S = 0.2


@contextmanager
def hold_lock(path: Path, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold a lock file while the block runs. Gives whether the lock was free; the block runs in either case.

    wait_s: how long to wait for another holder. Raises OSError when the file cannot be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.02)
    except Timeout:
        yield False
        return
    try:
        remove_unfinished(path.parent, _holder_file(path).name)  # nobody else may be writing it
        write_json(_holder_file(path), current_process().to_json())
        yield True
    finally:
        with suppress(OSError):  # a holder that has ended counts for none
            _holder_file(path).unlink(missing_ok=True)
        lock.release()


@contextmanager
def hold_folder(folder: Path, wait_s: float = 10.0) -> Iterator[None]:
    """Let one process at a time write a folder of the workspace, which is created where it is missing.

    wait_s: how long to wait for another writer. Raises DataError for one that hangs, or a disk that refuses it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=wait_s):
            yield
    except Timeout as error:
        raise DataError(
            f"another program is writing {folder}; wait until it has ended, and try again"
        ) from error
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror}. Free space, allow writing there, or set CXR_WORKSPACE to "
            "another folder"
        ) from error


@contextmanager
def wait_for_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file while the block runs, however long another process holds it before.

    on_wait: called several times a second while it waits; what it raises ends the wait. Raises OSError.
    """
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=POLL_S, poll_interval=0.02)
            break
        except Timeout:
            on_wait()
    try:
        yield
    finally:
        lock.release()


def find_lock_holder(path: Path) -> ProcessId | None:
    """The running process that holds a lock file; None when it is free."""
    holder = ProcessId.from_json(read_json_object(_holder_file(path)))
    return holder if holder is not None and holder.is_running else None


def _holder_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")
