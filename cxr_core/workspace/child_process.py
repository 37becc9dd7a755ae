"""Runs a module in a child process and exchanges JSON objects with it over its pipes.

The parent holds a `ChildProcess`; the child calls `connect_to_parent` and gets a `ParentConnection`. A message is one
JSON object on one line. Raw bytes may follow it, as many as the message itself says. Nothing is unpickled, so a child
that a damaged file has taken over cannot run code in its parent.

Everything here works on Linux, macOS and Windows except the limits that a child sets for itself: `limit_memory` works
on Linux only, `limit_computing_time` everywhere but on Windows. On Windows the parent gives `receive` a time limit
instead (`CAN_LIMIT_COMPUTING_TIME` tells).
"""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final

import psutil

from cxr_core.errors import Cancelled, RecordError
from cxr_core.workspace.json_files import Json, JsonObject, parse_json
from cxr_core.workspace.paths import ROOT

ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
MAX_MESSAGE_BYTES = 1 << 20
PIPE_BYTES = 1 << 20  # which spares both sides of a film most of their waiting for one another
POLL_S = 0.1
# What a child gets to end by itself once its pipes are closed. Whoever asks why it has ended waits longer: on a busy
# machine a process takes its time to end, and one that was killed for that would look as if somebody else had done it.
PATIENCE_S = 0.5
PATIENCE_FOR_STATUS_S = 5.0
KILLED = -9
CAN_LIMIT_COMPUTING_TIME = sys.platform != "win32"
# With these a process ends by its own fault, or at a limit of its own. Any other signal was sent by somebody: by the
# system when memory ran out, by a person, or by a job scheduler.
OWN_SIGNALS = frozenset(
    getattr(signal, name)
    for name in (
        *("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"),
        *("SIGPROF", "SIGALRM", "SIGPIPE", "SIGXFSZ"),
    )
    if hasattr(signal, name)
)
# A busy machine must not refuse a sound file, so the limit counts computing time; by the clock it is this much longer.
CLOCK_FACTOR = 6


class ChildEnded(EOFError):
    """The child has ended, has closed its pipe, or has sent something that is not a message."""


class ChildTimedOut(ChildEnded):
    """The child sent nothing within the time limit and was killed."""


class ChildProcess:
    """A child process that runs `python -m MODULE`. One thread at a time may talk to it; any thread may kill it."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        stderr: IO[Any] | None = None,
    ):
        """Start the module in the program's root folder.

        environment: variables in addition to those of this process.
        stderr: the file that the child's error output goes to; None discards it.
        Raises OSError when no process can be started.
        """
        # The program's own folder comes first, so that the child imports this version of it.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if stderr is None else stderr,
            cwd=ROOT,
            env={**os.environ, **(environment or {}), "PYTHONPATH": path},
        )
        _enlarge_pipes(self._process)
        # A caller that forgets `end` leaves neither a process nor a zombie behind.
        self._finalizer = weakref.finalize(self, _end_process, self._process)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def send(self, message: Mapping[str, Json], payload: bytes | memoryview = b"") -> None:
        """Send one message, and the raw bytes that belong to it. Raises ChildEnded."""
        assert self._process.stdin is not None
        try:
            _write_message(self._process.stdin, message, payload)
        except (OSError, ValueError) as error:  # ValueError: the pipe is closed
            raise ChildEnded(str(error)) from error

    def receive(
        self, *, time_limit_s: float | None = None, stop: Callable[[], bool] | None = None
    ) -> JsonObject:
        """The child's next message.

        time_limit_s: the child is killed when its message takes longer.  stop: asked ten times a second; the child is
        killed when it answers True.
        Raises ChildTimedOut, Cancelled (for `stop`), and ChildEnded when the child ends or sends no JSON object.
        """
        if time_limit_s is None and stop is None:
            return self._read_message()
        watchdog = _Watchdog(self.kill, time_limit_s, stop)
        try:
            message, failure = self._read_message(), None
        except ChildEnded as error:
            message, failure = {}, error
        finally:
            watchdog.finish()
        if watchdog.was_stopped:
            raise Cancelled("stopped")
        if watchdog.timed_out:
            raise ChildTimedOut(f"the child sent nothing within {time_limit_s:g} s")
        if failure is not None:
            raise failure
        return message

    def receive_payload(self, buffer: memoryview) -> None:
        """Fill a buffer with the raw bytes that follow a message. Raises ChildEnded when there are too few."""
        assert self._process.stdout is not None
        try:
            _read_into(self._process.stdout, buffer)
        except (OSError, ValueError, EOFError) as error:
            raise ChildEnded(str(error)) from error

    def kill(self) -> None:
        """Kill the child and everything that it has started."""
        _kill_tree(self._process)

    def end(self, patience_s: float = PATIENCE_S) -> int:
        """Close the pipes, wait for the child to end, kill it after `patience_s` seconds.

        Returns the exit status, -N after signal N. The pipes of a child that has been ended are closed.
        """
        self._finalizer.detach()
        return _end_process(self._process, patience_s)

    def _read_message(self) -> JsonObject:
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline(MAX_MESSAGE_BYTES)
            message = parse_json(line, finite=False) if line.endswith(b"\n") else None
        except (OSError, ValueError, RecordError) as error:
            raise ChildEnded(str(error)) from error
        if not isinstance(message, dict):
            raise ChildEnded("the child ended or sent no JSON object")
        return message


def _enlarge_pipes(process: "subprocess.Popen[bytes]") -> None:
    """Let more than the usual 64 KB wait in the pipes, where the system allows it."""
    if sys.platform != "linux":
        return
    import fcntl

    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # type: ignore[arg-type]


class ParentConnection:
    """The child's side: messages from the process that started it, and answers to it."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]):
        self._requests, self._answers = requests, answers

    def receive(self) -> JsonObject | None:
        """The next request; None once the parent has closed the pipe or has ended."""
        line = self._requests.readline()
        if not line.endswith(b"\n"):
            return None
        message: JsonObject = json.loads(line)
        return message

    def receive_payload(self, size: int) -> bytes | None:
        """The `size` raw bytes that follow a request; None when the parent ended before it had sent them all."""
        data = bytearray(size)
        try:
            _read_into(self._requests, memoryview(data))
        except EOFError:
            return None
        return bytes(data)

    def send(self, message: Mapping[str, Json], payload: bytes | memoryview = b"") -> None:
        """Send one message, and the raw bytes that belong to it. Raises OSError when the parent has ended."""
        _write_message(self._answers, message, payload)


