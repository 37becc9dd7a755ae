"""The form of a recipe: every field of the dataclass, each fault beside the field that has it."""

from dataclasses import fields, replace

import pytest

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.contradictions import find_idle_fields
from cxr_core.training.recipe.field_help import field_label, format_flag_help
from cxr_core.training.recipe.form import (
    FormField,
    apply_values,
    changed_values,
    find_faults,
    list_form_fields,
)
from cxr_core.training.recipe.recipe import GROUPS, Recipe
from cxr_core.training.recipe.recipe_file import list_recipes, load_named_recipe

BASE = load_named_recipe("cardiomegaly-adults")
SEGMENTATION = load_named_recipe("anatomy")
FIELDS = {field.name: field for field in list_form_fields(BASE)}
ON_DISK = {"synthetic_films": "drawings"}  # the one key that differs from the attribute
MAX_LABEL = 32  # characters that fit above a field


def test_every_field_of_the_dataclasses_is_in_the_form() -> None:
    own = {ON_DISK.get(field.name, field.name) for field in fields(Recipe)} - {"augmentation"}
    assert set(FIELDS) == own | {f"augmentation.{field.name}" for field in fields(Augmentation)}
    assert {field.group for field in FIELDS.values()} == set(GROUPS)


def test_every_field_has_a_help_sentence_and_a_label_of_its_own() -> None:
    short = [name for name, field in FIELDS.items() if len(field.help) < 20]
    open_ended = [
        name for name, field in FIELDS.items() if not field.help.endswith((".", "never."))
    ]
    raw = [field.label for field in FIELDS.values() if "_" in field.label]
    lower = [field.label for field in FIELDS.values() if not field.label[0].isupper()]
    long = [field.label for field in FIELDS.values() if len(field.label) > MAX_LABEL]
    assert (short, open_ended, raw, lower, long) == ([], [], [], [], [])
    assert len({field.label for field in FIELDS.values()}) == len(FIELDS)


def test_labels_are_found_by_key_also_for_keys_that_are_gone() -> None:
    assert field_label("drawings") == "Synthetic training films"
    assert field_label("augmentation.flip") == "Horizontal flip probability"
    assert field_label("ratio_weight") == "Ratio weight"
    assert all(f"  {name} (" in format_flag_help() for name in FIELDS)


def test_a_field_has_the_recipes_value_and_gives_the_recipe_back() -> None:
    differing = [
        name
        for name, field in FIELDS.items()
        if apply_values(BASE, {name: field.value}) != BASE
        or changed_values(BASE, {name: field.value}) != {}
    ]
    assert differing == []


def test_a_range_is_what_the_recipe_takes() -> None:
    ranged = [field for field in FIELDS.values() if field.low is not None]
    assert len(ranged) > 30
    wrong = [(field.name, value) for field in ranged for value in _misjudged_values(field)]
    assert wrong == []


def _misjudged_values(field: FormField) -> list[float]:
    """Ends of the range that are refused, and values beyond it that are accepted."""
    base = SEGMENTATION if field.name == "drawings" else BASE
    base = replace(base, epochs=1000, population_age_min=None, balance="none")
    assert field.low is not None
    assert field.high is not None
    misjudged = []
    for value in (field.low, field.high):
        values = {field.name: int(value) if field.kind == "whole" else value}
        if field.name == "epochs":
            values["head_epochs"] = 0
        if field.name == "reduce_to":
            values["input_side"] = 2048  # a film is reduced to no more than that
        if field.name == "blur":
            values["reduce_to"] = 64  # what is blurred
        if find_faults(base, values) != {}:
            misjudged.append(value)
    misjudged += [
        value
        for value in (field.low - 1, field.high + 1)
        if set(find_faults(base, {field.name: value})) != {field.name}
    ]
    return misjudged


