"""A recipe as a form: its fields with their values, and each fault beside the field that has it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.contradictions import find_contradictions
from cxr_core.training.recipe.recipe import GROUPS, Recipe
from cxr_core.training.recipe.recipe_file import (
    AUGMENTATION,
    format_inline_table,
    parse_inline_table,
)
from cxr_core.training.recipe.settings import FieldSpec, Kind, field_specs

FormValue = None | bool | int | float | str | tuple[str, ...] | list[str]
Values = Mapping[str, FormValue]

MIN_STEP, MAX_STEP = 1e-6, 0.1


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a recipe, as a form asks for it.

    name: its key; `augmentation.shift` for one of the augmentation.  value: that of the recipe; a table is TOML text.
    choices: of a choice, or the entries that a list may have.  low, high: the range of a number.  optional: it may be
    None.  step: by which the buttons of a number change it.  takes_code: it may name a function of a user's own file.
    """

    name: str
    kind: Kind
    value: FormValue
    label: str
    help: str
    group: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    step: float = 1.0
    takes_code: bool = False


@cache
def form_specs() -> dict[str, FieldSpec]:
    """The fields of a recipe and of its augmentation by their names in a form, in the order of the form."""
    specs = {spec.key: spec for spec in field_specs(Recipe)}
    specs |= {f"{AUGMENTATION}.{spec.key}": spec for spec in field_specs(Augmentation)}
    return dict(sorted(specs.items(), key=lambda item: GROUPS.index(item[1].setting.group)))


def list_form_fields(recipe: Recipe) -> tuple[FormField, ...]:
    """Every field with the recipe's own value, in the order of the form."""
    return tuple(
        _form_field(name, spec, read_value(recipe, name)) for name, spec in form_specs().items()
    )


def read_value(recipe: Recipe, name: str) -> FormValue:
    """The value of a field as a form shows it."""
    owner = recipe.augmentation if _is_nested(name) else recipe
    value = getattr(owner, form_specs()[name].attribute)
    if isinstance(value, dict):
        return format_inline_table(value)
    shown: FormValue = value
    return shown


def apply_values(recipe: Recipe, values: Values) -> Recipe:
    """The recipe with these values instead of its own. Raises RecipeError when they do not fit."""
    own: dict[str, object] = {}
    nested: dict[str, object] = {}
    for name, value in values.items():
        spec = form_specs()[name]
        target = nested if _is_nested(name) else own
        if spec.kind == "table" and value is not None:
            target[spec.attribute] = parse_inline_table(name, str(value))
        else:
            target[spec.attribute] = tuple(value) if isinstance(value, list) else value
    augmentation = replace(recipe.augmentation, **nested)  # type: ignore[arg-type]
    return replace(recipe, **own, augmentation=augmentation)  # type: ignore[arg-type]


def changed_values(recipe: Recipe, values: Values) -> dict[str, FormValue]:
    """Those of the values that differ from the recipe's own."""
    tidy: dict[str, FormValue] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return {name: value for name, value in tidy.items() if value != read_value(recipe, name)}


def find_faults(recipe: Recipe, values: Values) -> dict[str, str]:
    """For each field that does not fit, a sentence that says why; empty when all fit together.

    Two fields that contradict each other both get the sentence. recipe: a valid one, from which the values differ.
    """
    changes = changed_values(recipe, values)
    fault = _find_fault(recipe, changes)
    if not fault:
        contradictions = find_contradictions(apply_values(recipe, changes))
        return {key: each.sentence for each in contradictions for key in each.keys}
    culprits = [name for name in changes if not _find_fault(recipe, _without(changes, name))]
    if culprits:
        return dict.fromkeys(culprits, fault)
    return _find_separate_faults(recipe, changes)


def _find_separate_faults(recipe: Recipe, changes: Values) -> dict[str, str]:
    """Several faults at once: accepts value by value what fits, and says of each of the others why it does not."""
    accepted: dict[str, FormValue] = {}
    rejected = list(changes)
    while fitting := [
        name for name in rejected if not _find_fault(recipe, {**accepted, name: changes[name]})
    ]:
        accepted[fitting[0]] = changes[fitting[0]]
        rejected.remove(fitting[0])
    return {name: _find_fault(recipe, {**accepted, name: changes[name]}) for name in rejected}


def _find_fault(recipe: Recipe, values: Values) -> str:
    try:
        apply_values(recipe, values)
    except RecipeError as error:
        return str(error)
    return ""


def _without(values: Values, name: str) -> dict[str, FormValue]:
    return {key: value for key, value in values.items() if key != name}


def _form_field(name: str, spec: FieldSpec, value: FormValue) -> FormField:
    return FormField(
        name=name,
        kind=spec.kind,
        value=value,
        label=spec.setting.label,
        help=spec.setting.help,
        group=spec.setting.group,
        choices=spec.choices,
        low=spec.setting.low,
        high=spec.setting.high,
        optional=spec.optional,
        step=1.0 if spec.kind == "whole" else _choose_step(value),
        takes_code=spec.setting.takes_code,
    )


def _is_nested(name: str) -> bool:
    return name.startswith(AUGMENTATION + ".")


def _choose_step(value: FormValue) -> float:
    """One in a number's first digit, from a millionth to a tenth."""
    if not isinstance(value, float) or not value:
        return 0.01
    return min(MAX_STEP, max(MIN_STEP, 10.0 ** math.floor(math.log10(abs(value)))))
