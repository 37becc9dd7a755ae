"""What the tests of the Train page share: the app without networks, runs written by hand, what is asked for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from cxr_core.jobs import jobs
from cxr_core.jobs.job import Device, Job, Request
from pages.components import cache
from pages.components.background_tasks import Errands
from pages.components.training.page_state import START
from tests.pages.fake_reader import FakeReader
from tests.pages.fake_runs import FakeRuns, fake_runs
from tests.pages.test_data_page import Pages
from tests.pages.test_models_page import VERDICT

APP = Path(__file__).parents[2] / "app.py"
OPEN = replace(VERDICT, checks=tuple(check for check in VERDICT.checks if not check.refuses))
CPU = Device(name="cpu", words="CPU, 2 cores", processes=2, memory_mb=4096)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> AppTest:
    """The app, without networks, on a machine of two cores."""
    errands = Errands()
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", Pages)
    monkeypatch.setattr(cache, "reader", FakeReader)
    monkeypatch.setattr(cache, "start_warm_up", lambda: None)
    monkeypatch.setattr(cache, "errands", lambda: errands)
    monkeypatch.setattr(cache, "devices", lambda: (CPU,))
    monkeypatch.setattr(cache, "start_fault", lambda key, recipe: ("", ""))
    monkeypatch.setattr("cxr_core.training.engine.device.devices", lambda: (CPU,))
    return AppTest.from_file(str(APP), default_timeout=120).run()


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    with fake_runs() as written:
        yield written


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is submitted, which is noted and comes to nothing else."""
    noted: list[Request] = []

    def submit(request: Request) -> Job:
        noted.append(request)
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

    monkeypatch.setattr(jobs, "submit", submit)
    return noted


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Run, note and override of what is published, which is noted and comes to nothing else."""
    noted: list[tuple[str, str, str]] = []

    def publish(run: Path, note: str, *, override: str, progress: object) -> Path:
        noted.append((run.name, note, override))
        return run

    monkeypatch.setattr("cxr_core.promotion.publish.publish", publish)
    return noted


def open_page(app: AppTest, **parameters: str) -> AppTest:
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("pages/train.py").run()
    assert not app.exception
    return app


def open_form(app: AppTest) -> AppTest:
    open_page(app)
    app.session_state["desk"].turn_to(START)
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    kinds = (
        app.markdown,
        app.caption,
        app.text,
        app.error,
        app.warning,
        app.info,
        app.success,
        app.code,
        app.toast,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def named(elements: Any, label: str) -> Any:
    return next(each for each in elements if each.label == label)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def cells(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)
