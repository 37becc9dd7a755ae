"""Searches on the Train page: started from the form, watched, and a trial's settings taken into a run."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import RecipeError
from cxr_core.jobs import status
from cxr_core.jobs.commands import build_job_command
from cxr_core.jobs.files import read_request
from cxr_core.models.figures import Figure
from cxr_core.scale.search import trials
from cxr_core.scale.search.results import Optimism, write_results
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import work_on_trials
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_named_recipe, load_recipe
from pages.components.training.form.search_form import ask_search
from pages.components.training.page_state import RunDraft
from tests.pages.app_bench import button_labels, find_button, open_page, visible_text
from tests.pages.fake_runs import FakeRuns, register_dataset
from tests.scale.search.bench import RECIPE, FakeTraining, new_search, options

pytest.importorskip("optuna", reason="needs the extra `cluster`")


@pytest.fixture
def search(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> SearchFolder:
    """A search of 12 trials, whose best trial was measured on films set aside."""
    monkeypatch.setattr(trials, "fit_or_resume", FakeTraining())
    search = new_search(workspace)
    study = OptunaStudy(search)
    work_on_trials(study, 12, options(), lambda *_: None)
    best = write_results(study).best
    assert best is not None
    auroc = {"pneumonia": Figure(value=0.8, low=0.7, high=0.9, n=90, positives=30)}
    write_results(
        study,
        Optimism(trial=best.number, compared_on=auroc, left_aside=auroc, value=0.023),
    )
    return search


def test_a_search_shows_its_best_trial_what_matters_and_how_much_too_good_it_looks(
    app: AppTest, runs: FakeRuns, search: SearchFolder
) -> None:
    open_page(app, "train")
    labels = " ".join(expander.label for expander in app.expander)
    assert "Search **tiny** :gray[· 12 trials" in labels
    assert "best validation AUROC 0." in labels


def test_the_best_settings_go_into_the_form_of_a_run(
    app: AppTest, runs: FakeRuns, search: SearchFolder, workspace: Path
) -> None:
    register_dataset(workspace)
    app.session_state[f"search-{search.name}"] = True
    open_page(app, "train")
    assert "**Best so far: trial" in visible_text(app)
    assert "the AUROC of the best trial is lower by 0.023" in visible_text(app)
    assert "Start a run with its settings" in button_labels(app)
    find_button(app, "Start a run with the best settings").click().run()
    assert not app.exception
    rate = next(n for n in app.number_input if n.label.startswith("Dropout"))
    best = write_results(OptunaStudy(search)).best
    assert best is not None
    assert rate.value == pytest.approx(best.settings["dropout"], abs=1e-6)


def test_a_search_is_started_from_the_form(app: AppTest, runs: FakeRuns, workspace: Path) -> None:
    register_dataset(workspace)
    open_page(app, "train", tab="Start a run")
    kind = next(each for each in app.segmented_control if each.label == "What to start")
    kind.set_value("A search").run()
    assert not app.exception
    area = next(a for a in app.text_area if a.label == "Fields to try")
    area.set_value("[learning_rat]\nlow = 1").run()
    assert "did you mean learning\\_rate?" in visible_text(app)
    area.set_value("[learning_rate]\nlow = 1e-5\nhigh = 1e-2\nlog = true\n").run()
    number = next(each for each in app.number_input if each.label == "Validation splits")
    number.set_value(3).run()
    assert "3 runs each" in visible_text(app)
    find_button(app, "Start: a search").click().run()
    assert not app.exception
    (job,) = status.list_search_jobs()
    assert (job.state, job.kind) == ("queued", "search")
    request = read_request(job.folder)
    assert request is not None
    command = build_job_command(job.folder, request)
    assert "train.search" in command
    assert load_recipe(job.folder / "job" / "recipe.toml").name in job.title
    assert (job.folder / "job" / "space.toml").read_text().startswith("[learning_rate]")
    assert {"--trials=30", "--validation-splits=3"} <= set(command)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (load_named_recipe("anatomy"), "search it from a shell with --set-aside 0"),
        (replace(RECIPE, split="fold:1/5"), "split='fold:1/5' is a fold"),
    ],
)
def test_a_recipe_that_the_page_cannot_search_is_refused_in_the_form(
    recipe: Recipe, sentence: str
) -> None:
    with pytest.raises(RecipeError, match=sentence):
        ask_search(RunDraft(), recipe)


@pytest.mark.parametrize("name", ["search.json", "recipe.toml", "results.json"])
def test_a_damaged_search_is_told_and_hides_nothing(
    app: AppTest, runs: FakeRuns, search: SearchFolder, name: str
) -> None:
    (search.path / name).write_bytes(b"\xff")
    open_page(app, "train")
    (error,) = app.error
    assert name in error.value.replace("\\", "")
