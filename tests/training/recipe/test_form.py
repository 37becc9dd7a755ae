"""The form of a recipe: every field of the dataclass, each fault beside the field that has it."""

from dataclasses import fields, replace

import pytest

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.fields import WORDS
from cxr_core.training.recipe.form import (
    FormField,
    apply_values,
    changed_values,
    find_faults,
    list_form_fields,
)
from cxr_core.training.recipe.recipe_file import list_recipes, load_named_recipe
from cxr_core.training.recipe.labels import LABELS
from cxr_core.training.recipe.recipe import Recipe

BASE = load_named_recipe("cardiomegaly-adults")
OUTLINES = load_named_recipe("anatomy")
FIELDS = {each.name: each for each in list_form_fields(BASE)}
NAMES = {each.name for each in fields(Recipe)} - {"augmentation"}
each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
RANGED = [each for each in FIELDS.values() if each.low is not None]


def test_every_field_of_the_dataclass_is_in_the_form_with_words() -> None:
    assert set(FIELDS) == NAMES | {f"augmentation.{each.name}" for each in fields(Augmentation)}
    assert sum(map(len, WORDS.values())) == len(FIELDS)  # none in two groups
    assert all(
        each.help.endswith((".", "never.")) and len(each.help) > 20 for each in FIELDS.values()
    )


def test_every_field_has_a_name_of_its_own_that_people_read() -> None:
    assert set(LABELS) == set(FIELDS)
    assert len(set(LABELS.values())) == len(LABELS)
    raw = [name for name, label in LABELS.items() if not label[0].isupper() or "_" in label]
    assert raw == []
    assert max(map(len, LABELS.values())) <= 32  # as much as fits above a field


@each_field
def test_a_field_has_the_recipes_value_and_gives_the_recipe_back(field: FormField) -> None:
    assert apply_values(BASE, {field.name: field.value}) == BASE
    assert changed_values(BASE, {field.name: field.value}) == {}


@pytest.mark.parametrize("field", RANGED, ids=[each.name for each in RANGED])
def test_a_range_is_what_the_recipe_takes(field: FormField) -> None:
    outlines = field.name in ("drawings",)
    base = replace(OUTLINES if outlines else BASE, epochs=1000, population_age_min=None)
    assert field.low is not None
    assert field.high is not None
    for inside in (field.low, field.high):
        value = int(inside) if field.kind == "whole" else inside
        values = (
            {field.name: value} if field.name != "epochs" else {"epochs": value, "head_epochs": 0}
        )
        assert find_faults(base, values) == {}
    for outside in (field.low - 1, field.high + 1):
        assert set(find_faults(base, {field.name: outside})) == {field.name}


@pytest.mark.parametrize("name", [each.name for each in FIELDS.values() if each.kind == "choice"])
def test_choices_are_those_of_the_type(name: str) -> None:
    field = FIELDS[name]
    assert field.value in field.choices
    assert name in find_faults(BASE, {name: "nonsense"})
    others = [choice for choice in field.choices if (name, choice) != ("monitor", "dice")]
    anywhere = replace(BASE, region_weight=0.0)  # a frozen network cannot be taught where to look
    assert all(find_faults(anywhere, {name: choice}) == {} for choice in others)


@each_field
def test_only_what_may_be_none_is_optional(field: FormField) -> None:
    assert (find_faults(BASE, {field.name: None}) == {}) is field.optional


@pytest.mark.parametrize(
    ("values", "blamed"),
    [
        ({"epochs": 0}, {"epochs"}),
        ({"head_epochs": 4}, {"head_epochs"}),
        ({"epochs": 2, "head_epochs": 3}, {"epochs", "head_epochs"}),
        ({"epochs": 9, "head_epochs": 5}, set()),
        ({"epochs": 0, "dropout": 2.0, "seed": 3}, {"epochs", "dropout"}),
        ({"monitor": "dice"}, {"monitor"}),
        ({"findings": []}, {"findings"}),
        ({"split": "80:10"}, {"split"}),
        ({"split": "fold:7/5"}, {"split"}),
        ({"split": "fold:2/5"}, set()),
        ({"population_age_max": 5}, {"population_age_max"}),
        ({"population_age_min": 1, "population_age_max": 5}, set()),
        ({"channels": 2}, {"channels"}),
        ({"augmentation.shift": 1.5, "augmentation.flip": 0.5}, {"augmentation.shift"}),
        ({"backbone_arguments": 'pad_type "same"'}, {"backbone_arguments"}),
        (
            {"structures": ["heart", "left_lung", "right_lung"], "dropout": 2.0, "epochs": 3},
            {"structures", "dropout"},
        ),
    ],
)
def test_each_fault_is_told_beside_its_field(values: dict, blamed: set[str]) -> None:
    told = find_faults(BASE, values)
    assert set(told) == blamed
    assert all(len(sentence) > 20 for sentence in told.values())


def test_values_reach_the_recipe() -> None:
    made = apply_values(
        BASE,
        {
            "epochs": 7,
            "neck": None,
            "findings": ["pneumonia"],
            "backbone_arguments": 'pad_type = "", drop_path_rate = 0.1',
            "augmentation.shift": 0.2,
        },
    )
    assert (made.epochs, made.neck, made.findings) == (7, None, ("pneumonia",))
    assert made.backbone_arguments == {"pad_type": "", "drop_path_rate": 0.1}
    assert made.augmentation == replace(BASE.augmentation, shift=0.2)
    assert changed_values(BASE, {"epochs": 7, "seed": 0, "findings": ["cardiomegaly"]}) == {"epochs": 7}


def test_a_step_is_one_in_the_first_digit() -> None:
    assert FIELDS["learning_rate"].step == pytest.approx(1e-4)
    assert FIELDS["epochs"].step == 1
    assert FIELDS["dropout"].step == pytest.approx(0.1)
    assert FIELDS["label_smoothing"].step == pytest.approx(0.01)


def test_every_recipe_that_comes_along_opens() -> None:
    assert "cardiomegaly-adults" in list_recipes()
    with pytest.raises(RecipeError, match=r"choose from .*anatomy"):
        load_named_recipe("nonsense")
