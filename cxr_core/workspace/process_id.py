"""Identifies processes by pid, start time and boot, so that one that reuses a pid is never mistaken for another."""

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cxr_core.errors import RunError
from cxr_core.workspace.json_files import Json, JsonObject

# The wall clock may be corrected while a process runs. No system hands out a pid again within this time.
CLOCK_TOLERANCE_S = 2.0
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessId:
    """What no two processes share.

    created: start of the process in seconds since 1970.  uptime_s: the same in seconds after the boot. On Linux a
    corrected clock moves the first but not the second, on macOS and Windows it is the other way round.
    boot: the id that Linux gives to each boot; empty where it is unknown.
    """

    pid: int
    created: float
    uptime_s: float
    boot: str = field(default="", compare=False)

    @classmethod
    def from_json(cls, record: Json) -> "ProcessId | None":
        """The identity in a JSON record; None when there is none. Records of version 0.1 are read too."""
        if not isinstance(record, dict):
            return None
        pid, created, uptime_s = record.get("pid"), record.get("created"), record.get("uptime_s")
        if not isinstance(pid, int):
            return None
        started, boot = record.get("started"), record.get("boot", "")
        if isinstance(created, int | float) and isinstance(uptime_s, int | float):
            return cls(pid, float(created), float(uptime_s), boot if isinstance(boot, str) else "")
        if isinstance(started, int) and isinstance(boot, str):
            return _from_clock_ticks(pid, started, boot)
        return None

    def to_json(self) -> JsonObject:
        """The identity as a JSON record."""
        content: JsonObject = {
            "pid": self.pid,
            "created": self.created,
            "uptime_s": self.uptime_s,
        }
        return content | {"boot": self.boot} if self.boot else content

    @property
    def is_running(self) -> bool:
        """Whether this very process runs. A zombie has ended."""
        return _find(self) is not None

    @property
    def is_suspended(self) -> bool:
        """Whether this very process was suspended, by SIGSTOP or a debugger."""
        process = _find(self)
        if process is None:
            return False
        try:
            return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        except psutil.Error:
            return False

    @property
    def predates_boot(self) -> bool:
        """Whether the process started before the last boot of the machine."""
        if self.boot and _boot_id():  # the clock may have been set since
            return self.boot != _boot_id()
        return self.created + CLOCK_TOLERANCE_S < psutil.boot_time()


def identify_process(pid: int) -> ProcessId | None:
    """The identity of a running process; None when there is none. A zombie has ended."""
    try:
        process = psutil.Process(pid)
        return None if process.status() in _ENDED else _identify(process)
    except (psutil.Error, ValueError, OverflowError):  # no process, or no number of one
        return None


def current_process() -> ProcessId:
    """The identity of this process."""
    return _identify(psutil.Process())


def send_signal(process_id: ProcessId, number: signal.Signals) -> bool:
    """Signal this very process. Returns whether it was there; a process that reuses its pid is left alone.

    Raises RunError when the process belongs to another user.
    """
    process = _find(process_id)
    if process is None:
        return False
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied as error:
        raise RunError(
            f"process {process_id.pid} belongs to another user; ask that user to end it"
        ) from error
    return True


def find_by_env_tag(name: str) -> dict[str, list[ProcessId]]:
    """The running processes whose environment holds a variable, by its value. Skips those of other users."""
    tagged: dict[str, list[ProcessId]] = {}
    for process in psutil.process_iter():
        # A process may end, or belong to another user, at each of these steps.
        with contextlib.suppress(psutil.Error, OSError):
            value = process.environ().get(name)
            if value and process.status() not in _ENDED:
                tagged.setdefault(value, []).append(_identify(process))
    return tagged


def die_with_parent() -> None:
    """From now on the kernel kills this process when its parent ends. Does nothing where only Linux can do so."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    except (AttributeError, OSError, TypeError):  # macOS and Windows have no prctl
        return
    if os.getppid() != parent:  # the parent ended before the call
        os.kill(os.getpid(), signal.SIGKILL)


def _identify(process: psutil.Process) -> ProcessId:
    created = process.create_time()
    return ProcessId(process.pid, created, round(created - psutil.boot_time(), 2), _boot_id())


def _boot_id() -> str:
    """The id of this boot; empty where the system gives none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _find(process_id: ProcessId) -> psutil.Process | None:
    try:
        process = psutil.Process(process_id.pid)
        candidate = _identify(process)
        if process.status() in _ENDED:
            return None
    except (psutil.Error, ValueError, OverflowError):
        return None
    if process_id.boot and candidate.boot and process_id.boot != candidate.boot:
        return None
    same_time = abs(candidate.created - process_id.created) < CLOCK_TOLERANCE_S
    same_uptime = abs(candidate.uptime_s - process_id.uptime_s) < CLOCK_TOLERANCE_S
    return process if same_time or (same_uptime and psutil.LINUX) else None


def _from_clock_ticks(pid: int, started: int, boot: str) -> ProcessId:
    """A record of version 0.1: clock ticks after the boot of that id. One of another boot matches no process."""
    if boot != _boot_id():
        return ProcessId(pid, 0.0, -1e9)
    uptime_s = started / os.sysconf("SC_CLK_TCK")
    return ProcessId(pid, psutil.boot_time() + uptime_s, round(uptime_s, 2))
