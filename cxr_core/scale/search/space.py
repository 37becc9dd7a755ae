"""The space of a search: which fields of a recipe are tried, between which limits or among which values.

A TOML file with a table for each field, named as after `--set`:

    [learning_rate]
    low = 1e-5
    high = 1e-2
    log = true

    ["augmentation.shift"]
    low = 0.0
    high = 0.1
    step = 0.02

    [balance]
    choices = ["none", "oversample"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cxr_core.errors import FileRefused, RecipeError, RecordError
from cxr_core.presentation.suggest import suggest
from cxr_core.training.recipe.form import FormValue, apply_values, form_specs
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import NONE
from cxr_core.training.recipe.settings import FieldSpec
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import JsonRecord, parse_record
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import ROOT, printable

SPACES = ROOT / "train" / "search_spaces"
MAX_SPACE_BYTES = 1 << 20
Choice = bool | int | float | str
# Fields that decide what is predicted, for whom, on which films, or how long: trials would not be comparable.
FIXED: Mapping[str, str] = {
    "name": "it names the recipe",
    "model": "it names the model",
    "findings": "trials must answer the same question",
    "structures": "trials must answer the same question",
    "split": "trials must be compared on the same films",
    "split_seed": "trials must be compared on the same films",
    "validation_share": "trials must be compared on the same films",
    "gate_share": "trials must be compared on the same films",
    "population_age_min": "trials must be compared on the same films",
    "population_age_max": "trials must be compared on the same films",
    "monitor": "it is what trials are compared by",
    "epochs": "pruning compares trials epoch by epoch",
    "seed": "give --seeds instead",
}


@dataclass(frozen=True, kw_only=True)
class SearchRange(JsonRecord):
    """The values of one field. low, high: inclusive.  log: whether small values are tried as often as large ones.

    step: between two values; None for any.  choices: instead of a range.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Choice, ...] = ()

    def find_problem(self, spec: FieldSpec) -> str:
        """Why these values do not fit a field, as a sentence without a full stop; empty when they fit."""
        if self.choices:
            return self._find_problem_of_choices(spec)
        if self.low is None or self.high is None:
            return "needs low and high, or choices"
        if spec.kind not in ("whole", "number"):
            return "is no number; give choices"
        for value in (self.low, self.high, self.step):
            if value is not None and spec.kind == "whole" and not value.is_integer():
                return f"is a whole number, and {value!r} is none"
        for end in self.list_ends(spec):
            if problem := spec.find_problem(end):
                return f"has {end!r} in its space, which {problem}"
        if self.low >= self.high:
            return f"has low={self.low!r}, which must be below high={self.high!r}"
        return self._find_problem_of_scale()

    def _find_problem_of_choices(self, spec: FieldSpec) -> str:
        if (self.low, self.high, self.step, self.log) != (None, None, None, False):
            return "has choices and a range; give one of them"
        if len(set(self.choices)) < 2:
            return "has fewer than two choices"
        for value in self.choices:
            if problem := spec.find_problem(_from_toml(spec, value)):
                return f"has {value!r} among its choices, which {problem}"
        return ""

    def _find_problem_of_scale(self) -> str:
        assert self.low is not None
        if self.log and self.step is not None:
            return "has log and step; give one of them"
        if self.log and self.low <= 0:
            return f"has log and low={self.low!r}; a logarithmic range begins above 0"
        if self.step is not None and self.step <= 0:
            return f"has step={self.step!r}, which must be above 0"
        if self.step is not None and self._has_one_value():
            return (
                f"has step={self.step!r}, which leads from low={self.low!r} beyond high={self.high!r}, so that only "
                "low would be tried; give a smaller one"
            )
        return ""

    def _has_one_value(self) -> bool:
        # In decimal numbers, as the file has them: in binary ones 0.1 + 0.2 is above 0.3.
        low, high, step = (Decimal(repr(value)) for value in (self.low, self.high, self.step))
        return low + step > high

    def list_ends(self, spec: FieldSpec) -> tuple[Choice, ...]:
        """The values at the ends, or all choices."""
        if self.low is None or self.high is None:
            return self.choices
        return (int(self.low), int(self.high)) if spec.kind == "whole" else (self.low, self.high)

    def suggest(self, trial: Any, name: str) -> Choice:
        """The value that an Optuna trial tries next."""
        spec = form_specs()[name]
        value: Choice
        if self.choices:
            value = trial.suggest_categorical(name, list(self.choices))
        elif spec.kind == "whole":
            low, high = self.list_ends(spec)
            value = trial.suggest_int(name, low, high, log=self.log, step=int(self.step or 1))
        else:
            value = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return value


