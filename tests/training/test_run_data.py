"""What a run's data lacks is said as it is: the recipe's population, masks, labels or splits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.errors import DataError, RunError
from cxr_core.training import run_data
from cxr_core.training.fit import FitOptions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import find_recipe_file, load_recipe
from cxr_core.training.run_data import USUAL_RATIOS, resolve_split, split_manifest
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.sweeps.seeds import fit_or_resume

RECIPE = Recipe(
    name="children",
    model="children",
    summary="For a test.",
    findings=("pneumonia",),
    population="children of 1 to 5 years",
    population_age_min=1,
    population_age_max=5,
    gate_share=0.0,
)


def films(**columns: object) -> Manifest:
    number = np.arange(24)
    table = pd.DataFrame(
        {
            "image": [f"/films/{n}.png" for n in number],
            "patient": number.astype(str),
            "split": np.where(number < 16, "train", "test"),
            "source": "films",
            "age": 3.0,
            "sha256": [f"{n:064x}" for n in number],
            "pneumonia": number % 2,
        }
    )
    return Manifest(build_table(dict(table.assign(**columns).items())), "csv", "terms")


def test_a_sound_dataset_is_split() -> None:
    split = split_manifest(RECIPE, films())
    assert set(split.table["split"]) == {"train", "val", "test"}


def test_data_without_a_split_is_divided_by_patient_in_the_usual_ratios() -> None:
    number = np.arange(400)
    facts = {
        "image": [f"/films/{n}.png" for n in number],
        "patient": (number // 2).astype(str),
        "split": None,
        "source": "films",
        "sha256": [f"{n:064x}" for n in number],
        "pneumonia": number // 2 % 2,
    }
    undivided = Manifest(build_table(facts), "csv", "terms")
    resolved = resolve_split(RECIPE, undivided)
    assert resolved.split == "70:15:15"
    assert resolve_split(RECIPE, films()) == RECIPE
    table = split_manifest(RECIPE, undivided).table
    shares = table["split"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"train": 0.7, "val": 0.15, "test": 0.15}, abs=0.02)
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    again = split_manifest(resolved, undivided).table
    pd.testing.assert_series_equal(table["split"], again["split"])


@pytest.mark.parametrize("split", [USUAL_RATIOS, "fold:1/4", "given"])
def test_of_identical_pictures_one_is_trained_on_and_all_are_tested_on(split: str) -> None:
    number = np.arange(400)
    facts = {
        "image": [f"/films/{n}.png" for n in number],
        "patient": number.astype(str),
        "split": np.where(number < 320, "train", "test"),
        "source": "films",
        "sha256": [f"{n // 2:064x}" for n in number],
        "pneumonia": number // 2 % 2,
    }
    manifest = Manifest(build_table(facts), "csv", "terms")
    table = split_manifest(replace(RECIPE, split=split), manifest).table
    films = table["sha256"].groupby(table["split"])
    assert (films.size() / films.nunique()).to_dict() == {"train": 1, "val": 1, "test": 2}


def test_a_run_on_data_without_a_split_is_found_again_by_its_recipe(tmp_path) -> None:
    """Its own recipe names the ratios, which the recipe that a command is repeated with does not."""
    folder = RunFolder.create(replace(RECIPE, split=USUAL_RATIOS), RunManifest(), tmp_path / "run")
    folder.model.mkdir()
    quiet = FitOptions(report=lambda _: None)
    fit_or_resume(RECIPE, folder.path, [], quiet)
    for other in (replace(RECIPE, epochs=99), replace(RECIPE, split="80:10:10")):
        with pytest.raises(RunError, match="another recipe"):
            fit_or_resume(other, folder.path, [], quiet)


def test_a_recipe_for_children_on_adults_names_both_populations() -> None:
    ages = np.linspace(18, 90, 24)
    with pytest.raises(DataError) as raised:
        split_manifest(RECIPE, films(age=ages))
    assert str(raised.value).startswith(
        "none of the 24 films shows a patient that the recipe children is for (children of 1 to 5 years): it takes "
        "ages from 1 to 5, and these patients are 18 to 90 years old."
    )


@pytest.mark.parametrize(
    ("ages", "says"), [((None, 5), "ages up to 5,"), ((91, None), "ages from 91,")]
)
def test_a_population_may_be_open_on_one_side(ages: tuple, says: str) -> None:
    recipe = replace(RECIPE, population_age_min=ages[0], population_age_max=ages[1])
    with pytest.raises(DataError, match=says):
        split_manifest(recipe, films(age=np.linspace(18, 90, 24)))


def test_films_of_unknown_age_stay_in_every_population() -> None:
    assert len(split_manifest(RECIPE, films(age=np.nan)).table) == 24


def test_masks_that_are_all_swapped_are_the_cause_that_is_named(monkeypatch) -> None:
    monkeypatch.setattr(run_data, "find_swapped_masks", lambda films: np.ones(24, bool))
    recipe = load_recipe(find_recipe_file("anatomy"))
    with pytest.raises(DataError, match=r"in each of the 24 films the mask of the heart does not"):
        split_manifest(recipe, films())


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (0, r"none of the 16 films to split is labelled present for pneumonia \(0 have no label"),
        (1, r"none of the 16 films to split is labelled absent for pneumonia \(0 have no label"),
        (np.nan, r"is labelled present for pneumonia \(16 have no label for it\)"),
    ],
)
def test_a_missing_label_is_not_put_down_to_the_share(labels: float, says: str) -> None:
    with pytest.raises(DataError, match=says):
        split_manifest(RECIPE, films(pneumonia=labels))


def test_too_few_patients_of_a_class_are_said_to_be_too_few() -> None:
    labels = np.zeros(24)
    labels[0] = 1
    with pytest.raises(DataError, match=r"would have 0 films with pneumonia .* too few patients"):
        split_manifest(RECIPE, films(pneumonia=labels))


def test_data_without_training_films_says_where_its_films_are() -> None:
    with pytest.raises(DataError, match=r"none of the films is in train.*: they are in test\."):
        split_manifest(RECIPE, films(split="test"))


def test_no_usable_film_gives_the_most_frequent_reason() -> None:
    manifest = films(status="unreadable", reason="The file is cut off.")
    with pytest.raises(
        DataError, match=r"24 unreadable\. Most of these: The file is cut off\. Copy"
    ):
        manifest.select_usable()
