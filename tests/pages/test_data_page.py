"""The Data page through Streamlit's own test bench, on datasets with planted faults."""

import threading
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from cxr_core.data import registry
from cxr_core.data.prepare import record_decision
from cxr_core.data.registry import list_datasets
from cxr_core.errors import Cancelled, DataError
from pages.components import cache
from pages.components.datasets.preparation import Preparations
from pages.components.markdown import plain
from tests.pages.fake_datasets import HOSTILE, register, write_films
from tests.pages.fake_reader import FakeReader

APP = Path(__file__).parents[2] / "app.py"


class Pages(PagesManager):
    """Takes what the bench resets before each run, so that app.py always runs as a server runs it after its start."""


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> AppTest:
    """The app on the Read page, with a reader without networks."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", Pages)
    preparations = Preparations()
    monkeypatch.setattr(cache, "reader", FakeReader)
    monkeypatch.setattr(cache, "start_warm_up", lambda: None)
    monkeypatch.setattr(cache, "preparations", lambda: preparations)
    return AppTest.from_file(str(APP), default_timeout=60).run()


def open_page(app: AppTest, **parameters: str) -> AppTest:
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.switch_page("pages/data.py").run()


def explore(app: AppTest) -> AppTest:
    """The page with its charts and films."""
    exploration = app.session_state["exploration"]
    exploration.explore(None)
    return app.run()


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.text, app.error, app.warning, app.info, app.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


def test_without_a_dataset_the_page_says_what_to_do(app: AppTest) -> None:
    open_page(app)
    assert not app.exception
    assert "No dataset is registered yet" in words(app)
    assert "Data_Entry_2017" in words(app)
    assert not app.tabs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/no/such/folder", "no folder /no/such/folder"),
        (" ", "Name at least one folder."),
        (__file__, "is a file, not a folder"),
        (HOSTILE, r"\<img src=x onerror=alert(1)\> \*\*bold\*\*"),
    ],
)
def test_a_folder_that_cannot_be_used_is_a_sentence_beside_the_field(
    app: AppTest, text: str, said: str
) -> None:
    open_page(app)
    app.text_area[0].set_value(text)
    button(app, "Prepare").click().run()
    assert not app.exception
    assert said in app.error[0].value
    assert list_datasets() == []


def test_an_empty_folder_is_refused(app: AppTest, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    open_page(app)
    app.text_area[0].set_value(str(tmp_path / "empty"))
    button(app, "Prepare").click().run()
    assert "empty" in app.error[0].value
    button(app, "Dismiss").click().run()
    assert not app.error


def test_a_dataset_with_a_clean_bill_may_be_trained_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    open_page(app)
    assert not app.exception
    assert "May be trained on" in app.success[0].value
    parts = app.table[0].value.to_dict("records")
    assert [(row["Part"], row["Films"], row["Patients"]) for row in parts] == [
        ("train", "3", "2"),
        ("test", "3", "3"),
        ("all", "6", "5"),
    ]
    assert "Free use" in words(app)
    assert app.query_params["dataset"] == "films"


def test_a_blocking_finding_stops_until_a_choice_is_on_record(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films", patient=["1", "1", "2", "1", "4", "5"])
    open_page(app)
    assert "Stopped by 1 blocking finding" in app.error[0].value
    app.text_input[0].set_value("looked at *them*").run()
    button(app, "Accept").click().run()
    assert not app.exception
    assert not app.error
    (choice,) = list_datasets()[0].choices
    assert (choice.choice, choice.note) == ("accept", "looked at *them*")
    assert "On record:** accepted" in words(app)
    assert r"looked at \*them\*" in words(app)
    button(app, "Withdraw this choice").click().run()
    assert list_datasets()[0].choices == ()
    assert "Stopped by 1 blocking finding" in app.error[0].value


def test_excluded_films_leave_the_counts(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset = register(monkeypatch, tmp_path / "films", patient=["1", "1", "2", "1", "4", "5"])
    open_page(app)
    (code,) = [issue.code for issue in dataset.blocking()]
    left_out = len(next(issue for issue in dataset.issues() if issue.code == code).images)
    record_decision(dataset, code, "exclude")
    app.run()
    assert app.table[0].value.to_dict("records")[-1]["Films"] == str(6 - left_out)
    assert f"{left_out} excluded" in words(app)


def test_the_address_names_the_dataset(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "alpha")
    register(monkeypatch, tmp_path / "beta")
    open_page(app, dataset="beta")
    assert app.selectbox[1].value == "beta"
    assert plain(str(tmp_path / "beta")) in words(app)


def test_an_unknown_dataset_in_the_address_is_said(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "alpha")
    open_page(app, dataset="[x](http://a.b)")
    assert r"no dataset named \[x\]" in app.warning[0].value
    assert app.selectbox[1].value == "alpha"


def test_filters_count_films_and_patients(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app))
    assert not app.exception
    assert "**6 films** of 5 patients" in words(app)
    next(box for box in app.selectbox if box.label == "Finding").set_value("effusion").run()
    assert "**2 films** of 1 patient :gray[· effusion positive]" in words(app)
    next(box for box in app.selectbox if box.label == "Labelled").set_value("unknown").run()
    assert "**1 film** of 1 patient :gray[· effusion unknown]" in words(app)
    button(app, "Clear").click().run()
    assert "**6 films** of 5 patients" in words(app)
    next(box for box in app.number_input if box.label == "Age from").set_value(60).run()
    assert "**2 films** of 2 patients" in words(app)


def test_a_patient_of_a_hostile_name_is_shown_letter_by_letter(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app))
    next(box for box in app.text_input if box.label == "Patient").set_value(HOSTILE).run()
    assert rf"**1 film** of 1 patient :gray[· patient {plain(HOSTILE)}]" in words(app)
    assert not [each for each in app.markdown if each.proto.allow_html]


def test_missing_films_can_be_explored_but_not_trained_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films", status="missing")
    explore(open_page(app))
    assert not app.exception
    assert "Cannot be trained on" in app.warning[0].value
    assert "**6 films** of 5 patients" in words(app)


def test_films_without_labels_can_be_seen(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.pages.fake_datasets.FINDINGS", {})
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app))
    assert not app.exception
    assert "No finding has labels" in words(app)


def test_answers_on_the_read_page_outlive_a_visit_to_the_data_page(app: AppTest) -> None:
    app.sidebar.number_input[0].set_value(63).run()
    app.sidebar.radio[0].set_value("specificity_95").run()
    app.sidebar.segmented_control[0].set_value("AP").run()
    open_page(app)
    assert app.title[0].value == "Datasets"
    app.switch_page("pages/read.py").run()
    assert app.title[0].value == "Read chest films"
    assert app.sidebar.number_input[0].value == 63
    assert app.sidebar.radio[0].value == "specificity_95"
    assert app.sidebar.segmented_control[0].value == "AP"


class Gate:
    """A preparation that waits to be let through, and listens to being cancelled."""

    def __init__(self) -> None:
        self.begun, self.open, self.calls = threading.Event(), threading.Event(), 0

    def __call__(self, folders: Any, *, progress: Any, kind: Any, name: Any) -> Any:
        self.calls += 1
        self.begun.set()
        for done in range(10_000):
            progress("decoding", done, 10_000)
            if self.open.wait(0.005):
                raise DataError("the gate was opened")
        raise AssertionError("nobody opened the gate")


def test_a_second_start_joins_the_first(tmp_path: Path) -> None:
    gate = Gate()
    preparations = Preparations(gate)
    first = preparations.start([tmp_path])
    assert preparations.start([tmp_path]) is first
    assert gate.begun.wait(5)
    assert preparations.running() == [first]
    gate.open.set()
    assert first.wait(5)
    assert (gate.calls, first.error, preparations.ended()) == (1, "the gate was opened", [first])
    preparations.dismiss(first)
    assert preparations.ended() == []


def test_cancelling_ends_at_the_next_film_and_is_no_error(tmp_path: Path) -> None:
    preparation = Preparations(Gate()).start([tmp_path])
    preparation.cancel()
    assert preparation.wait(5)
    assert (preparation.error, preparation.dataset, preparation.cancelled) == (None, None, True)
    assert issubclass(Cancelled, DataError)


def test_what_runs_is_seen_by_another_tab(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Gate()
    preparations = Preparations(gate)
    monkeypatch.setattr(cache, "preparations", lambda: preparations)
    write_films(tmp_path / "films")
    open_page(app)
    app.text_area[0].set_value(str(tmp_path / "films"))
    button(app, "Prepare").click().run()
    other = open_page(AppTest.from_file(str(APP), default_timeout=60).run())
    assert str(tmp_path / "films") in words(other)
    button(other, "Cancel").click().run()
    assert preparations.running() == [] or preparations.running()[0].wait(5)
    other.run()
    assert "Stopped" in words(other)
    assert gate.calls == 1


def test_a_damaged_record_is_named_and_forgotten_and_the_others_are_shown(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    broken = registry.datasets_folder() / "*broken*"
    broken.mkdir()
    (broken / registry.RECORD).write_text("{")
    open_page(app)
    assert not app.exception
    assert r"\*broken\* cannot be read" in app.warning[0].value
    assert "May be trained on" in app.success[0].value
    button(app, r"Forget \*broken\*").click().run()
    assert not app.warning
    assert not broken.exists()
