"""Fixtures for tests of pages: the app without networks, runs written by hand, and what the pages submit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from cxr_core.jobs import actions
from cxr_core.jobs.job import Job, TrainingRequest
from cxr_core.training.engine.device import Device
from pages.components import cache
from pages.components.background_tasks import BackgroundTasks
from tests.pages.app_bench import StartedPagesManager, start_app
from tests.pages.fake_reader import FakeReader
from tests.pages.fake_runs import FakeRuns, fake_runs

CPU = Device(name="cpu", words="CPU, 2 cores", processes=2, memory_mb=4096)


@pytest.fixture(autouse=True)
def _no_components_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench looks through every installed package for components at each start; the app's own are in its pages."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)


@pytest.fixture
def reader() -> FakeReader:
    """The reader of the app, without networks."""
    return FakeReader()


@pytest.fixture
def app(reader: FakeReader, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> AppTest:
    """The app on the Read page, without networks, on a machine of two cores, with an empty workspace."""
    tasks = BackgroundTasks()
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", StartedPagesManager)
    monkeypatch.setattr(cache, "load_reader", lambda: reader)
    monkeypatch.setattr(cache, "background_tasks", lambda: tasks)
    monkeypatch.setattr(cache, "find_devices", lambda: (CPU,))
    monkeypatch.setattr(cache, "check_initial_weights", lambda key, recipe: ("", ""))
    monkeypatch.setattr(cache, "find_missing_weights", dict)
    monkeypatch.setattr("cxr_core.training.engine.device.list_devices", lambda: (CPU,))
    return start_app()


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    """Writes runs into the workspace, which has none at first."""
    with fake_runs() as written:
        yield written


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[TrainingRequest]:
    """The training requests that were submitted; nothing is started."""
    requests: list[TrainingRequest] = []

    def submit(request: TrainingRequest) -> Job:
        requests.append(request)
        return Job(
            id="made-1",
            folder=Path("made-1"),
            state="queued",
            sentence="Waits.",
            recipe=request.recipe.name,
            model="m",
            data=request.data,
            device="cpu",
        )

    monkeypatch.setattr(actions, "submit_training", submit)
    return requests


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Run, note and override of each publication; nothing is installed."""
    publications: list[tuple[str, str, str]] = []

    def publish(run: Path, note: str, *, override: str, progress: object) -> Path:
        publications.append((run.name, note, override))
        return run

    monkeypatch.setattr("cxr_core.promotion.publish.publish", publish)
    return publications