@dataclass(frozen=True)
class SearchSpace:
    """The fields that a search tries, by their names in a form, in the order of the file."""

    ranges: Mapping[str, SearchRange]

    def suggest(self, trial: Any) -> dict[str, Choice]:
        """The settings that an Optuna trial tries next."""
        return {name: each.suggest(trial, name) for name, each in self.ranges.items()}


def parse_space(tables: Mapping[str, Any], recipe: Recipe) -> SearchSpace:
    """A space from its TOML tables, checked against a recipe.

    Raises RecipeError that names the field: one that no recipe has (with the one that may be meant), one that must stay
    the same, values that do not fit, and a value that contradicts the rest of the recipe.
    """
    specs = form_specs()
    ranges = {}
    for name, table in tables.items():
        if name not in specs:
            raise RecipeError(
                f"the space names {name!r}, which no recipe has{suggest(name, list(specs))} train.fit --help lists the "
                "fields"
            )
        if name in FIXED:
            raise RecipeError(f"{name} cannot be searched: {FIXED[name]}")
        try:
            values = parse_record(SearchRange, _require_known_keys(name, table))
        except RecordError as error:
            raise RecipeError(f"the space of {name}: {error}") from error
        if problem := values.find_problem(specs[name]):
            raise RecipeError(f"{name} {problem}")
        _require_no_contradiction(recipe, name, values)
        ranges[name] = values
    if not ranges:
        raise RecipeError("the space names no field; docs/scale.md shows one")
    return SearchSpace(ranges)


def load_space(path: Path, recipe: Recipe) -> SearchSpace:
    """A space from its file. Raises RecipeError as `parse_space` does, beginning with the file's name."""
    try:
        tables = tomllib.loads(read_outside_file(path, MAX_SPACE_BYTES).decode("utf-8-sig"))
        return parse_space(tables, recipe)
    except FileRefused as refusal:
        raise RecipeError(f"the space {refusal}") from refusal
    except (ValueError, RecursionError) as error:  # of TOML, and of text that is not UTF-8
        raise RecipeError(f"{printable(path)} cannot be read as TOML: {error}") from error
    except RecipeError as error:
        raise RecipeError(f"{printable(path)}: {error}") from error


def parse_space_text(text: str, recipe: Recipe) -> SearchSpace:
    """A space from TOML. Raises RecipeError as `parse_space` does."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"the space cannot be read as TOML: {error}") from error
    return parse_space(tables, recipe)


def list_spaces() -> dict[str, Path]:
    """The spaces that come with the program, by name: that of a recipe, or what the names of several begin with."""
    return {path.stem: path for path in sorted(SPACES.glob("*.toml"))}


def find_space_text(recipe: Recipe) -> str:
    """The text of the space that ships for a recipe and fits it; empty without one."""
    try:
        path = find_space_file(recipe.name)
        load_space(path, recipe)
        return read_outside_file(path, MAX_SPACE_BYTES).decode()
    except (RecipeError, FileRefused):
        return ""


def find_space_file(name: str) -> Path:
    """The file of a space given by path, by its name, or by the name of a recipe that it is for.

    `cardiomegaly-attention` is for every recipe whose name begins so. Raises RecipeError that lists the names.
    """
    if name.endswith(".toml"):
        return Path(name)
    known = list_spaces()
    fitting = [space for space in known if f"{name}-".startswith(f"{space}-")]
    if not fitting:
        raise RecipeError(
            f"there is no space for {name!r}{suggest(name, list(known))} Choose from {', '.join(known)}, or give a "
            ".toml file with --space"
        )
    return known[max(fitting, key=len)]


def apply_settings(recipe: Recipe, settings: Mapping[str, Choice]) -> Recipe:
    """The recipe with the settings of a trial. Raises RecipeError when they contradict one another."""
    specs = form_specs()
    values: dict[str, FormValue] = {
        name: _from_toml(specs[name], value) for name, value in settings.items()
    }
    return apply_values(recipe, values)


def _require_known_keys(name: str, table: Any) -> JsonObject:
    if not isinstance(table, dict):
        raise RecipeError(f"{name}={table!r:.60} must be a table with low and high, or choices")
    known = ("low", "high", "log", "step", "choices")
    unknown = [key for key in table if key not in known]
    if unknown:
        raise RecipeError(
            f"the space of {name} has {unknown[0]!r}{suggest(unknown[0], known)} The keys are {', '.join(known)}"
        )
    return table


def _require_no_contradiction(recipe: Recipe, name: str, values: SearchRange) -> None:
    for value in values.list_ends(form_specs()[name]):
        try:
            apply_settings(recipe, {name: value})
        except RecipeError as error:
            raise RecipeError(
                f"{name}={value!r} of the space does not fit the recipe: {error}"
            ) from error


def _from_toml(spec: FieldSpec, value: Choice) -> Choice | None:
    return None if spec.optional and value == NONE else value
