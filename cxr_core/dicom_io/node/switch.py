"""Starts and stops the workspace's node from a page. It outlives the page and its server, as a run does."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.dicom_io.node.overview import find_node_process, require_node_settings
from cxr_core.errors import NodeError
from cxr_core.workspace.paths import ROOT, workspace
from cxr_core.workspace.process_id import ProcessId, identify_process, send_signal

STARTS_WITHIN_S = 120.0  # it imports the libraries, but loads no model before it receives
POLL_S = 0.05
MOST_OUTPUT = 2000  # bytes of what a node says that does not start


@perform_action("start of the node", Role.ADMIN)
def start_node() -> ProcessId:
    """Start the node, unless it runs, and return its process once it receives films.

    Raises SettingsError where nobody may send, and NodeError that says why it did not start.
    """
    require_node_settings()
    running = find_node_process()
    if running is not None:
        return running
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "cxr_core", "node"],
            cwd=ROOT,
            env={**os.environ, "CXR_WORKSPACE": str(workspace().absolute())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
        is_ready = _wait_until_ready(child)
        threading.Thread(target=child.wait, daemon=True).start()  # leaves no zombie
        process = identify_process(child.pid)
        if is_ready and process is not None:
            return process
        child.kill()
        child.wait()
        output.seek(0)
        error = output.read(MOST_OUTPUT).decode(errors="replace").strip()
    raise NodeError(f"The node did not start. {error.removeprefix('node: ')}")


@perform_action("stop of the node", Role.ADMIN)
def stop_node(within_s: float) -> bool:
    """Tell the node to stop, and wait for its end. False where it works on; what it has begun is finished first.

    Raises RunError for the node of another user.
    """
    process = find_node_process()
    if process is None:
        return True
    send_signal(process, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while process.is_running and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return not process.is_running


def _wait_until_ready(child: "subprocess.Popen[bytes]") -> bool:
    """Whether the node says in time that it receives films; its end of the pipe closes when it ends."""
    assert child.stdout is not None
    with child.stdout as stdout:
        readable, _, _ = select.select([stdout], [], [], STARTS_WITHIN_S)
        return bool(readable) and bool(stdout.readline())
