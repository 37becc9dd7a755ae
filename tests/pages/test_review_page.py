"""The Review page on Streamlit's test bench: projects, repair of labels, disputes, layers, and the next model."""

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.data.label_layers import load_layer
from cxr_core.data.prepare import open_data
from cxr_core.data.registry import Dataset, find_dataset
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.feedback.films import find_film, keep_film, list_project_films
from cxr_core.feedback.projects import Project, create_project, list_projects
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.dataset_review import create_review, fill_from_evaluation
from cxr_core.feedback.review.queue import list_queue
from cxr_core.feedback.verdicts import current_verdicts
from pages.components.review.page_state import ReviewPageState
from pages.components.review.reading import CaseReview
from tests.feedback.bench import draw_film, hash_of, judge, write_dataset
from tests.feedback.evaluations import write_evaluation
from tests.pages.app_bench import button_labels, find_button, open_page, table_rows, visible_text

TRUTH = [0, 1] * 4
FLIPPED = (2, 5)


@pytest.fixture
def dataset(workspace: Path, tmp_path: Path) -> Dataset:
    labels = [float(label if n not in FLIPPED else 1 - label) for n, label in enumerate(TRUTH)]
    return write_dataset(tmp_path / "films", labels)


def fill(project: Project, dataset: Dataset, workspace: Path) -> None:
    """Fill the queue by a model that knows the truth."""
    films = dataset.load_manifest()
    chances = {hash_of(n): 0.9 if label else 0.1 for n, label in enumerate(TRUTH)}
    folder = write_evaluation(
        workspace / "evaluations" / "tiny", films, "pneumonia", films.table["sha256"].map(chances)
    )
    fill_from_evaluation(project, load_evaluation(load_record(folder)))


def start(app: AppTest, reader: str = "Ada", view: str = "Read") -> AppTest:
    """The Review page, read by somebody."""
    app.session_state["read_page"].feedback.reader = register_reader(reader)
    open_page(app, "review")
    show(app, view)
    return app


def show(app: AppTest, view: str) -> AppTest:
    state: ReviewPageState = app.session_state["review_page"]
    state.switch_tab(view)
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    find_button(app, label).click().run()
    assert not app.exception
    return app


def test_a_project_is_begun_on_the_page(app: AppTest, dataset: Dataset) -> None:
    register_reader("Ada")
    open_page(app, "review", dataset="films")
    assert "Begin with a project" in visible_text(app)
    app.text_input(key="review-new-name").set_value("Round 1")
    app.multiselect(key="review-new-findings").set_value(["pneumonia"])
    press(app, "Begin")
    (project,) = list_projects()
    assert (project.name, project.dataset, len(list_project_films(project))) == (
        "Round 1",
        "films",
        8,
    )
    assert "labels of films · pneumonia · 1 reader for each film" in visible_text(app)
    assert "Who is reading?" in visible_text(app)
    app.selectbox(key="review-reader").set_value("Ada").run()
    assert "The queue is empty." in visible_text(app)


