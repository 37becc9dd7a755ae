"""A served Streamlit app and a Chromium tab to look at it with, for the benchmarks that need them."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@dataclass(frozen=True)
class Served:
    """A running server: where it answers, and its process."""

    address: str
    pid: int

    def resident_mb(self) -> float:
        """Resident memory of the server and its children, in MB."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(_resident_kb(pid) for pid in (str(self.pid), *children)) / 1024


@contextmanager
def serve(folder: Path, workspace: Path | None = None) -> Iterator[Served]:
    """`streamlit run app.py` in a folder, until the block ends; with an empty workspace unless one is given."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {"CXR_WORKSPACE": str(workspace or empty)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd=folder, env=environment, **quiet)  # type: ignore[call-overload]
        try:
            _wait(f"http://localhost:{port}/_stcore/health")
            yield Served(f"http://localhost:{port}", server.pid)
        finally:
            server.terminate()
            server.wait(timeout=20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).text == "ok":
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(f"no answer from {url} within 60 s")


def _resident_kb(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
