"""Opens files that come from outside: regular ones only, within limits of size and time. Parses paths that people type.

A name that ends in .png may be a pipe that nobody writes to, a link to a device without end, or a file on a network
disk that has stopped answering. A file that this program has written itself needs none of this.
"""

import hashlib
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeVar

from cxr_core.errors import FileRefused, FileTimedOut
from cxr_core.workspace.paths import printable

READ_LIMIT_S = 60.0
CHECK, NUL = "check the path", "no path holds a NUL character"
PIECE_BYTES = 1 << 20
KINDS: dict[str, Callable[[int], bool]] = {
    "a folder": stat.S_ISDIR,
    "a pipe": stat.S_ISFIFO,
    "a socket": stat.S_ISSOCK,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
}
# A pipe would wait for a writer; Windows would translate line ends.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
Result = TypeVar("Result")


@dataclass(frozen=True)
class FileIdentity:
    """What tells a file apart from every other.

    stamp: size, times and inode; a changed file cannot keep them all.  sha256: of its bytes, in hex.  size: in bytes.
    """

    stamp: str
    sha256: str
    size: int


def read_outside_file(
    path: str | Path, max_bytes: int, *, time_limit_s: float = READ_LIMIT_S
) -> bytes:
    """The bytes of a file. Raises FileRefused for one that is no regular file, too large, or not read in time."""

    def read(deadline: float) -> bytes:
        with _open_file(path, max_bytes) as file:
            return b"".join(_read_pieces(file, path, max_bytes, deadline))

    return _run_within(read, path, time_limit_s)


def identify_outside_file(
    path: str | Path, max_bytes: int, *, time_limit_s: float = READ_LIMIT_S
) -> FileIdentity:
    """A file's identity. Raises FileRefused as `read_outside_file` does."""

    def identify(deadline: float) -> FileIdentity:
        digest = hashlib.sha256()
        with _open_file(path, max_bytes) as file:
            # The stamp is taken before the bytes are read, so that a file changed in between is read again.
            status = os.fstat(file.fileno())
            for piece in _read_pieces(file, path, max_bytes, deadline):
                digest.update(piece)
        return FileIdentity(format_stamp(status), digest.hexdigest(), status.st_size)

    return _run_within(identify, path, time_limit_s)


def read_file_start(path: str | Path, size: int) -> bytes:
    """The first bytes of a regular file of any size. Raises FileRefused. It has no time limit."""
    with _open_file(path, None) as file, _explain_errors(path):
        return file.read(size)


def format_stamp(status: os.stat_result) -> str:
    """Size, times and inode of a file, as one text."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def parse_path(text: str) -> Path:
    """A path as a person typed it; one that begins with `~` lies in a home folder. It need not exist.

    Raises FileRefused, in a sentence, for text that can be no path, and for a path that the system cannot follow.
    """
    if not text.strip():
        raise FileRefused("an empty path", "nothing is there", "give a file or a folder")
    if "\0" in text:
        raise FileRefused(_shorten(text), NUL, CHECK)
    path = Path(text)
    if text.startswith("~") and not os.path.lexists(path):
        try:
            path = path.expanduser()
        except RuntimeError:
            user = printable(path.parts[0][1:])
            reason = f"this computer has no user {user}"
            raise FileRefused(printable(text), reason, "write the path in full") from None
    with _explain_errors(path), suppress(FileNotFoundError):
        path.stat()
    return path


@contextmanager
def _open_file(path: str | Path, max_bytes: int | None) -> Iterator[FileIO]:
    """A file that was found to be regular, before it was opened and again on the opened descriptor."""
    with _explain_errors(path):
        # Looked at first, since opening some devices does something.
        _require_regular(path, os.stat(path), max_bytes)
        file = FileIO(os.open(path, OPEN_FLAGS), "rb")
    with file:
        _require_regular(path, os.fstat(file.fileno()), max_bytes)
        yield file


def _require_regular(path: str | Path, status: os.stat_result, max_bytes: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = [kind for kind, is_kind in KINDS.items() if is_kind(status.st_mode)]
        kind = kinds[0] if kinds else "something else"
        raise FileRefused(printable(path), f"it is {kind}, not a file", "give the file itself")
    if max_bytes is not None and status.st_size > max_bytes:
        raise _too_large(path, status.st_size, max_bytes)


def _read_pieces(
    file: FileIO, path: str | Path, max_bytes: int, deadline: float
) -> Iterator[bytes]:
    """The bytes of a file up to its end, whatever size it has said it has: it may grow meanwhile."""
    size = 0
    with _explain_errors(path):
        while piece := file.read(min(PIECE_BYTES, max_bytes + 1 - size)):
            size += len(piece)
            if size > max_bytes:
                raise _too_large(path, size, max_bytes)
            yield piece
            if time.monotonic() > deadline:
                raise TimeoutError("it was not read in time")


def _run_within(work: Callable[[float], Result], path: str | Path, time_limit_s: float) -> Result:
    """Run work in a thread of its own, which is left behind when it does not end in time.

    A thread, since nothing can interrupt a call that waits for a disk. work: takes the time at which it should give up.
    """
    results: queue.SimpleQueue[Result | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(work(time.monotonic() + time_limit_s))
        except (FileRefused, MemoryError) as error:  # raised again where the work was asked for
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=time_limit_s)
    except queue.Empty:
        reason = f"it was not read within {time_limit_s:g} seconds"
        raise FileTimedOut(printable(path), reason, "check the disk that it lies on") from None
    if isinstance(result, Exception):
        raise result
    return result


@contextmanager
def _explain_errors(path: str | Path) -> Iterator[None]:
    """Turn an error of the system into a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        reason = "there is no such file or folder"
        if os.path.islink(path):
            reason = "it is a link to what is not there"
        raise FileRefused(printable(path), reason, CHECK) from error
    except NotADirectoryError as error:
        reason = "a part of this path is a file, not a folder"
        raise FileRefused(printable(path), reason, CHECK) from error
    except OSError as error:
        advice = "allow reading it, or give another path"
        raise FileRefused(_shorten(path), str(error.strerror or error), advice) from error
    except ValueError as error:  # the system takes no NUL in a path
        raise FileRefused(_shorten(path), NUL, CHECK) from error


def _shorten(path: str | Path) -> str:
    """A path for a sentence, whatever its length."""
    text = printable(path)
    return text if len(text) <= 300 else f"{text[:140]}…{text[-140:]}"


def _too_large(path: str | Path, size: int, max_bytes: int) -> FileRefused:
    reason = f"it has {_format_size(size)}, and at most {_format_size(max_bytes)} are read"
    return FileRefused(printable(path), reason, "give a smaller file")


def _format_size(size: int) -> str:
    return f"{size >> 20:,} MB" if size >= 1 << 20 else f"{size:,} bytes"
