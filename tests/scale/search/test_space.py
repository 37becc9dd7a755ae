"""The space of a search: what ships fits its recipes, and a mistake is told before anything starts."""

import tomllib
from pathlib import Path

import pytest

from cxr_core.errors import RecipeError
from cxr_core.scale.search.space import (
    apply_settings,
    find_space_file,
    list_spaces,
    load_space,
    parse_space,
)
from cxr_core.training.recipe.form import form_specs
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import list_recipes, load_named_recipe

RECIPE = Recipe(name="tiny", summary="A test.", model="tiny", findings=("pneumonia",), epochs=4)
# The recipes of the five source systems; the others are our own.
OWN = {
    "abnormality-adults",
    "anatomy",
    "cardiomegaly-adults",
    "pneumonia-adults",
    "pneumonia-children",
}
OF_SOURCES = sorted(set(list_recipes()) - OWN)


@pytest.mark.parametrize("name", OF_SOURCES)
def test_each_recipe_of_the_sources_has_a_space_whose_ends_fit(name):
    recipe = load_named_recipe(name)
    space = load_space(find_space_file(name), recipe)
    assert len(space.ranges) >= 4
    for place in (0, -1):
        settings = {
            key: values.list_ends(form_specs()[key])[place] for key, values in space.ranges.items()
        }
        assert apply_settings(recipe, settings) != recipe


def test_every_space_is_of_some_recipe():
    used = {find_space_file(name).stem for name in OF_SOURCES}
    assert used == set(list_spaces())


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ("[learning_rat]\nlow=1e-5\nhigh=1e-3", "which no recipe has; did you mean learning_rate?"),
        ('["augmentation.shfit"]\nlow=0\nhigh=1', "did you mean augmentation.shift?"),
        (
            "[learning_rate]\nlow=1e-5\nhigh=1e9",
            "has 1000000000.0 in its space, which must be a number",
        ),
        ("[learning_rate]\nlow=1e-3\nhigh=1e-5", "must be below high"),
        ("[dropout]\nlow=0.0\nhigh=0.5\nlog=true", "a logarithmic range begins above 0"),
        (
            "[dropout]\nlow=0.1\nhigh=0.3\nstep=0.5",
            "has step=0.5, which leads from low=0.1 beyond high=0.3",
        ),
        ("[batch_size]\nlow=8\nhigh=32\nstep=25", "leads from low=8.0 beyond high=32.0"),
        ("[learning_rate]\nlow=1e-5", "needs low and high, or choices"),
        (
            "[learning_rate]\nlow=1e-5\nhigh=1e-3\nchocies=[1]",
            "has 'chocies'; did you mean choices?",
        ),
        ("[learning_rate]\nlow='a'\nhigh=1", "the space of learning_rate: low: found"),
        ("[batch_size]\nlow=8\nhigh=32.5", "is a whole number, and 32.5 is none"),
        ("[optimizer]\nlow=1\nhigh=2", "optimizer is no number; give choices"),
        (
            "[optimizer]\nchoices=['adam', 'adm']",
            "has 'adm' among its choices, which is unknown; did you mean",
        ),
        ("[optimizer]\nchoices=['adam']", "has fewer than two choices"),
        (
            "[epochs]\nlow=1\nhigh=9",
            "epochs cannot be searched: pruning compares trials epoch by epoch",
        ),
        ("[split]\nchoices=['given', '70:15:15']", "must be compared on the same films"),
        ("[head_epochs]\nlow=0\nhigh=4", "head_epochs=4 of the space does not fit the recipe"),
        ("learning_rate = 3", "must be a table with low and high, or choices"),
        ("", "the space names no field"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(space, sentence):
    with pytest.raises(RecipeError) as error:
        parse_space(tomllib.loads(space), RECIPE)
    assert sentence in str(error.value)


def test_a_step_may_lead_from_one_end_to_the_other():
    parse_space({"dropout": {"low": 0.1, "high": 0.3, "step": 0.2}}, RECIPE)


def test_a_file_that_is_no_space_is_named(tmp_path: Path):
    (tmp_path / "space.toml").write_text("[learning_rate\nlow=1")
    with pytest.raises(RecipeError, match=r"space\.toml cannot be read as TOML"):
        load_space(tmp_path / "space.toml", RECIPE)
    with pytest.raises(RecipeError, match="there is no such file"):
        load_space(tmp_path / "none.toml", RECIPE)
    with pytest.raises(RecipeError, match=r"there is no space for 'house2'; did you mean house\?"):
        find_space_file("house2")


def test_settings_reach_recipe_and_augmentation():
    recipe = apply_settings(
        RECIPE, {"learning_rate": 0.01, "augmentation.shift": 0.05, "oversample_factor": "none"}
    )
    assert (recipe.learning_rate, recipe.augmentation.shift) == (0.01, 0.05)
    assert recipe.oversample_factor is None