def test_labels_are_repaired_one_after_another_and_become_a_layer(
    app: AppTest, dataset: Dataset, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = create_review("Round 1", dataset, ["pneumonia"])
    fill(project, dataset, workspace)
    start(app)
    for _ in FLIPPED:
        assert "**Label:** " in visible_text(app)
        label = app.session_state["review_page"].case.label
        press(app, "Not suspected" if label else "Suspected")
    assert "6 of 8 cases open" in visible_text(app)
    show(app, "Labels")
    assert "**2 labels decided**" in visible_text(app)
    state = app.session_state["review_page"]
    app.text_input(key=state.widget_key("layer-name")).set_value("better")
    press(app, "Make a label layer")
    assert load_layer("better").count_changes() == {
        "pneumonia": {"absent to present": 1, "present to absent": 1}
    }
    assert open_data(["films", "labels:better"]).table["pneumonia"].tolist() == TRUTH
    planned: list[tuple[list[str], list[str]]] = []

    def plan(data: list[str], findings: list[str], *, model: str) -> object:
        from cxr_core.promotion.next_model import NextModel
        from pages.components import cache

        planned.append((data, findings))
        recipe = cache.load_recipes()["pneumonia-children"]
        return NextModel(recipe=recipe, data=tuple(data), model="m", sentence="m is trained.")

    monkeypatch.setattr("cxr_core.promotion.next_model.plan_next_model", plan)
    press(app, "Train the next model")
    assert planned == [(["films", "labels:better"], ["pneumonia"])]
    draft = app.session_state["train_page"].draft
    assert (draft.recipe_name, draft.data) == ("pneumonia-children", ("films", "labels:better"))


def wait_for_plan(app: AppTest, project: Project) -> AppTest:
    """Wait for the next model that was asked for, and run the page."""
    from pages.components import cache

    task = cache.background_tasks().find(f"next model {project.id}")
    assert task is None or task.wait(120)
    app.run()
    assert not app.exception
    return app


def test_one_click_leads_from_kept_films_to_the_form_of_a_run(
    app: AppTest, workspace: Path
) -> None:
    """The shipped model of pneumonia is made for children of one to five."""
    project = create_project("Night shift", ["pneumonia"])
    ada = register_reader("Ada").id
    start(app, view="Labels")
    press(app, "Train the next model")
    text = visible_text(app)
    assert "0 with, 0 without" in text + visible_text(wait_for_plan(app, project))
    for number in range(40):
        film = keep_film(project, draw_film(number, age_years=3.0), "", consent_by=ada)
        judge(film, ada, "suspected" if number % 2 else "not_suspected")
    press(app, "Train the next model")
    wait_for_plan(app, project)
    draft = app.session_state["train_page"].draft
    assert draft.data == ("Night-shift-1",)
    assert (draft.recipe.init, draft.recipe_name) == ("pneumonia-children", "pneumonia-children")
    films = find_dataset("Night-shift-1").load_manifest().table
    assert sorted(films["pneumonia"]) == [0] * 20 + [1] * 20


def test_the_last_verdict_is_undone_and_its_film_shown_again(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    project = create_review("Round 1", dataset, ["pneumonia"])
    fill(project, dataset, workspace)
    start(app)
    first = app.session_state["review_page"].case
    press(app, "Unsure")
    assert app.session_state["review_page"].case.film != first.film
    press(app, "Undo")
    assert app.session_state["review_page"].case.film == first.film
    assert current_verdicts(first.film, register_reader("Ada").id) == {}
    press(app, "Pass over")
    assert app.session_state["review_page"].case.film != first.film


def test_a_key_that_reaches_buttons_of_the_case_before_judges_nothing(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    """The browser has the buttons of both cases for a moment, and a key presses both."""
    project = create_review("Round 1", dataset, ["pneumonia"])
    fill(project, dataset, workspace)
    start(app)
    state, ada = app.session_state["review_page"], register_reader("Ada")
    before = CaseReview(state, project, ada, state.case)
    press(app, "Suspected")
    assert state.case.film != before.case.film
    before.rows.actions.undo("pneumonia")
    assert current_verdicts(before.case.film, ada.id)["pneumonia"].answer == "suspected"
    before.rows.actions.give("pneumonia", "not_suspected", None)
    assert current_verdicts(before.case.film, ada.id)["pneumonia"].answer == "suspected"


def test_with_read_first_label_and_answer_come_after_the_verdict(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    project = create_review("Study", dataset, ["pneumonia"], read_first=True, reads=2)
    fill(project, dataset, workspace)
    start(app)
    hidden = visible_text(app)
    assert "Label:" not in hidden
    assert "contradicts" not in hidden
    assert "tiny" not in hidden
    show(app, "Queue")
    assert "tiny" not in visible_text(app)
    show(app, "Read")
    press(app, "Suspected")
    assert "Label:" not in visible_text(app)
    press(app, "Reveal the answer")
    assert "**Label:**" in visible_text(app)
    film = app.session_state["review_page"].case.film
    start(app, "Ben")
    app.session_state["review_page"].take_next()
    app.run()
    assert app.session_state["review_page"].case.film == film, "a second reader is wanted"
    assert "Label:" not in visible_text(app)
    assert "Ada" not in visible_text(app)


def test_a_third_reader_settles_what_two_differ_on(app: AppTest, dataset: Dataset) -> None:
    project = create_review("Study", dataset, ["pneumonia"], reads=2)
    film = find_film(project, hash_of(1))
    assert film is not None
    judge(film, register_reader("Ada").id, "suspected")
    judge(film, register_reader("Ben").id, "not_suspected", comment="rotated")
    start(app, "Ada", "Disputes")
    assert "A third reader settles them." in visible_text(app)
    start(app, "Cy", "Disputes")
    text = visible_text(app)
    assert "**Reader 2:** not suspected" in text
    assert "rotated" in text
    assert "Ben" not in text
    press(app, "Suspected")
    assert "There is nothing to settle" in visible_text(app)
    show(app, "Labels")
    assert "**1 label decided**" in visible_text(app)


def test_a_film_that_left_the_dataset_is_told_and_passed_over(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    from cxr_core.data.prepare import prepare_dataset

    project = create_review("Round 1", dataset, ["pneumonia"])
    fill(project, dataset, workspace)
    (first,) = list_queue(project, count=1).cases
    number = next(n for n in range(len(TRUTH)) if hash_of(n) == first.pixels_sha256)
    (dataset.folders[0] / f"f{number}.png").unlink()
    prepare_dataset(dataset.folders)
    start(app)
    assert "this film is no longer in the dataset" in visible_text(app)
    press(app, "Pass over")
    assert "no longer in the dataset" not in visible_text(app)


def test_deleting_a_project_says_what_goes(app: AppTest, dataset: Dataset) -> None:
    create_review("Round 1", dataset, ["pneumonia"])
    start(app, view="Project")
    assert "will be deleted for good: 8 films, every verdict" in visible_text(app)
    press(app, "Delete it")
    assert list_projects() == []
    assert "Begin with a project" in visible_text(app)


def test_the_queue_is_filled_from_an_evaluation_on_the_page(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    from pages.components import cache

    project = create_review("Round 1", dataset, ["pneumonia"])
    films = dataset.load_manifest()
    write_evaluation(
        workspace / "evaluations" / "tiny", films, "pneumonia", pd.Series([0.1, 0.9] * 4)
    )
    start(app, view="Queue")
    press(app, "Fill the queue")
    task = cache.background_tasks().find(f"fill queue {project.id}")
    assert task is None or task.wait(60)
    app.run()
    assert list_queue(project).total == 8
    assert "8 of 8 cases open" in visible_text(app)


def test_readers_stand_beside_the_model_on_the_evaluate_page(
    app: AppTest, dataset: Dataset, workspace: Path
) -> None:
    project = create_review("Study", dataset, ["pneumonia"], reads=2)
    fill(project, dataset, workspace)
    for reader in ("Ada", "Ben", "Cy"):
        number = register_reader(reader).id
        for film in list_project_films(project):
            sick = TRUTH[next(n for n in range(8) if hash_of(n) == film.pixels_sha256)]
            judge(film, number, "suspected" if sick else "not_suspected")
    open_page(app, "evaluate", tab="readers")
    assert not app.exception
    kappa = {row["Readers"]: row["Cohen's kappa"] for row in table_rows(app, "Cohen's kappa")}
    assert kappa["Ada and Ben"] == kappa["all (Fleiss' kappa)"] == "1.00 (1.00 to 1.00)"
    rates = {
        row["Against the others"]: row["Sensitivity"] for row in table_rows(app, "Sensitivity")
    }
    assert rates["Ada"] == rates["the model, on the films of Ada"] == "1.00 (1.00 to 1.00)"


def test_nothing_of_the_page_is_shown_to_who_may_only_read(
    app: AppTest, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_core.access import actor
    from cxr_core.access.actor import Actor, Role

    create_review("Round 1", dataset, ["pneumonia"])
    monkeypatch.setattr(actor, "_find_actor", lambda: Actor("somebody", Role.READER))
    app.switch_page("pages/review.py").run()
    assert not app.exception
    assert "needs the role researcher" in visible_text(app)
    assert "Pass over" not in button_labels(app)
