"""A served app and a Chromium to look at it with."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=30_000)  # a busy machine reads its first film slowly

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
# Nothing of the browser's own leaves the machine, so a request elsewhere is the page's.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or CHROMIUM
    if not Path(path).exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing: with CI set the browser tests must run")
        pytest.skip(f"{path} is missing: install Debian's chromium to run the browser tests")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def fake_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app with the fake reader."""
    yield from serve(
        ["-m", "tests.browser.serve_fake_reader", "{port}"], tmp_path_factory.mktemp("workspace")
    )


@pytest.fixture(scope="session")
def real_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app as it is, with the models that ship."""
    command = ["-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
    yield from serve(command, tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab that fails the test for an error in its console or a request to another machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    tab = context.new_page()
    wrong: list[str] = []
    tab.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.on("request", lambda request: None if _is_local(request.url) else wrong.append(request.url))
    yield tab
    context.close()
    assert wrong == []


def serve(arguments: list[str], workspace: Path) -> Iterator[str]:
    """Run Python with these arguments until the tests are done; {port} is filled in."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
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
    """Wait until a served app answers; fails the test when it does not within 60 s."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{address}/_stcore/health").text == "ok":
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"no server at {address} within 60 s")


def _is_local(url: str) -> bool:
    return url.startswith(("http://localhost:", "ws://localhost:", "blob:", "data:"))