def connect_to_parent() -> ParentConnection:
    """Take over stdin and stdout for messages; from now on whatever a library prints is discarded.

    Ctrl-C is left to the parent, which then closes the pipe.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Without a buffer, in which the beginning of a film would stay.
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return ParentConnection(requests, answers)


def limit_memory(size: int) -> bool:
    """Limit this process's own data to `size` bytes and forbid core dumps, which would hold the films it has read.

    Beyond the limit an allocation raises MemoryError. Only Linux enforces such a limit; False elsewhere.
    """
    if sys.platform != "linux":
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    return True


def limit_computing_time(seconds: float) -> bool:
    """End this process after so many seconds of computing, even inside a codec's loop; 0 lifts the limit.

    The process ends by SIGPROF, or by SIGALRM when it waits for CLOCK_FACTOR times as long. False on Windows, which
    has no such limit.
    """
    if sys.platform == "win32":
        return False
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, CLOCK_FACTOR * seconds)
    return True


def ended_by_time_limit(status: int) -> bool:
    """Whether an exit status is that of a process which `limit_computing_time` has ended."""
    if sys.platform == "win32":
        return False
    return status in (-signal.SIGPROF, -signal.SIGALRM)


def ended_from_outside(status: int) -> bool:
    """Whether an exit status is that of a process that somebody else has ended; False where no signal says so."""
    return status < 0 and -status not in OWN_SIGNALS


def describe_end(status: int) -> str:
    """An exit status for people: "ended by SIGKILL", or "ended with status 1"."""
    if status >= 0:
        return f"ended with status {status}"
    known = {int(number): number.name for number in signal.Signals}
    return f"ended by {known.get(-status, f'signal {-status}')}"


class _Watchdog:
    """Kills a child when a time limit passes or `stop` answers True while the parent waits for a message.

    A thread, since pipes have no time limit of their own on Windows.
    """

    def __init__(
        self, kill: Callable[[], None], time_limit_s: float | None, stop: Callable[[], bool] | None
    ):
        self._kill, self._stop = kill, stop
        self._deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
        self._finished = threading.Event()
        self.was_stopped = self.timed_out = False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Stop watching."""
        self._finished.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._finished.wait(self._pause_s()):
            self.was_stopped = self._stop is not None and self._stop()
            self.timed_out = self._deadline is not None and time.monotonic() >= self._deadline
            if self.was_stopped or self.timed_out:
                self._kill()
                return

    def _pause_s(self) -> float:
        if self._deadline is None:
            return POLL_S
        return min(POLL_S, max(0.0, self._deadline - time.monotonic()))


def _write_message(
    pipe: IO[bytes], message: Mapping[str, Json], payload: bytes | memoryview
) -> None:
    pipe.write(json.dumps(message).encode() + b"\n")
    pipe.write(payload)
    pipe.flush()


def _read_into(pipe: IO[bytes], buffer: memoryview) -> None:
    assert isinstance(pipe, io.BufferedIOBase | io.RawIOBase)
    while buffer:
        count = pipe.readinto(buffer)
        if not count:
            raise EOFError("the pipe ended too early")
        buffer = buffer[count:]


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    family = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for descendant in family:
        with contextlib.suppress(psutil.Error):
            descendant.kill()


def _end_process(process: subprocess.Popen[bytes], patience_s: float = PATIENCE_S) -> int:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # it died with a request half sent
                pipe.close()
    try:
        # A child that has just died keeps its own signal as the exit status; one that hangs gets ours.
        return process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        _kill_tree(process)
    try:
        return process.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return KILLED  # it waits for a disk, and ends as soon as that answers
