"""The acceptance test on the Site page, on Streamlit's test bench: which films count, and what the verdict says."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.jobs import actions, files
from cxr_core.jobs.records import ProcessRecord
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.active_version import retire_model
from cxr_core.models.registry.registry import list_models
from cxr_core.site.validation_scores import ValidationScores, read_validation_scores
from cxr_core.training.runs import run_files
from cxr_core.workspace.process_id import current_process
from pages.components import cache
from pages.components.site import films
from pages.components.site.drop_zones import DroppedFilm, take_dropped_films
from pages.components.streamlit_internals import UploadedFile
from tests.pages.app_bench import (
    button_labels,
    find_button,
    find_labelled,
    open_page,
    page_link_labels,
    table_rows,
    visible_text,
)
from tests.pages.fake_datasets import register
from tests.pages.fake_reader import FakeReader
from tests.pages.fake_runs import FakeRuns
from tests.pages.fake_site import (
    FREE,
    SHOWING,
    draw_film,
    draw_films,
    draw_log_odds,
    drop_and_test,
    finish_step,
    install_model,
)


@pytest.fixture
def card(workspace: Path) -> ModelCard:
    return install_model(workspace)


@pytest.fixture
def reader(card: ModelCard) -> FakeReader:
    """Reads films with the model of the page."""
    return FakeReader(cards=(card,))


def records(workspace: Path) -> list[Path]:
    return sorted((workspace / "site" / "acceptance" / "tiny").glob("pneumonia-*.json"))


def test_empty_page_says_what_it_is_for_and_what_to_do_first(app: AppTest) -> None:
    open_page(app, "site", model="tiny", finding="pneumonia")
    text = visible_text(app)
    assert "first drop films of at least 20 patients that are known to be free" in text
    assert "No profile is installed: readings for pneumonia are the model's own." in text
    assert find_button(app, "Run the acceptance test").disabled
    assert "Recalibrate" not in button_labels(app)
    app.radio[0].set_value("Take a registered dataset").run()
    assert page_link_labels(app) == ["Add a dataset on the Data page"]


def test_page_without_an_active_model_leads_to_the_models(app: AppTest) -> None:
    for model in list_models():
        if model != "anatomy":
            retire_model(model, "a test")
    open_page(app, "site")
    assert "No model that can be used is active" in visible_text(app)
    assert page_link_labels(app) == ["To the models"]


def test_films_like_those_of_validation_are_accepted_and_kept_by_hash_alone(
    app: AppTest, workspace: Path
) -> None:
    drop_and_test(app, draw_films(draw_log_odds(24, FREE)))
    assert "Accepted" in app.success[0].value
    assert "24 patients free of pneumonia" in app.success[0].value
    (row, *_) = table_rows(app, "False alarms here")
    assert row["Decision"] == "Standard (10 % error)"
    assert row["False alarms here"].startswith("12 % (")
    assert len(app.get("plotly_chart")) == 1
    (path,) = records(workspace)
    record = json.loads(path.read_text())
    assert len({film["sha256"] for film in record["films"]}) == 24
    assert "child-" not in path.read_text()


def test_healthy_films_that_score_higher_are_shifted(app: AppTest) -> None:
    healthy = draw_films(draw_log_odds(24, FREE + 2.5))
    drop_and_test(app, healthy, draw_films(draw_log_odds(24, SHOWING), "ill", 100))
    sentence = app.warning[0].value.replace("\\", "")
    assert sentence.startswith(
        "Shifted: recalibrate. 24 patients free of pneumonia score 2.5 log-odds higher"
    )
    text = visible_text(app)
    assert "Median log-odds here less validation: **2.50 (" in text
    assert "Median log-odds here less validation: **0.00 (" in text
    assert len(app.get("plotly_chart")) == 2


def test_too_few_films_are_said_to_be_too_few(app: AppTest) -> None:
    drop_and_test(app, draw_films(draw_log_odds(5, FREE)))
    sentence = app.info[0].value.replace("\\", "")
    assert (
        "Too few films: found 5 patients known to be free of pneumonia, expected at least 20"
        in sentence
    )
    assert (
        "Recalibration needs labelled films of at least 20 patients; 5 are there."
        in visible_text(app)
    )


def test_films_of_one_patient_count_as_one(app: AppTest) -> None:
    names = [f"patient7_{number}.png" for number in range(24)]
    healthy = draw_films(draw_log_odds(24, FREE))
    drop_and_test(
        app, [(name, data, kind) for name, (_, data, kind) in zip(names, healthy, strict=True)]
    )
    assert "found 1 patient known to be free" in app.info[0].value


def test_films_that_do_not_count_are_listed_and_the_odd_one_is_named(app: AppTest) -> None:
    healthy = draw_films(draw_log_odds(24, FREE))
    odd = [
        ("<b>no film.png", b"no picture", "image/png"),
        ("copy.png", healthy[0][1], "image/png"),
        ("ill-among-the-healthy.png", draw_film(4.0, 300), "image/png"),
    ]
    drop_and_test(app, [*healthy, *odd])
    rows = {row["File"].replace("\\", ""): row["Why"] for row in table_rows(app, "Why")}
    assert rows == {
        "<b>no film.png": "This file is no PNG, JPEG or DICOM image.",
        "copy.png": "the same film as child-0.png",
    }
    assert "ill-among-the-healthy.png stands out" in visible_text(app).replace("\\", "")


def test_a_film_given_with_both_labels_is_left_out(app: AppTest) -> None:
    healthy = draw_films(draw_log_odds(24, FREE))
    drop_and_test(app, healthy, [("again.png", healthy[0][1], "image/png")])
    reasons = {row["Why"] for row in table_rows(app, "Why")}
    assert reasons == {
        "the same film is given both with the finding and free of it; correct its label"
    }


def test_films_are_forgotten_once_they_were_read(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[DroppedFilm] = []

    def take(uploads: Mapping[int, Sequence[UploadedFile]]) -> list[DroppedFilm]:
        taken.extend(take_dropped_films(uploads))
        return taken

    monkeypatch.setattr(films, "take_dropped_films", take)
    drop_and_test(app, draw_films(draw_log_odds(6, FREE)))
    assert len(taken) == 6
    assert {film.data for film in taken} == {b""}
    assert app.file_uploader[0].value == []


def test_a_model_without_validation_scores_says_so(app: AppTest, workspace: Path) -> None:
    (workspace / "models" / "tiny" / "1.0.0" / "validation_scores.json").unlink()
    drop_and_test(app, draw_films(draw_log_odds(3, FREE)))
    assert "has no validation" in app.error[0].value.replace("\\", "")
    assert records(workspace) == []
    app.run()
    assert not app.error


def test_another_finding_starts_anew(app: AppTest, workspace: Path) -> None:
    drop_and_test(app, draw_films(draw_log_odds(5, FREE)))
    app.selectbox[0].set_value(("pneumonia-children", "pneumonia")).run()
    assert not app.info
    app.selectbox[0].set_value(("tiny", "pneumonia")).run()
    assert "first drop films" in visible_text(app)


@pytest.mark.process
def test_films_of_a_registered_dataset_are_tested_in_the_background(
    app: AppTest, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [0, 0, 0, 1, float("nan"), 0]
    register(monkeypatch, tmp_path / "films", pneumonia=labels, age=[3, 3, 4, 4, 5, 60])
    open_page(app, "site", model="tiny", finding="pneumonia")
    app.radio[0].set_value("Take a registered dataset").run()
    find_button(app, "Run the acceptance test").click().run()
    finish_step(app)
    assert "found 2 patients known to be free of pneumonia" in app.info[0].value
    rows = {row["File"]: row["Why"] for row in table_rows(app, "Why")}
    assert rows == {
        "film-4.png": "its label is unknown",
        "film-5.png": "the patient is older than 5",
    }
    (path,) = records(workspace)
    assert str(tmp_path) not in path.read_text()


def test_a_finished_scoring_is_offered_for_the_films_of_a_dataset(
    app: AppTest, runs: FakeRuns, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, tmp_path / "films", pneumonia=[0, 0, 0, 1, 1, 0])
    for name in ("done", "waits"):
        job = actions.submit_scoring((str(tmp_path / "films"),), name)
    finish_scoring(workspace / "scorings" / "done")
    assert job.state == "queued"
    open_page(app, "site", model="tiny", finding="pneumonia")
    app.radio[0].set_value("Take a registered dataset").run()
    numbers = find_labelled(app.selectbox, "Log-odds")
    assert numbers.options == ["read the films now", "scoring done"]
    numbers.set_value("done").run()
    find_button(app, "Run the acceptance test").click().run()
    finish_step(app)
    assert "scorings/done/scores holds no scoring that can be read" in visible_text(app)
    assert records(workspace) == []


def finish_scoring(folder: Path) -> None:
    """As if a process had carried out the job, and left no scoring that could be read."""
    process = ProcessRecord(process=current_process(), former_figures="")
    files.write_record(folder, run_files.PROCESS, process.to_json() | {"pid": 2**22 + 1})
    files.remove_records(folder, run_files.QUEUE)
    (folder / "scores").mkdir()
    (folder / "scores" / "manifest.json").write_text("{}")


def test_a_test_that_is_stopped_keeps_nothing(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def wait_and_read(folder: Path, card: ModelCard) -> ValidationScores:
        go_on.wait(30)
        (task,) = cache.background_tasks().list_running("site ")
        task.report_progress("comparing", 0, 1)
        return read_validation_scores(folder, card)

    monkeypatch.setattr(films, "read_validation_scores", wait_and_read)
    open_page(app, "site", model="tiny", finding="pneumonia")
    app.file_uploader[0].set_value(draw_films(draw_log_odds(3, FREE)))
    app.run()
    find_button(app, "Run the acceptance test").click().run()
    assert find_labelled(app.button, "Stop")
    find_button(app, "Stop").click().run()
    go_on.set()
    finish_step(app)
    assert "The acceptance test was stopped; nothing was kept." in visible_text(app)
    assert records(workspace) == []
