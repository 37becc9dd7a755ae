"""A retraining from the browser, from the form to the model in use and back, while the app is killed under it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cxr_core.errors import RunError
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom, encode_png
from cxr_core.jobs import actions, status
from cxr_core.jobs.job import Job
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version
from cxr_core.promotion.publish import next_version
from tests.browser.served_app import ROOT, wait_until_healthy
from tests.free_ports import find_free_port
from tests.jobs.job_control import end_all, process_of, step_of, until
from tests.lit_films import lit_films
from train.prepare import main as prepare

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MODEL = "pneumonia-children"
EPOCHS, SIDE = 30, 64
PATIENCE_MS = 240_000  # a busy machine imports torch slowly, five times over


class App:
    """The app on a port of its own, to be killed and started again."""

    def __init__(self, log: Path):
        self.port = str(find_free_port())
        self.address = f"http://localhost:{self.port}"
        self._log = log

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.browser.serve_fake_reader", self.port]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        wait_until_healthy(self.address, self._server)

    def kill(self) -> None:
        os.kill(self._server.pid, signal.SIGKILL)
        self._server.wait()


@pytest.fixture
def films(workspace: Path, tmp_path: Path) -> Path:
    """A registered dataset: films whose only difference is a bright lower half."""
    lit_films(tmp_path / "films", train=24, test=6)
    assert prepare(["--data", str(tmp_path / "films"), "--name", "films"]) == 0
    return tmp_path / "films"


@pytest.fixture
def app(
    workspace: Path, tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[App]:
    monkeypatch.setenv("CXR_RUN_NICENESS", "0")
    served = App(tmp_path / "server.log")
    served.start()
    yield served
    served.kill()
    end_all(workspace)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab whose server may go away, which its console says; an error of the page itself fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []


def fill(tab: Page, label: str, value: str) -> None:
    field = tab.get_by_label(label, exact=True)
    expect(field).to_have_count(1, timeout=PATIENCE_MS)  # that of the form before is gone
    field.fill(value)
    field.press("Enter")


def click(tab: Page | Locator, button: str) -> None:
    found = tab.get_by_role("button", name=button, exact=True)
    expect(found).to_be_enabled(timeout=PATIENCE_MS)
    found.click()


def start_run(tab: Page, app: App) -> Job:
    """Ask for a small run in the form; the only run there is then."""
    tab.goto(app.address)
    tab.get_by_role("link", name="Train", exact=True).click()
    click(tab, "Start a run")
    expect(tab.get_by_text("ready for training")).to_be_visible(timeout=PATIENCE_MS)
    choice = tab.get_by_role("combobox", name="Recipe")
    choice.fill("pneumonia-cnn-grey")
    choice.press("Enter")
    expect(tab.get_by_text("A plain grey convolutional network")).to_be_visible(timeout=PATIENCE_MS)
    fill(tab, "Epochs", str(EPOCHS))
    fill(tab, "Early stopping patience (epochs)", str(EPOCHS))
    fill(tab, "Input size (pixels)", str(SIDE))
    tab.get_by_text("Name and source").click()
    fill(tab, "Model name", MODEL)
    expect(tab.get_by_text(f"model name {MODEL} instead of pneumonia-cnn-grey")).to_be_visible(
        timeout=PATIENCE_MS
    )
    click(tab, "Start")
    until(
        lambda: status.list_runs() and status.list_runs()[0].state != "queued", "the run has begun"
    )
    (run,) = status.list_runs()
    expect(tab.get_by_role("heading", name=run.id)).to_be_visible(timeout=PATIENCE_MS)
    return run


def publish(tab: Page, before: str, version: str) -> None:
    click(tab, "Evaluate on test films")
    click(tab, "Run the gate")
    expect(tab.get_by_text("The checks that close it are listed first.")).to_be_visible(
        timeout=PATIENCE_MS
    )
    fill(tab, f"Why it replaces {MODEL} {before}", "a drill")
    reason = tab.get_by_label("Why it is published although the gate is closed")
    reason.fill("nobody is read with it")
    reason.press("Control+Enter")
    click(tab, "Publish although the gate is closed")
    expect(tab.get_by_text(f"Installed as {MODEL} {version}: active.")).to_be_visible(
        timeout=PATIENCE_MS
    )


def undo_publication(tab: Page, app: App, version: str, before: str) -> None:
    tab.goto(f"{app.address}/models?model={MODEL}")
    expect(tab.get_by_text(f"{version} active")).to_be_visible(timeout=PATIENCE_MS)
    tab.get_by_role("button", name=f"Undo: {MODEL} {before} is active again").click()
    expect(tab.get_by_text("The change was undone.")).to_be_visible(timeout=PATIENCE_MS)


def active_version() -> str:
    active = find_active_version(MODEL)
    assert active is not None
    return active.version


def version_that_reads(film: Path) -> str:
    """The version of the model of pneumonia that a film of a child is read with."""
    command = [sys.executable, "-m", "cxr_core", "read", "--json", "--age", "3", str(film)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (finding,) = (each for each in json.loads(output)["findings"] if each["model"] == MODEL)
    return str(finding["version"])


def test_run_outlives_the_app_and_its_model_is_published_used_and_rolled_back(
    app: App, tab: Page, tmp_path: Path
) -> None:
    run = start_run(tab, app)
    at_first = process_of(run.id)
    until(lambda: step_of(run.id) >= 2, "it trains")
    tab.reload()
    expect(tab.get_by_role("heading", name=run.id)).to_be_visible(timeout=PATIENCE_MS)

    app.kill()
    seen = step_of(run.id)
    until(
        lambda: step_of(run.id) > seen or status.load_job(run.id).state == "finished",
        "it goes on without the app",
    )
    app.start()
    tab.goto(f"{app.address}/train?run={run.id}")
    until(
        lambda: status.load_job(run.id).state == "finished",
        "it is finished",
        within_s=PATIENCE_MS / 1000,
    )
    assert process_of(run.id) == at_first  # nobody started it again
    expect(tab.get_by_role("heading", name=run.id)).to_contain_text("finished", timeout=PATIENCE_MS)

    before = active_version()
    version = next_version("1.0.0", [before])
    publish(tab, before, version)
    film = tmp_path / "drawn.png"
    film.write_bytes(
        encode_png(draw_phantom(SAMPLES["Synthetic: child with an opacity in the left lung"]))
    )
    assert active_version() == version
    assert version_that_reads(film) == version
    undo_publication(tab, app, version, before)
    assert active_version() == before
    assert [each["what"] for each in read_history(MODEL)][:2] == ["undone", "published"]
    assert "is kept" in refusal_to_delete(run.id)


def refusal_to_delete(run: str) -> str:
    """The message when a run is deleted whose model is installed."""
    with pytest.raises(RunError) as error:
        actions.delete_run(run)
    return str(error.value)
