"""Serves the app to a browser, and waits until it answers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.free_ports import find_free_port

ROOT = Path(__file__).parents[2]
STREAMLIT = ["-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
FAKE_READER = ["-m", "tests.browser.serve_fake_reader", "{port}"]
HEART_OUTLINES = ["-m", "tests.browser.serve_heart_outlines", "{port}"]

# The app as it is, but that a closed tab is given up after a second, and removed films and left studies after six.
SHORT_SESSIONS = [
    "-c",
    "from streamlit.web import cli; from pages.components import streamlit_internals as internals; "
    "from pages.components.read import page_state; from pages.components.read.recovery import kept_studies; "
    "internals.RECONNECT_WITHIN_S = 1; page_state.UNDO_S = kept_studies.KEEP_S = 6; "
    "cli.main(['run', 'app.py', '--server.port', '{port}'])",
]


def serve(arguments: list[str], workspace: Path) -> Iterator[str]:
    """Run Python with these arguments until the tests are done; {port} is filled in."""
    port = find_free_port()
    command = [sys.executable, *(argument.format(port=port) for argument in arguments)]
    environment = os.environ | {"CXR_WORKSPACE": str(workspace)}
    log = (workspace / "server.log").open("w")
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        wait_until_healthy(f"http://localhost:{port}", server)
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a served app answers; fails the test when it does not within 120 s."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{address}/_stcore/health").text == "ok":
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"no server at {address} within 120 s")


def find_server(address: str) -> psutil.Process:
    """The process, a child of this one, that serves an address."""
    port = int(address.rsplit(":", 1)[1])
    return next(
        child
        for child in psutil.Process().children()
        for connection in child.net_connections("tcp")
        if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
    )
