"""Reads recipes from TOML files, writes them, and applies `--set` overrides."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import tomli_w

from cxr_core.errors import FileRefused, RecipeError
from cxr_core.presentation.suggest import suggest
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.settings import FieldSpec, field_specs
from cxr_core.workspace.json_files import Json, JsonObject
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import RECIPES, printable

MAX_RECIPE_BYTES = 1 << 20
AUGMENTATION = "augmentation"
NONE = "none"  # TOML has no null; this text stands for it in fields that may be empty
# Keys of version 0.1 with their defaults. A recipe that holds one at its default trains the same without it.
REMOVED_KEYS: JsonObject = {
    "ratio_weight": 0.0,
    "aspect": "stretch",
    "augmentation.veil": 0.0,
}


def list_recipes() -> dict[str, Path]:
    """The TOML files of the recipes that come with the program, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.toml"))}


def find_recipe_file(name: str) -> Path:
    """The TOML file of a recipe given by name or path. Raises RecipeError that lists the names."""
    if name.endswith(".toml"):
        return Path(name)
    known = list_recipes()
    if name not in known:
        raise RecipeError(
            f"unknown recipe {name!r}{suggest(name, list(known))} Choose from {', '.join(known)}, or give a .toml file"
        )
    return known[name]


def load_named_recipe(name: str) -> Recipe:
    """A recipe given by name or path. Raises RecipeError, for an unknown name with the known ones."""
    return load_recipe(find_recipe_file(name))


