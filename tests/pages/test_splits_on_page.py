"""Splits on the Data page, and what the Train page starts at once, on Streamlit's test bench."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.data.registry import find_dataset
from cxr_core.data.splits.plan import plan_folds
from cxr_core.data.splits.saved_split import list_splits, load_split, save_split, splits_folder
from cxr_core.data.subsets import save_subset
from cxr_core.jobs import scheduler, sweeps
from cxr_core.jobs.job import Job, TrainingRequest
from pages.components.datasets.page_state import SPLITS
from pages.components.training.form.split_choice import saved_splits
from pages.components.training.page_state import START, RunDraft
from tests.pages.app_bench import find_button, find_labelled, open_page, visible_text
from tests.pages.fake_runs import register_dataset

COUNT = 30
LABELS = {"pneumonia": [1.0, 0.0] * (COUNT // 2)}


@pytest.fixture
def dataset(workspace: Path) -> str:
    """Thirty films of thirty patients, half of them with pneumonia, none in a test split."""
    return register_dataset(
        workspace,
        findings={
            "image": [f"{film}.png" for film in range(COUNT)],
            "patient": [str(film) for film in range(COUNT)],
            "sha256": [f"{film:064}" for film in range(COUNT)],
            **LABELS,
        },
    )


def open_splits(app: AppTest) -> AppTest:
    open_page(app, "data")
    app.session_state["data_page"].tab = SPLITS
    app.session_state["data_page"].widget_generation += 1
    app.run()
    assert not app.exception
    return app


def open_form(app: AppTest) -> AppTest:
    open_page(app, "train")
    app.session_state["train_page"].switch_view(START)
    app.run()
    assert not app.exception
    return app


def test_a_split_is_counted_before_it_is_saved_by_name(app: AppTest, dataset: str) -> None:
    open_splits(app)
    assert "No split is saved" in visible_text(app)
    find_labelled(app.number_input, "Training (%)").set_value(60)
    find_labelled(app.number_input, "Validation (%)").set_value(20)
    find_labelled(app.number_input, "Test (%)").set_value(20).run()
    find_button(app, "Preview").click().run()
    counts = app.dataframe[-1].value.set_index(["Films", "Value"])
    assert counts.loc[("All", "Films")].to_dict() == {"Training": 18, "Validation": 6, "Test": 6}
    assert counts.loc[("Pneumonia", "present")].to_dict()["Training"] == 9
    assert not list_splits(find_dataset(dataset))
    find_labelled(app.text_input, "Name").set_value("mine").run()
    find_button(app, "Save split").click().run()
    assert "The split mine was saved" in visible_text(app)
    saved = load_split(splits_folder(find_dataset(dataset)) / "mine")
    assert saved.films["split"].value_counts().to_dict() == {"train": 18, "val": 6, "test": 6}


def test_another_entry_removes_the_preview_and_a_refusal_says_why(
    app: AppTest, dataset: str
) -> None:
    open_splits(app)
    app.segmented_control[0].set_value("Folds").run()
    find_button(app, "Preview").click().run()
    assert "5 folds; by patient, seed 0" in visible_text(app)
    find_labelled(app.number_input, "Folds").set_value(16).run()
    assert "not saved yet" not in visible_text(app)
    find_button(app, "Preview").click().run()
    assert "found 15 patients with pneumonia, too few for 16 folds" in visible_text(app)
    find_labelled(app.number_input, "Folds").set_value(3).run()
    find_button(app, "Preview").click().run()
    assert "not saved yet" in visible_text(app)
    app.segmented_control[0].set_value("From a list").run()
    assert "not saved yet" not in visible_text(app)
    assert not app.exception


def test_the_form_offers_saved_splits_and_folds(
    app: AppTest, dataset: str, submitted: list[TrainingRequest]
) -> None:
    found = find_dataset(dataset)
    manifest = found.load_manifest()
    save_split(found, "three", plan_folds(manifest, 3, ("pneumonia",), 0))
    open_form(app)
    options = find_labelled(app.selectbox, "Split").options
    assert "As the data has it" in options
    assert any("three, tested on fold 2" in option for option in options)


def test_a_subset_alone_is_offered_the_splits_of_its_dataset(dataset: str) -> None:
    found = find_dataset(dataset)
    manifest = found.load_manifest()
    save_split(found, "three", plan_folds(manifest, 3, ("pneumonia",), 0))
    save_subset("few", manifest.with_table(manifest.table.iloc[:9]), dataset)
    assert list(saved_splits(RunDraft(data=("subset:few",)))) == ["three"]
    assert saved_splits(RunDraft(data=("subset:gone",))) == {}


def test_several_runs_are_submitted_by_one_click(
    app: AppTest, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "ensure_scheduler", lambda: None)
    groups: list[tuple[str, list[str]]] = []

    def submit(request: TrainingRequest, recipes: dict[str, object], group: str) -> tuple[Job, ...]:
        groups.append((group, list(recipes)))
        return ()

    monkeypatch.setattr(sweeps, "submit_runs", submit)
    open_form(app)
    control = next(each for each in app.segmented_control if each.label == "What to start")
    control.set_value("A grid").run()
    assert "a grid needs a field with two values or more" in visible_text(app)
    assert find_button(app, "Start: a grid").disabled
    find_labelled(app.text_input, "Learning rate: values").set_value("0.1, 0.01, 0.001").run()
    assert "3 runs" in visible_text(app)
    find_button(app, "Start: a grid").click().run()
    assert not app.exception
    ((group, names),) = groups
    assert group.endswith("grid")
    assert names == [
        "learning_rate 0.1",
        "learning_rate 0.01",
        "learning_rate 0.001",
    ]
