"""The Data page on Streamlit's test bench, on datasets with planted faults."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.data import registry
from cxr_core.data.prepare import prepare_dataset, record_decision
from cxr_core.data.registry import list_datasets
from cxr_core.data.subsets import list_subsets
from pages.components import cache
from pages.components.datasets import add_dataset
from pages.components.markdown import plain
from tests.pages.app_bench import button_labels, find_button, open_page, start_app, visible_text
from tests.pages.fake_datasets import HOSTILE, register, write_films


def explore(app: AppTest) -> AppTest:
    """The page with its charts and films."""
    app.session_state["data_page"].explore_films(None)
    return app.run()


def test_without_a_dataset_the_page_says_what_to_do(app: AppTest) -> None:
    open_page(app, "data")
    assert not app.exception
    assert "first enter the folder that holds them" in visible_text(app)
    assert "Data_Entry_2017" in visible_text(app)
    assert not app.tabs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/no/such/folder", "no folder /no/such/folder"),
        (" ", "Enter at least one folder."),
        (__file__, "is a file, not a folder"),
        ("~nosuchuser/x", "this computer has no user nosuchuser"),
        ("x" * 5000, "File name too long"),
        (f"{__file__}/x", "a part of this path is a file"),
        (HOSTILE, r"\<img src=x onerror=alert(1)\> \*\*bold\*\*"),
    ],
)
def test_unusable_folder_is_explained_below_the_field(
    app: AppTest, text: str, sentence: str
) -> None:
    open_page(app, "data")
    app.text_area[0].set_value(text)
    find_button(app, "Prepare").click().run()
    assert not app.exception
    assert sentence in app.error[0].value
    assert list_datasets() == []


def test_empty_folder_is_refused(app: AppTest, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    open_page(app, "data")
    app.text_area[0].set_value(str(tmp_path / "empty"))
    find_button(app, "Prepare").click().run()
    assert "empty" in app.error[0].value
    find_button(app, "Dismiss").click().run()
    assert not app.error


def test_dataset_without_issues_is_ready_for_training(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    open_page(app, "data")
    assert not app.exception
    assert "Ready for training" in app.success[0].value
    parts = app.table[0].value.to_dict("records")
    assert [(row["Split"], row["Films"], row["Patients"]) for row in parts] == [
        ("train", "3", "2"),
        ("test", "3", "3"),
        ("all", "6", "5"),
    ]
    assert "Free use" in visible_text(app)
    assert app.query_params["dataset"] == "films"


def test_blocking_issue_blocks_until_a_decision_is_recorded(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films", patient=["1", "1", "2", "1", "4", "5"])
    open_page(app, "data")
    assert "Blocked by 1 issue" in app.error[0].value
    app.text_input[0].set_value("looked at *them*").run()
    find_button(app, "Accept").click().run()
    assert not app.exception
    assert not app.error
    (decision,) = list_datasets()[0].decisions
    assert (decision.action, decision.note) == ("accept", "looked at *them*")
    assert "Decision:** accepted" in visible_text(app)
    assert r"looked at \*them\*" in visible_text(app)
    find_button(app, "Withdraw this decision").click().run()
    assert list_datasets()[0].decisions == ()
    assert "Blocked by 1 issue" in app.error[0].value


def test_excluded_films_leave_the_counts(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset = register(monkeypatch, tmp_path / "films", patient=["1", "1", "2", "1", "4", "5"])
    open_page(app, "data")
    (code,) = [issue.code for issue in dataset.open_blocking_issues()]
    left_out = len(next(issue for issue in dataset.load_issues() if issue.code == code).images)
    record_decision(dataset, code, "exclude")
    app.run()
    assert app.table[0].value.to_dict("records")[-1]["Films"] == str(6 - left_out)
    assert f"{left_out} excluded" in visible_text(app)


def test_address_selects_the_dataset(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "alpha")
    register(monkeypatch, tmp_path / "beta")
    open_page(app, "data", dataset="beta")
    assert app.selectbox[1].value == "beta"
    assert plain(str(tmp_path / "beta")) in visible_text(app)


def test_unknown_dataset_in_the_address_is_explained(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "alpha")
    open_page(app, "data", dataset="[x](http://a.b)")
    assert r"no dataset named \[x\]" in app.warning[0].value
    assert app.selectbox[1].value == "alpha"


def test_filters_count_films_and_patients(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app, "data"))
    assert not app.exception
    assert "**6 films** of 5 patients" in visible_text(app)
    next(box for box in app.selectbox if box.label == "Finding").set_value("effusion").run()
    assert "**2 films** of 1 patient" in visible_text(app)
    assert "effusion positive" in button_labels(app)
    next(box for box in app.selectbox if box.label == "Labelled").set_value("unknown").run()
    assert "**1 film** of 1 patient" in visible_text(app)
    find_button(app, "effusion unknown").click().run()
    assert "effusion unknown" not in button_labels(app)
    assert "**6 films** of 5 patients" in visible_text(app)
    next(box for box in app.number_input if box.label == "Age from").set_value(60).run()
    assert "**2 films** of 2 patients" in visible_text(app)


def test_filters_are_in_the_address_and_a_link_restores_them(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app, "data"))
    next(box for box in app.selectbox if box.label == "Finding").set_value("effusion").run()
    next(box for box in app.multiselect if box.label == "View").set_value(["PA", "AP"]).run()
    next(box for box in app.number_input if box.label == "Age from").set_value(41).run()
    next(box for box in app.text_input if box.label == "Patient").set_value("1").run()
    address = {name: app.query_params[name] for name in app.query_params}
    assert address == {
        "dataset": "films",
        "tab": "explore",
        "finding": "effusion",
        "view": ["PA", "AP"],
        "age": "41-",
    }
    assert str(tmp_path) not in str(address)
    other = start_app()
    for name, values in address.items():
        other.query_params[name] = values
    other.switch_page("pages/data.py").run()
    assert "**1 film** of 1 patient" in visible_text(other)
    assert {"effusion positive", "view PA or AP", "41 or more years"} <= set(button_labels(other))


def test_an_address_that_makes_no_sense_shows_every_film(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    open_page(app, "data", tab="explore", finding="<b>", age="9" * 99, split="no", issue="none")
    assert not app.exception
    assert "**6 films** of 5 patients" in visible_text(app)


def test_shown_films_are_kept_as_a_subset_and_counted_again(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset = register(monkeypatch, tmp_path / "films")
    explore(open_page(app, "data"))
    next(box for box in app.selectbox if box.label == "Finding").set_value("effusion").run()
    next(box for box in app.text_input if box.label == "Name").set_value("a b").run()
    find_button(app, "Save").click().run()
    assert "cannot be named" in app.error[0].value
    next(box for box in app.text_input if box.label == "Name").set_value("wet").run()
    find_button(app, "Save").click().run()
    assert "2 films are kept as wet." in visible_text(app)
    (subset,) = list_subsets()
    assert (subset.record.dataset, subset.record.filters) == (
        dataset.name,
        ("effusion positive",),
    )
    manifest = dataset.load_manifest()
    assert sorted(subset.record.films) == sorted(manifest.table["sha256"][:2])
    (tmp_path / "films" / "film-0.png").write_bytes(b"")
    prepare_dataset([tmp_path / "films"])
    app.run()
    assert "1 of 2 films still there · effusion positive" in visible_text(app).replace("\\", "")
    find_button(app, "Delete").click().run()
    assert list_subsets() == []


def test_hostile_patient_name_is_shown_as_plain_text(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app, "data"))
    next(box for box in app.text_input if box.label == "Patient").set_value(HOSTILE).run()
    assert "**1 film** of 1 patient" in visible_text(app)
    assert plain(f"patient {HOSTILE}") in button_labels(app)
    assert not [each for each in app.markdown if each.proto.allow_html]


def test_missing_films_can_be_explored_but_not_trained_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films", status="missing")
    explore(open_page(app, "data"))
    assert not app.exception
    assert "Cannot be trained on" in app.warning[0].value
    assert "**6 films** of 5 patients" in visible_text(app)


def test_films_without_labels_can_be_viewed(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.pages.fake_datasets.FINDINGS", {})
    register(monkeypatch, tmp_path / "films")
    explore(open_page(app, "data"))
    assert not app.exception
    assert "No finding has labels" in visible_text(app)


def test_patient_form_of_the_read_page_outlives_other_pages(app: AppTest) -> None:
    app.sidebar.number_input[0].set_value(63).run()
    app.sidebar.radio[0].set_value("strict").run()
    app.sidebar.segmented_control[0].set_value("AP").run()
    open_page(app, "data")
    assert app.title[0].value == "Datasets"
    app.switch_page("pages/read.py").run()
    assert app.title[0].value == "Read chest films"
    assert app.sidebar.number_input[0].value == 63
    assert app.sidebar.radio[0].value == "strict"
    assert app.sidebar.segmented_control[0].value == "AP"


def test_running_preparation_is_shown_in_another_tab(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = threading.Semaphore(0)

    def never_ready(folders: Any, *, progress: Any, **options: Any) -> Any:
        calls.release()
        for done in range(10_000):
            progress("decoding", done, 10_000)
            time.sleep(0.005)
        raise AssertionError("nobody cancelled the preparation")

    monkeypatch.setattr(add_dataset, "prepare_dataset", never_ready)
    write_films(tmp_path / "films")
    open_page(app, "data")
    app.text_area[0].set_value(str(tmp_path / "films"))
    find_button(app, "Prepare").click().run()
    other = open_page(start_app(), "data")
    assert str(tmp_path / "films") in visible_text(other)
    find_button(other, "Cancel").click().run()
    tasks = cache.background_tasks()
    assert all(task.wait(5) for task in tasks.list_running(add_dataset.PREFIX))
    other.run()
    assert "Stopped" in visible_text(other)
    assert calls.acquire(timeout=0)
    assert not calls.acquire(timeout=0), "the second tab joined the first"


def test_damaged_dataset_is_named_and_removed_and_the_others_are_shown(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch, tmp_path / "films")
    broken = registry.datasets_folder() / "*broken*"
    broken.mkdir()
    (broken / registry.RECORD).write_text("{")
    open_page(app, "data")
    assert not app.exception
    assert r"\*broken\* cannot be read" in app.warning[0].value
    assert "Ready for training" in app.success[0].value
    find_button(app, r"Remove \*broken\*").click().run()
    assert not app.warning
    assert not broken.exists()
