"""A recipe as a form: each field with its kind, range and words, generated from the dataclass that checks itself."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cxr_core.errors import RecipeError
from cxr_core.findings import FINDINGS, STRUCTURES
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.fields import WORDS
from cxr_core.training.recipe.recipe import RANGES, Recipe, load_recipe, toml_value
from cxr_core.workspace.paths import RECIPES

Kind = Literal["whole", "number", "switch", "choice", "keys", "text", "table"]
Values = Mapping[str, Any]

AUGMENTATION = "augmentation"
KEYS = {
    "findings": tuple(FINDINGS),
    "auxiliary_findings": tuple(FINDINGS),
    "structures": STRUCTURES,
}
FINEST_STEP, COARSEST_STEP = 1e-6, 0.1


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a recipe, as a form asks for it.

    name: of the recipe, `augmentation.shift` for one inside.  value: what the recipe has; a table is TOML text.
    choices: of a choice, or of keys.  low, high: the range, where there is one.  optional: it may be None.
    step: a sensible step of a number from its value.
    """

    name: str
    kind: Kind
    value: Any
    help: str
    group: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    step: float = 1.0


def named_recipes() -> dict[str, Path]:
    """The recipes that come with the program, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.toml"))}


def open_recipe(name: str) -> Recipe:
    """A recipe that comes with the program. Raises RecipeError that lists the names there are."""
    known = named_recipes()
    if name not in known:
        raise RecipeError(f"unknown recipe {name!r}; choose from {', '.join(known)}")
    return load_recipe(known[name])


def form(recipe: Recipe) -> tuple[FormField, ...]:
    """Every field of a recipe with the recipe's own values, in the order to be shown."""
    hints = _hints()
    return tuple(
        _field(name, hints[name], _value_of(recipe, name), words, group)
        for group, entries in WORDS.items()
        for name, words in entries.items()
    )


def build(recipe: Recipe, values: Values) -> Recipe:
    """The recipe with these values in the place of its own. Raises RecipeError when they do not fit."""
    own = {name: value for name, value in values.items() if "." not in name}
    inner = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
    own = {
        name: _table(name, value) if _kind(_hints()[name]) == "table" else value
        for name, value in own.items()
    }
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
    for name, value in {**own, **inner}.items():
        if value is None and not _optional(_hints().get(name, float)):
            raise RecipeError(f"{name} is empty; give a value")
    return replace(recipe, **own, augmentation=replace(recipe.augmentation, **inner))


def changed(recipe: Recipe, values: Values) -> dict[str, Any]:
    """Those of the values that differ from the recipe's own."""
    found = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return {name: value for name, value in found.items() if value != _value_of(recipe, name)}


def check(recipe: Recipe, values: Values) -> dict[str, str]:
    """For each field that does not fit, the sentence that says why; empty when all fit together.

    Two fields that contradict each other both get the sentence. recipe: one that fits, from which the values differ.
    """
    given = changed(recipe, values)
    whole = _complaint(recipe, given)
    if not whole:
        return {}
    culprits = [name for name in given if not _complaint(recipe, _without(given, name))]
    if culprits:
        return dict.fromkeys(culprits, whole)
    return _complaints_apart(recipe, given)


def _complaints_apart(recipe: Recipe, given: dict[str, Any]) -> dict[str, str]:
    """Several faults at once: what fits is taken, value by value, and what is left over is told of each."""
    taken: dict[str, Any] = {}
    left = list(given)
    while fits := [name for name in left if not _complaint(recipe, {**taken, name: given[name]})]:
        taken[fits[0]] = given[fits[0]]
        left.remove(fits[0])
    return {name: _complaint(recipe, {**taken, name: given[name]}) for name in left}


def _complaint(recipe: Recipe, values: Values) -> str:
    try:
        build(recipe, values)
    except RecipeError as error:
        return str(error)
    return ""


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _field(name: str, hint: Any, value: Any, words: str, group: str) -> FormField:
    kind = _kind(hint)
    low, high = RANGES.get(name, (None, None))
    if name.startswith(AUGMENTATION + "."):
        low, high = Augmentation.limits(name.partition(".")[2])
    return FormField(
        name=name,
        kind=kind,
        value=value,
        help=words,
        group=group,
        choices=get_args(hint) if kind == "choice" else KEYS.get(name, ()),
        low=low,
        high=high,
        optional=_optional(hint),
        step=1.0 if kind == "whole" else _step(value if isinstance(value, float) else 0.0),
    )


@cache
def _hints() -> dict[str, Any]:
    """The type of each field, those of the augmentation among them."""
    own = get_type_hints(Recipe)
    return {
        **{each.name: own[each.name] for each in fields(Recipe) if each.name != AUGMENTATION},
        **{f"{AUGMENTATION}.{each.name}": float for each in fields(Augmentation)},
    }


def _kind(hint: Any) -> Kind:
    kinds: dict[Any, Kind] = {
        Literal: "choice",
        tuple: "keys",
        dict: "table",
        bool: "switch",
        int: "whole",
    }
    kinds |= {float: "number", str: "text"}
    bare = next((each for each in _members(hint) if each is not type(None)), hint)
    return kinds[get_origin(bare) or bare]


def _members(hint: Any) -> Iterable[Any]:
    """The types of a union; nothing for what is none."""
    return () if get_origin(hint) in (Literal, tuple, dict) else get_args(hint)


def _optional(hint: Any) -> bool:
    return type(None) in _members(hint)


def _value_of(recipe: Recipe, name: str) -> Any:
    outer, _, inner = name.partition(".")
    value = getattr(recipe, outer)
    if inner:
        return getattr(value, inner)
    if isinstance(value, dict):
        return ", ".join(f"{key} = {toml_value(entry)}" for key, entry in value.items())
    return value


def _table(name: str, text: str) -> dict[str, Any]:
    """A table from `key = value, key = value`."""
    try:
        found: dict[str, Any] = tomllib.loads(f"table = {{{text}}}")["table"]
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f'{name}={text!r} is no TOML; write it as pad_type = "same" ({error})'
        ) from error
    return found


def _step(value: float) -> float:
    """One in a number's first digit; at most a tenth and never finer than a millionth."""
    if not value:
        return 0.01
    return min(COARSEST_STEP, max(FINEST_STEP, 10.0 ** math.floor(math.log10(abs(value)))))
