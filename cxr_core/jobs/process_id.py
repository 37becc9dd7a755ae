"""Processes by their whole name: pid, start and boot. A pid that the system has given to another is never signalled.

Linux alone tells a process's start in /proc; elsewhere runs are started from a shell.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cxr_core.errors import RunError

PROC = Path("/proc")
MARK = "CXR_JOB"  # the environment of a run's processes holds its folder under this name
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Name:
    """What no two processes share. started: clock ticks after boot, field 22 of /proc/PID/stat.  boot: its id."""

    pid: int
    started: int
    boot: str

    @classmethod
    def read(cls, record: Any) -> "Name | None":
        """The name in a record that was read from JSON; None when it holds none."""
        try:
            return cls(int(record["pid"]), int(record["started"]), str(record["boot"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_record(self) -> dict[str, Any]:
        """What JSON holds."""
        return asdict(self)


def require_linux() -> None:
    """Raises RunError where processes cannot be told apart."""
    if not (PROC / "self" / "stat").exists():
        raise RunError(
            "runs are started and watched from here on Linux only; elsewhere use: python -m train.fit"
        )


def boot_id() -> str:
    """The id of this boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def name_of(pid: int) -> Name | None:
    """The name of a process that lives now; None when there is none. A zombie counts as dead."""
    found = _stat(pid)
    return Name(pid, found[1], boot_id()) if found and found[0] not in "ZX" else None


def is_alive(name: Name) -> bool:
    """Whether this very process lives."""
    return name_of(name.pid) == name


def is_halted(name: Name) -> bool:
    """Whether this very process was halted, by SIGSTOP or a debugger."""
    found = _stat(name.pid)
    return found is not None and found[0] in "Tt" and is_alive(name)


def signal_to(name: Name, number: signal.Signals) -> bool:
    """Signal this very process. Whether it was there; another that has its pid now is left alone."""
    try:
        handle = os.pidfd_open(
            name.pid
        )  # from here on the handle stays with one process, whoever has the pid later
    except OSError:
        return False
    try:
        if not is_alive(name):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise RunError(f"process {name.pid} belongs to another user; ask them to end it") from error
    finally:
        os.close(handle)


def marked() -> dict[str, list[Name]]:
    """The living processes of each run, by the run's folder, told by the mark in the environment they were given."""
    found: dict[str, list[Name]] = {}
    for place in PROC.iterdir():
        if place.name.isdigit() and (run := _mark_of(place)) and (name := name_of(int(place.name))):
            found.setdefault(run, []).append(name)
    return found


def die_with_parent() -> None:
    """From now on this process is killed when the one that started it ends."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended in between
        os.kill(os.getpid(), signal.SIGKILL)


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock file. Any number may ask at once without seeing one another."""
    try:
        handle = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(lock: Path) -> Iterator[int | None]:
    """Hold a lock file if nobody does: its open file, else None. Asked often, as others may ask `is_held` meanwhile."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield handle if _take(handle) else None
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    for _ in range(20):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.02)
    return False


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start of a process; the name before them is in brackets and may hold anything, brackets too."""
    try:
        after = (
            (PROC / str(pid) / "stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
        return after[0], int(after[19])
    except (OSError, IndexError, ValueError):
        return None


def _mark_of(place: Path) -> str:
    try:
        entries = (place / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return ""
    prefix = f"{MARK}=".encode()
    return next(
        (os.fsdecode(entry.removeprefix(prefix)) for entry in entries if entry.startswith(prefix)),
        "",
    )
