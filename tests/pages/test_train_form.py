"""The form of the Train page through Streamlit's own test bench: what is asked, answered and submitted."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.jobs.job import Request
from pages.components import cache
from pages.components.training.page_state import START
from tests.pages.fake_runs import dataset
from tests.pages.train_page_bench import app, asked, labels, named, open_form, open_page, words

__all__ = ["app", "asked"]


def test_without_a_run_the_page_leads_to_the_form_and_that_to_the_data(app: AppTest) -> None:
    open_page(app)
    assert "There is no run yet." in words(app)
    named(app.button, "Start a run").click().run()
    assert not app.exception
    assert "No dataset is registered yet" in words(app)
    assert "Start" not in labels(app)


def test_a_sound_form_makes_one_run_and_the_next_form_another(
    app: AppTest, asked: list[Request], workspace: Path
) -> None:
    name = dataset(workspace)
    open_form(app)
    assert "may be trained on" in words(app)
    assert "MobileNetV2 from ImageNet weights" in words(app)
    assert "The house's own" in words(app)
    named(app.number_input, "Epochs").set_value(9)
    named(app.number_input, "Shift (share of the side)").set_value(0.2)
    named(app.number_input, "Processes").set_value(2)
    app.run()
    assert "epochs **9** instead of 4; shift (share of the side) **0.2** instead of 0.05" in words(
        app
    )
    named(app.button, "Start").click().run()
    assert not app.exception
    (request,) = asked
    assert (request.data, request.device, request.processes) == ((name,), "cpu", 2)
    assert (request.recipe.epochs, request.recipe.augmentation.shift) == (9, 0.2)
    assert "made-1 was asked for" in app.toast[0].value
    app.session_state["desk"].turn_to(START)
    app.run()
    assert named(app.number_input, "Epochs").value == 4
    named(app.button, "Start").click().run()
    assert asked[1].token != request.token


def test_invalid_fields_are_answered_beside_them_and_nothing_starts(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.number_input, "Head alone at first (epochs)").set_value(4).run()
    assert not app.exception
    told = [each.value for each in app.markdown if "epochs=4 must be below epochs=4" in each.value]
    assert len(told) == 2  # beneath the field, and beside the button
    named(app.number_input, "Head alone at first (epochs)").set_value(0)
    named(app.number_input, "Epochs").set_value(0)
    named(app.number_input, "Rotation (degrees)").set_value(50.0).run()
    for said in (
        "epochs=0 must be a number between 1 and 1000",
        r"deg=50.0 is out of range\: 0 to 45",
    ):
        assert sum(said in each.value for each in app.markdown) == 2
    assert named(app.button, "Start").disabled
    assert "epochs=0" in named(app.button, "Start").help
    named(app.number_input, "Rotation (degrees)").set_value(7.0)
    named(app.number_input, "Channels before the head").set_value(None)
    named(app.number_input, "Epochs").set_value(4).run()
    assert "Changed from the recipe: channels before the head **empty** instead of 96." in words(
        app
    )
    assert not named(app.button, "Start").disabled


def test_a_batch_that_processes_cannot_share_is_said_beside_them(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.number_input, "Batch size (films)").set_value(15)
    named(app.number_input, "Processes").set_value(2).run()
    assert "15 films cannot be shared equally by 2 processes" in words(app)
    assert named(app.button, "Start").disabled


def test_a_dataset_with_a_blocking_issue_is_not_trained_on(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace, blocking=True)
    open_form(app)
    assert "stopped by 1 blocking" in words(app)
    assert "has a blocking finding that nobody has decided about" in words(app)
    assert named(app.button, "Start").disabled


def test_a_recipe_whose_finding_has_no_labels_is_said(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.selectbox, "Recipe").set_value("pneumonia-children").run()
    assert "No film of this data has a label of pneumonia" in words(app)
    assert named(app.button, "Start").disabled
    named(app.multiselect, "Datasets").set_value([]).run()
    assert "No dataset is chosen." in words(app)


def test_weights_that_cannot_be_had_are_said_beside_the_choice(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    sentences = {"imagenet": "timm's hub is out of reach", "/none.safetensors": "is no file"}
    faults = {init: ("init", sentence) for init, sentence in sentences.items()}
    monkeypatch.setattr(cache, "start_fault", lambda key, recipe: faults.get(recipe.init, ("", "")))
    open_form(app)
    assert "hub is out of reach" in words(app)
    assert named(app.button, "Start").disabled
    named(app.radio, "First weights").set_value("file").run()
    assert r"Say which\: a file, or a model." in words(app)
    named(app.text_input, "A safetensors file on this computer, in timm's naming").set_value(
        "/none.safetensors"
    ).run()
    assert "is no file" in words(app)
    named(app.radio, "First weights").set_value("model").run()
    assert not app.exception
    assert not app.error
    assert named(app.selectbox, "Model").options == ["cardiomegaly-adults", "pneumonia-children"]
    assert not named(app.button, "Start").disabled


def test_an_estimate_is_of_the_form_as_it_is(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        sentence = "About 3 h, 900 MB."

    dataset(workspace)
    monkeypatch.setattr("cxr_core.jobs.estimate.estimate", lambda request, stop: Answer())
    open_form(app)
    named(app.button, "Estimate time and memory").click().run()
    cache.errands().find(app.session_state["desk"].draft.estimated).wait(60)
    app.run()
    assert "About 3 h, 900 MB." in words(app)
    named(app.number_input, "Epochs").set_value(9).run()
    assert "About 3 h" not in words(app)
