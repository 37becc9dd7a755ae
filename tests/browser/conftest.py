"""A Chromium, and the app served to it."""

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from tests.browser.served_app import FAKE_READER, STREAMLIT, serve
from tests.pages.fake_runs import FakeRuns, fake_runs

expect.set_options(timeout=30_000)  # a busy machine reads its first film slowly

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
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what a page showed when its test failed."""
    report = yield
    tab = getattr(item, "funcargs", {}).get("page")
    if call.when == "call" and report.failed and isinstance(tab, Page):
        with suppress(Error):
            report.sections.append(("shown by the page", tab.locator("body").inner_text()))
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Until the module has ended, Playwright's event loop runs in this thread."""
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
    yield from serve(FAKE_READER, tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def real_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app as it is, with the models that ship."""
    yield from serve(STREAMLIT, tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def module_context(browser: Browser) -> Iterator[BrowserContext]:
    """The context of a module's tabs: the page's scripts are loaded and compiled once, which takes seconds."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        yield context


@pytest.fixture
def context(module_context: BrowserContext) -> Iterator[BrowserContext]:
    """A context without tabs, cookies and storage."""
    yield module_context
    for tab in module_context.pages:
        with suppress(Error):  # a page without an address has no storage
            tab.evaluate("localStorage.clear()")
        tab.close()
    module_context.clear_cookies()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A fresh tab that fails the test for an error in its console or a request to another machine."""
    tab = context.new_page()
    wrong: list[str] = []
    tab.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.on("request", lambda request: None if _is_local(request.url) else wrong.append(request.url))
    yield tab
    assert wrong == []


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    """Writes runs into the workspace, which has none at first."""
    with fake_runs() as written:
        yield written


def _is_local(url: str) -> bool:
    return url.startswith(("http://localhost:", "ws://localhost:", "blob:", "data:"))
