"""Forks victims from a parent that has imported everything and done nothing: the commands' own code, started fast."""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cxr_core.workspace.process_id import find_by_env_tag, send_signal
from tests.soak.victims.faults import STATE, Fault, FaultState

PATIENCE_S = 600.0
CHILDREN_END_S = 30.0


@dataclass
class Victim:
    """A process that carries out some work in a session of its own. output: what it wrote to its terminal."""

    pid: int
    state: FaultState
    output: Path
    status: int | None = None

    def wait(self, within_s: float = PATIENCE_S) -> int | None:
        """Its exit status, -N after signal N; None when it still runs after that time."""
        deadline = time.monotonic() + within_s
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                return None
            else:
                time.sleep(0.002)
        return self.status

    def require_no_process_left(self) -> None:
        """Raises Violation unless what it has started ends by itself after it."""
        deadline = time.monotonic() + CHILDREN_END_S
        while time.monotonic() < deadline:
            if not find_by_env_tag(STATE).get(str(self.state.path)):
                return
            time.sleep(0.05)
        self.kill()
        raise Violation(f"processes that it had started were still there after {CHILDREN_END_S} s")

    def kill(self, target: str = "all", chance: Random | None = None) -> None:
        """SIGKILL to its "main" process, to "all", or to a "child": one of all that it has started."""
        children = [] if target == "main" else find_by_env_tag(STATE).get(str(self.state.path), [])
        if target == "child":
            children = [(chance or Random()).choice(children)] if children else []
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        for child in children:
            send_signal(child, signal.SIGKILL)


def fork_victim(
    work: Callable[[], int], workspace: Path, fault: Fault, scratch: Path, number: int = 0
) -> Victim:
    """Start some work as a process of its own, to which a fault happens. scratch: for its output, not the workspace."""
    output = scratch / f"output-{number}.txt"
    state = FaultState(scratch / f"state-{number}", workspace, fault)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):  # whichever of the two comes first
            os.setpgid(pid, pid)
        return Victim(pid, state, output)
    status = 1
    with contextlib.suppress(OSError):  # its parent has made it the leader of a group already
        os.setsid()
    try:
        _use_terminal(output)
        os.environ["CXR_WORKSPACE"] = str(workspace)
        state.enter()
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python itself ends
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def in_fork(question: Callable[[], Any]) -> Any:
    """What a function gives in a forked process, so that this one stays as it is: JSON, of which tuples become lists.

    Raises Violation for whatever the function raises.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        try:
            message = json.dumps({"answer": question()})
        except BaseException as error:  # noqa: BLE001 - the parent raises it
            sentence = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            message = json.dumps({"violation": sentence})
        with os.fdopen(writer, "w") as pipe:
            pipe.write(message)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        content = pipe.read()
    os.waitpid(pid, 0)
    message = json.loads(content)
    if "violation" in message:
        raise Violation(message["violation"])
    return message["answer"]


class Violation(AssertionError):
    """A promise that was not kept."""


def _use_terminal(output: Path) -> None:
    """Standard output and error go to a file; nothing is read."""
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(null, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