def load_recipe(path: Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A recipe from its TOML file, with `--set` overrides.

    Raises RecipeError for a file that cannot be read, an unknown key (with the known ones), or a value that does not
    fit.
    """
    try:
        table = tomllib.loads(read_outside_file(path, MAX_RECIPE_BYTES).decode("utf-8-sig"))
    except FileRefused as refusal:
        raise RecipeError(f"the recipe {refusal}") from refusal
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"the recipe {printable(path)} is not in UTF-8; save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:  # also for an endless number
        raise RecipeError(f"{printable(path)} cannot be read as a recipe: {error}") from error
    try:
        recipe = _parse_recipe(table)
    except RecipeError as error:
        raise RecipeError(f"{printable(path)}: {error}") from error
    return apply_overrides(recipe, overrides or {})


def apply_overrides(recipe: Recipe, overrides: Mapping[str, str]) -> Recipe:
    """The recipe with some values replaced. `augmentation.shift` names a field of the augmentation.

    overrides: values as TOML, or as bare text, by key. Raises RecipeError as `load_recipe` does.
    """
    table = _to_table(recipe)
    for key, text in overrides.items():
        outer, _, inner = key.partition(".")
        nested = table.get(outer)
        if inner and isinstance(nested, dict):
            table[outer] = {**nested, inner: _parse_value(inner, text)}
        else:
            table[outer] = _parse_value(outer, text)
    return _parse_recipe(table)


def format_recipe(recipe: Recipe) -> str:
    """The resolved recipe as TOML that `load_recipe` reads back to an equal one."""
    return tomli_w.dumps(_to_table(recipe))


def format_inline_table(table: Mapping[str, Json]) -> str:
    """`key = value, key = value`: a table on one line, as a form shows it."""
    return ", ".join(
        f"{_format_key(key)} = {_format_inline(value)}" for key, value in table.items()
    )


def parse_inline_table(name: str, text: str) -> JsonObject:
    """The table of `format_inline_table`. Raises RecipeError that names the field."""
    try:
        table: JsonObject = tomllib.loads(f"table = {{{text}}}")["table"]
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f'{name}={text!r} is not TOML; write it as pad_type = "same" ({error})'
        ) from error
    return table


def _parse_recipe(content: JsonObject) -> Recipe:
    table = _drop_removed_keys(content)
    nested = table.pop(AUGMENTATION, {})
    if not isinstance(nested, dict):
        raise RecipeError(f"augmentation={nested!r} must be a table")
    values = _parse_fields(Recipe, table, "recipe key")
    augmentation = Augmentation(**_parse_fields(Augmentation, nested, "key of [augmentation]"))
    missing = [
        field.name
        for field in fields(Recipe)
        if field.default is MISSING
        and field.default_factory is MISSING
        and field.name not in values
    ]
    if missing:
        raise RecipeError(f"the recipe has no {', '.join(missing)}; add what is missing")
    return Recipe(**values, augmentation=augmentation)


def _drop_removed_keys(content: JsonObject) -> JsonObject:
    """Without the keys that version 0.1 wrote at their defaults. Raises RecipeError for another value of one."""
    table = dict(content)
    for key, default in REMOVED_KEYS.items():
        outer, _, inner = key.partition(".")
        nested = table.get(outer)
        if not inner and outer in table:
            _require_default(key, table.pop(outer), default)
        elif isinstance(nested, dict) and inner in nested:
            _require_default(key, nested[inner], default)
            table[outer] = {name: value for name, value in nested.items() if name != inner}
    return table


def _require_default(key: str, value: Json, default: Json) -> None:
    if value != default:
        raise RecipeError(
            f"{key}={value!r} is no longer supported: version 0.2 removed this key; remove it from the recipe"
        )


def _parse_fields(owner: type, table: JsonObject, what: str) -> dict[str, Any]:
    """Values of a dataclass of settings by attribute. Raises RecipeError for an unknown key."""
    specs = {spec.key: spec for spec in field_specs(owner)}
    unknown = sorted(set(table) - set(specs))
    if unknown:
        known = sorted({*specs, AUGMENTATION} if owner is Recipe else specs)
        raise RecipeError(
            f"unknown {what} {unknown[0]!r}{suggest(unknown[0], _spellings(owner))} The keys are {', '.join(known)}"
        )
    return {specs[key].attribute: _from_toml(specs[key], value) for key, value in table.items()}


def _spellings(owner: type) -> dict[str, str]:
    """Every key of a recipe by the ways to write it: itself, its label, its initials; those of the owner come first."""
    keys = {AUGMENTATION: AUGMENTATION} if owner is Recipe else {}
    for settings, prefix in ((Recipe, ""), (Augmentation, f"{AUGMENTATION}.")):
        for spec in field_specs(settings):
            label = spec.setting.label.partition(" (")[0].lower().replace(" ", "_")
            initials = "".join(word[0] for word in spec.key.split("_"))
            meant = spec.key if settings is owner else f"{prefix}{spec.key}"
            for spelling in (spec.key, f"{prefix}{spec.key}", label, initials):
                keys.setdefault(spelling, meant)
    return keys


def _from_toml(spec: FieldSpec, value: Json) -> Json | tuple[Json, ...]:
    if spec.optional and value == NONE:
        return None
    if spec.kind == "keys" and isinstance(value, list):
        return tuple(value)
    return value


def _to_table(recipe: Recipe) -> JsonObject:
    """The recipe as TOML holds it, tables last."""
    table = _fields_to_table(recipe)
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    return {**plain, **tables, AUGMENTATION: _fields_to_table(recipe.augmentation)}


def _fields_to_table(settings: Recipe | Augmentation) -> JsonObject:
    defaults = {field.name: field.default for field in fields(settings)}
    table: JsonObject = {}
    for spec in field_specs(type(settings)):
        value = getattr(settings, spec.attribute)
        if isinstance(value, tuple):
            table[spec.key] = list(value)
        elif value is not None:
            table[spec.key] = value
        elif defaults[spec.attribute] is not None:
            table[spec.key] = NONE  # leaving the key away would mean its default
    return table


def _parse_value(key: str, text: str) -> Json:
    """A value as TOML reads it; a bare word is itself, and so is all text of a field that holds text."""
    try:
        value: Json = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    is_text_field = any(spec.key == key and spec.kind == "text" for spec in field_specs(Recipe))
    return text if is_text_field and not isinstance(value, str) else value


def _format_key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def _format_inline(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + format_inline_table(value) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_format_inline(entry) for entry in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").removesuffix("\n")
