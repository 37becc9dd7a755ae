"""An evaluation asked for on the Evaluate page: what is asked, how far it is, what came of it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RunError
from cxr_core.jobs import evaluations as orders
from cxr_core.jobs.evaluations import Evaluating, Wanted
from pages.components.markdown import plain
from tests.pages.fake_datasets import register
from tests.pages.fake_evaluations import predictions, write_evaluation
from tests.pages.test_data_page import button, words
from tests.pages.test_evaluate_page import app as app  # a fixture
from tests.pages.test_evaluate_page import open_page

WANTED = Wanted(model="tiny", data="films", part="test")


class Told:
    """What stands in for the processes: a state that the test sets, and what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path):
        self.folder, self.state, self.sentence, self.counts = folder, "", "", (0, 0)
        self.asked: list[Wanted] = []
        self.refuses = ""
        monkeypatch.setattr(orders, "start", self.start)
        monkeypatch.setattr(orders, "evaluating", self.all)
        monkeypatch.setattr(orders, "look", lambda folder: None)
        monkeypatch.setattr(orders, "stop", lambda folder: self.tell("stopped", "It was stopped."))
        monkeypatch.setattr(orders, "forget", lambda folder: self.tell("", ""))

    def tell(self, state: str, sentence: str, done: int = 0, total: int = 0) -> None:
        self.state, self.sentence, self.counts = state, sentence, (done, total)

    def start(self, wanted: Wanted) -> Path:
        self.asked.append(wanted)
        if self.refuses:
            raise RunError(self.refuses)
        self.tell("running", "reading films", 12, 48)
        return self.folder

    def all(self) -> list[Evaluating]:
        if not self.state:
            return []
        done, total = self.counts
        told = {"state": self.state, "sentence": self.sentence, "done": done, "total": total}
        return [Evaluating(folder=self.folder, wanted=WANTED, **told)]  # type: ignore[arg-type]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Told:
    return Told(monkeypatch, workspace / "evaluations" / "new")


def test_one_click_starts_what_was_chosen_and_its_end_is_turned_to(
    app: AppTest, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    data = register(monkeypatch, tmp_path / "films").name
    write_evaluation(workspace / "evaluations" / "old")
    open_page(app)
    assert "this is counted too" in words(app)
    app.selectbox(key="evaluate-new-method").select("temperature").run()
    app.selectbox(key="evaluate-new-part").select("val").run()
    assert "this is counted too" not in words(app)
    assert app.code[-1].value.endswith(f"--data {data} --split val --recalibrate temperature")
    button(app, "Evaluate").click().run()
    assert not app.exception
    (wanted,) = told.asked
    assert (wanted.data, wanted.part, wanted.recalibrate) == (data, "val", "temperature")
    shown = app.get("progress")[0].proto
    assert (shown.value, "reading films, 12 of 48" in shown.text) == (25, True)
    write_evaluation(
        told.folder, predictions(seed=3), made="2025-01-02T03:04:05+00:00"
    )  # older than the other
    told.tell("finished", "It is finished.")
    app.run()
    assert plain("Finished: tiny on the test part of films.") in words(app)
    assert app.session_state["visit"].folder == str(told.folder)
    app.run()
    assert "Finished" not in words(app)


def test_what_stops_it_is_said_until_it_is_dismissed(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    register(monkeypatch, tmp_path / "films")
    told.refuses = "the disk is full; free some"
    open_page(app)
    button(app, "Evaluate").click().run()
    assert "the disk is full; free some" in words(app)
    told.tell("failed", "the data has no test part")
    app.run()
    assert "Evaluating tiny on the test part of films: the data has no test part" in words(app)
    assert "the disk is full" not in words(app)
    button(app, "Dismiss").click().run()
    assert "no test part" not in words(app)


def test_without_a_dataset_nothing_can_be_started(app: AppTest, told: Told) -> None:
    open_page(app)
    assert "register a dataset on the Data page first" in words(app)
    assert not [each for each in app.button if each.label == "Evaluate"]
    told.tell("running", "")
    app.run()
    assert "begins …" in app.get("progress")[0].proto.text
    button(app, "Stop").click().run()
    assert "It was stopped." in words(app)
