"""The form of the Train page on Streamlit's test bench: what it asks, explains and submits."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.data.subsets import SubsetRecord
from cxr_core.jobs.job import TrainingRequest
from cxr_core.training import preconditions
from cxr_core.training.batch_preview import BatchPreview
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.annotation import RunAnnotation
from cxr_core.workspace.json_files import write_json
from pages.components import cache
from pages.components.training.page_state import START
from tests.pages.app_bench import (
    button_labels,
    find_labelled,
    open_page,
    page_link_labels,
    visible_text,
)
from tests.pages.fake_runs import register_dataset


def open_form(app: AppTest) -> AppTest:
    open_page(app, "train")
    app.session_state["train_page"].switch_view(START)
    app.run()
    assert not app.exception
    return app


def test_without_runs_and_datasets_the_page_leads_to_the_data_page(app: AppTest) -> None:
    open_page(app, "train")
    assert "models are trained on your own films" in visible_text(app)
    assert page_link_labels(app) == ["Add a dataset on the Data page"]
    open_form(app)
    assert "No dataset is registered yet" in visible_text(app)
    assert page_link_labels(app) == ["Add a dataset on the Data page"]
    assert "Start" not in button_labels(app)


def test_with_a_dataset_but_no_runs_the_page_leads_to_the_form(
    app: AppTest, workspace: Path
) -> None:
    register_dataset(workspace)
    open_page(app, "train")
    assert "first start a run on one of your datasets" in visible_text(app)
    assert not page_link_labels(app)
    find_labelled(app.button, "Start a run").click().run()
    assert not app.exception
    assert "ready for training" in visible_text(app)


def test_each_form_submits_one_run(
    app: AppTest, submitted: list[TrainingRequest], workspace: Path
) -> None:
    name = register_dataset(workspace)
    open_form(app)
    assert "ready for training" in visible_text(app)
    assert "MobileNetV2 from ImageNet weights" in visible_text(app)
    assert "Our own" in visible_text(app)
    find_labelled(app.number_input, "Epochs").set_value(9)
    find_labelled(app.number_input, "Translation (share of the side)").set_value(0.2)
    find_labelled(app.number_input, "Processes").set_value(2)
    app.run()
    assert (
        "epochs **9** instead of 4; translation (share of the side) **0.2** instead of 0.05"
        in visible_text(app)
    )
    find_labelled(app.button, "Start").click().run()
    assert not app.exception
    (request,) = submitted
    assert (request.data, request.device, request.processes) == ((name,), "cpu", 2)
    assert (request.recipe.epochs, request.recipe.augmentation.shift) == (9, 0.2)
    assert "made-1 was submitted" in app.toast[0].value
    app.session_state["train_page"].switch_view(START)
    app.run()
    assert find_labelled(app.number_input, "Epochs").value == 4
    find_labelled(app.button, "Start").click().run()
    assert submitted[1].token != request.token


def test_invalid_fields_are_explained_below_them_and_block_the_start(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_dataset(workspace)
    open_form(app)
    find_labelled(app.number_input, "Frozen-backbone epochs").set_value(4).run()
    assert not app.exception
    sentence = "Frozen-backbone epochs = 4 must be below Epochs = 4"
    shown = [each.value for each in app.markdown if sentence in each.value]
    assert len(shown) == 2  # beneath the field, and beside the button
    find_labelled(app.number_input, "Frozen-backbone epochs").set_value(0)
    find_labelled(app.number_input, "Epochs").set_value(0)
    find_labelled(app.number_input, "Rotation (degrees)").set_value(50.0).run()
    for sentence in (
        "Epochs = 0 must be a whole number between 1 and 1000",
        "Rotation (degrees) = 50.0 must be a number between 0 and 45",
    ):
        assert sum(sentence in each.value for each in app.markdown) == 2
    assert find_labelled(app.button, "Start").disabled
    assert "Epochs = 0" in find_labelled(app.button, "Start").help
    find_labelled(app.number_input, "Rotation (degrees)").set_value(7.0)
    find_labelled(app.number_input, "Neck (channels)").set_value(None)
    find_labelled(app.number_input, "Epochs").set_value(4).run()
    assert "Changed from the recipe: neck (channels) **empty** instead of 96." in visible_text(app)
    assert not find_labelled(app.button, "Start").disabled


def test_batch_that_processes_cannot_share_is_explained(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_dataset(workspace)
    open_form(app)
    find_labelled(app.number_input, "Batch size (films)").set_value(15)
    find_labelled(app.number_input, "Processes").set_value(2).run()
    assert "15 films cannot be shared equally by 2 processes" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled


def test_dataset_with_a_blocking_issue_blocks_the_start(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_dataset(workspace, blocking=True)
    open_form(app)
    assert "blocked by 1 issue" in visible_text(app)
    assert "has a blocking issue without a decision" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled


def test_finding_without_labels_blocks_the_start(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_dataset(workspace)
    open_form(app)
    find_labelled(app.selectbox, "Recipe").set_value("pneumonia-children").run()
    assert "No film of these patients has a label for pneumonia" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled
    find_labelled(app.multiselect, "Datasets").set_value([]).run()
    assert "No dataset is chosen." in visible_text(app)


def test_the_form_starts_with_a_recipe_that_can_start_here(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adults = {"age": [40, 50, 60, 70, 80, 90], "cardiomegaly": [0, 1, 0, 1, 0, 1]}
    children = {"age": [1, 2, 3, 4, 5, 5], "pneumonia": [0, 1, 0, 1, 0, 1]}
    register_dataset(workspace, "adults", findings=adults)
    register_dataset(workspace, "children", findings=children)
    away = "The weights are not on this machine, and timm's hub is out of reach."
    backbones = {recipe.backbone for recipe in cache.load_recipes().values()}
    monkeypatch.setattr(cache, "find_missing_weights", lambda: dict.fromkeys(backbones, away))
    open_form(app)
    recipes = find_labelled(app.selectbox, "Recipe")
    assert recipes.value == "cardiomegaly-cnn", "the one recipe for this label from random weights"
    assert recipes.options[0] == "cardiomegaly-cnn"
    assert all(name.endswith(" (cannot start here)") for name in recipes.options[1:])
    assert {away, "No film of these patients has a label for pneumonia"} <= {
        caption.value.partition(", which")[0].replace("\\", "") for caption in app.caption
    }
    assert not find_labelled(app.button, "Start").disabled
    find_labelled(app.multiselect, "Datasets").set_value(["children"]).run()
    assert find_labelled(app.selectbox, "Recipe").value == "pneumonia-cnn-grey"
    assert not find_labelled(app.button, "Start").disabled
    find_labelled(app.number_input, "Minimum age (years)").set_value(30)
    find_labelled(app.number_input, "Maximum age (years)").set_value(None).run()
    assert "it takes ages from 30, and these patients are 1 to 5 years old" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled


def test_a_recipe_that_the_user_picked_stays(app: AppTest, workspace: Path) -> None:
    register_dataset(workspace)
    open_form(app)
    find_labelled(app.selectbox, "Recipe").set_value("pneumonia-cnn-grey").run()
    assert find_labelled(app.selectbox, "Recipe").value == "pneumonia-cnn-grey"
    app.run()
    assert find_labelled(app.selectbox, "Recipe").value == "pneumonia-cnn-grey"
    assert find_labelled(app.button, "Start").disabled


def test_fields_that_contradict_each_other_or_have_no_effect_say_so(
    app: AppTest, workspace: Path
) -> None:
    register_dataset(workspace)
    open_form(app)
    assert "loss is not focal" in visible_text(app)
    find_labelled(app.number_input, "Logit adjustment").set_value(1.0).run()
    sentence = "both make up for few positive films, and together would do so twice"
    assert sum(sentence in each.value for each in app.markdown) == 4  # two fields, and the button
    assert find_labelled(app.button, "Start").disabled
    find_labelled(app.selectbox, "Class balancing").set_value("none").run()
    assert not find_labelled(app.button, "Start").disabled
    find_labelled(app.selectbox, "Loss").set_value("focal").run()
    assert "loss is not focal" not in visible_text(app)


def test_the_form_names_no_flag_of_the_shell(app: AppTest, workspace: Path) -> None:
    register_dataset(workspace)
    open_form(app)
    widgets = [*app.number_input, *app.selectbox, *app.text_input, *app.checkbox, *app.multiselect]
    texts = [visible_text(app), *(str(widget.help) for widget in widgets)]
    assert [text for text in texts if " --" in text] == []


def test_a_file_of_ones_own_runs_only_once_the_box_is_ticked(
    app: AppTest, workspace: Path, submitted: list[TrainingRequest]
) -> None:
    register_dataset(workspace)
    (workspace / "code").mkdir()
    source = "raise SystemExit('it ran')\n\ndef build(channels):\n    pass\n"
    (workspace / "code" / "net.py").write_text(source)
    open_form(app)
    find_labelled(app.radio, "Initial weights").set_value("scratch")
    backbone = find_labelled(app.selectbox, "Backbone")
    assert "file:net.py:build" in backbone.options
    backbone.set_value("file:net.py:build").run()
    assert not app.exception
    assert "net.py may not run yet" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled
    box = "Let net.py run, with all rights of the account that runs this server"
    find_labelled(app.checkbox, box).check().run()
    assert "may not run yet" not in visible_text(app)
    find_labelled(app.button, "Start").click().run()
    assert submitted[0].recipe.backbone == "file:net.py:build"
    app.session_state["train_page"].switch_view(START)


def test_unavailable_initial_weights_are_explained_below_the_choice(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_dataset(workspace)
    sentences = {"imagenet": "timm's hub is out of reach", "/none.safetensors": "is no file"}
    faults = {init: ("init", sentence) for init, sentence in sentences.items()}
    monkeypatch.setattr(
        cache, "check_initial_weights", lambda key, recipe: faults.get(recipe.init, ("", ""))
    )
    open_form(app)
    assert "hub is out of reach" in visible_text(app)
    assert find_labelled(app.button, "Start").disabled
    find_labelled(app.radio, "Initial weights").set_value("file").run()
    assert "Enter a file, or choose a model." in visible_text(app)
    find_labelled(
        app.text_input, "A safetensors file on this computer, with timm's names"
    ).set_value("/none.safetensors").run()
    assert "is no file" in visible_text(app)
    find_labelled(app.radio, "Initial weights").set_value("model").run()
    assert not app.exception
    assert not app.error
    assert find_labelled(app.selectbox, "Model").options == [
        "abnormality-adults",
        "cardiomegaly-adults",
        "pneumonia-children",
    ]
    assert not find_labelled(app.button, "Start").disabled


def test_a_batch_is_drawn_for_the_form_as_it_is(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(recipe: Recipe, data: tuple[str, ...], seed: int, progress: object) -> BatchPreview:
        grey = np.full((2, 32, 32), 20 * seed, np.uint8)
        return BatchPreview(
            before=grey, after=grey + 5, labels=("effusion", f"draw {seed}"), low=-1, high=2
        )

    register_dataset(workspace)
    monkeypatch.setattr("cxr_core.training.batch_preview.draw_batch", draw)
    open_form(app)
    for number, label in ((1, "Show what the network sees"), (2, "Draw another batch")):
        find_labelled(app.button, label).click().run()
        draft = app.session_state["train_page"].draft
        task = cache.background_tasks().find(f"batch preview {draft.token} {number}")
        assert task is None or task.wait(60)
        app.run()
        assert not app.exception
        assert "After normalisation the values lie between -1.00 and 2.00" in visible_text(app)
        assert draft.preview.labels[1] == f"draw {number}"
        assert len(app.get("image")) == 4
    assert cache.background_tasks().find(f"batch preview {draft.token} 2") is None
    find_labelled(app.number_input, "Input size (pixels)").set_value(64).run()
    assert "After normalisation" not in visible_text(app)


def test_estimate_applies_to_the_form_as_it_was(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        sentence = "About 3 h, 900 MB."

    register_dataset(workspace)
    monkeypatch.setattr("cxr_core.jobs.estimate.estimate", lambda request, stop: Answer())
    open_form(app)
    find_labelled(app.button, "Estimate time and memory").click().run()
    cache.background_tasks().find(app.session_state["train_page"].draft.estimate_key).wait(60)
    app.run()
    assert "About 3 h, 900 MB." in visible_text(app)
    find_labelled(app.number_input, "Epochs").set_value(9).run()
    assert "About 3 h" not in visible_text(app)


def test_a_run_gets_a_name_tags_and_a_note(
    app: AppTest, submitted: list[TrainingRequest], workspace: Path
) -> None:
    register_dataset(workspace)
    open_form(app)
    find_labelled(app.text_input, "Name").set_value("  first try ").run()
    find_labelled(app.multiselect, "Tags").set_value(["seeds", "night"]).run()
    find_labelled(app.text_area, "Note").set_value("to begin with").run()
    find_labelled(app.number_input, "Epochs").set_value(9).run()
    find_labelled(app.button, "Start").click().run()
    assert not app.exception
    assert submitted[0].annotation == RunAnnotation(
        name="first try", tags=("seeds", "night"), note="to begin with"
    )
    assert submitted[0].recipe.epochs == 9


def test_a_subset_that_is_made_anew_is_looked_at_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = iter(["too few films", ""])
    monkeypatch.setattr(preconditions, "load_registered_films", lambda data: None)
    monkeypatch.setattr(preconditions, "find_data_problem", lambda recipe, films: next(problems))
    recipe = cache.load_recipes()["cardiomegaly-adults"]
    (workspace / "subsets").mkdir(parents=True)
    for day, problem in (("01", "Too few films"), ("02", "")):
        record = SubsetRecord(dataset="mine", created=f"2026-01-{day}", films=("a",))
        write_json(workspace / "subsets" / "elderly.json", record.to_json())
        assert cache.find_data_problem(recipe, ("subset:elderly",)) == problem