def test_choices_are_those_of_the_type() -> None:
    choices = [field for field in FIELDS.values() if field.kind == "choice"]
    unfrozen = replace(BASE, region_weight=0.0)  # a frozen backbone cannot have the penalty
    wrong = []
    for field in choices:
        assert field.value in field.choices
        assert field.name in find_faults(BASE, {field.name: "nonsense"})
        for choice in field.choices:
            accepted = find_faults(unfrozen, {field.name: choice}) == {}
            if accepted is ((field.name, choice) == ("monitor", "dice")):
                wrong.append((field.name, choice))
    assert wrong == []


def test_only_what_may_be_none_is_optional() -> None:
    wrong = [
        name
        for name, field in FIELDS.items()
        if (find_faults(BASE, {name: None}) == {}) is not field.optional
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("values", "faulty"),
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
        ({"freeze": "backbone", "region_weight": 0.0}, set()),
        (
            {"freeze": "backbone", "region_weight": 0.0, "init": "scratch"},
            {"freeze", "init"},
        ),
        (
            {"freeze": "backbone", "region_weight": 0.0, "head_epochs": 1},
            {"freeze", "head_epochs"},
        ),
        ({"logit_adjustment": 1.0}, {"logit_adjustment", "balance"}),
        ({"logit_adjustment": 1.0, "balance": "none"}, set()),
        ({"findings": ["hernia"]}, {"findings", "auxiliary_findings"}),
        ({"channels": 2}, {"channels"}),
        ({"augmentation.shift": 1.5, "augmentation.flip": 0.5}, {"augmentation.shift"}),
        ({"backbone_arguments": 'pad_type "same"'}, {"backbone_arguments"}),
        (
            {"structures": ["heart", "left_lung", "right_lung"], "dropout": 2.0, "epochs": 3},
            {"structures", "dropout"},
        ),
    ],
)
def test_each_fault_is_shown_beside_its_field(values: dict, faulty: set[str]) -> None:
    faults = find_faults(BASE, values)
    assert set(faults) == faulty
    assert all(len(sentence) > 20 for sentence in faults.values())


def test_values_reach_the_recipe() -> None:
    recipe = apply_values(
        BASE,
        {
            "epochs": 7,
            "neck": None,
            "findings": ["pneumonia"],
            "backbone_arguments": 'pad_type = "", drop_path_rate = 0.1',
            "augmentation.shift": 0.2,
        },
    )
    assert (recipe.epochs, recipe.neck, recipe.findings) == (7, None, ("pneumonia",))
    assert recipe.backbone_arguments == {"pad_type": "", "drop_path_rate": 0.1}
    assert recipe.augmentation == replace(BASE.augmentation, shift=0.2)
    assert changed_values(BASE, {"epochs": 7, "seed": 0, "findings": ["cardiomegaly"]}) == {
        "epochs": 7
    }


def test_a_step_is_one_in_the_first_digit() -> None:
    assert FIELDS["learning_rate"].step == pytest.approx(1e-4)
    assert FIELDS["epochs"].step == 1
    assert FIELDS["dropout"].step == pytest.approx(0.1)
    assert FIELDS["label_smoothing"].step == pytest.approx(0.01)


def test_every_recipe_that_comes_along_opens() -> None:
    assert "cardiomegaly-adults" in list_recipes()
    with pytest.raises(RecipeError, match=r"Choose from .*anatomy"):
        load_named_recipe("nonsense")


def test_fields_without_effect_say_why() -> None:
    idle = find_idle_fields(replace(BASE, schedule="one_cycle", balance="none", loss="focal"))
    assert idle["plateau_factor"] == "No effect: schedule is not plateau."
    assert idle["oversample_factor"] == "No effect: balance is not oversample."
    assert "asymmetric_margin" in idle
    assert not {"focal_gamma", "learning_rate", "label_smoothing"} & set(idle)
    assert set(idle) | set(find_idle_fields(SEGMENTATION)) <= set(FIELDS)


def test_the_validation_share_counts_wherever_validation_films_are_carved() -> None:
    for split in ("given", "fold:2/5", "saved:mine", "saved:mine/2"):
        idle = find_idle_fields(replace(BASE, split=split))
        assert not {"validation_share", "split_seed"} & set(idle), split
    assert "validation_share" in find_idle_fields(replace(BASE, split=".8:.1:.1"))
