"""Declares the fields of a recipe: type, range, label, help and group, each in one place.

A field of `Recipe` or `Augmentation` carries a `Setting` as dataclass metadata. Validation, the form of the Train page,
the help of `--set` and the list in docs/recipes.md are all made from it.
"""

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cxr_core.errors import RecipeError
from cxr_core.models.networks.user_code import is_code_reference
from cxr_core.presentation.suggest import suggest

Kind = Literal["whole", "number", "switch", "choice", "keys", "text", "table"]

METADATA_KEY = "setting"
KIND_OF_TYPE: dict[object, Kind] = {
    Literal: "choice",
    tuple: "keys",
    dict: "table",
    bool: "switch",
    int: "whole",
    float: "number",
    str: "text",
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the type of a field does not say.

    label, help: as people read them.  group: the heading in the form.  low, high: the inclusive range of a number.
    options: the entries that a list or a text may have, or what gives those of the moment.  takes_code: whether a text
    may also name a function of a user's own file, as `file:my_net.py:build`.  key: the name in TOML files and after
    `--set`, where it differs from the attribute's.
    """

    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    key: str = ""
    takes_code: bool = False


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One field of a dataclass of settings.

    attribute: its name in Python.  key: its name in TOML files and forms.  literals: of a choice.  optional: it may be
    None.
    """

    attribute: str
    key: str
    kind: Kind
    literals: tuple[str, ...]
    optional: bool
    setting: Setting

    @property
    def choices(self) -> tuple[str, ...]:
        """Of a choice, or the entries that a list may have."""
        options = self.setting.options
        return (options() if callable(options) else options) or self.literals

    def find_problem(self, value: object) -> str:
        """Why a value does not fit, to be read after `key=value`; empty when it fits."""
        if value is None:
            return "" if self.optional else "must not be empty"
        if self.kind in ("whole", "number"):
            return self._find_problem_of_number(value)
        if self.kind == "choice":
            known = value in self.choices or (
                self.setting.takes_code and is_code_reference(str(value))
            )
            hint = suggest(str(value), self.choices)
            return "" if known else f"is unknown{hint} Choose from {', '.join(self.choices)}"
        if self.kind == "keys":
            return self._find_problem_of_list(value)
        if self.kind == "switch":
            return "" if isinstance(value, bool) else "must be true or false"
        if self.kind == "table":
            return "" if isinstance(value, Mapping) else "must be a table"
        return "" if isinstance(value, str) else "must be text"

    def _find_problem_of_number(self, value: object) -> str:
        low, high = self.setting.low, self.setting.high
        assert low is not None, f"{self.key} declares no range"
        assert high is not None, f"{self.key} declares no range"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and self.kind == "whole":
            is_number = isinstance(value, int)
        if is_number and low <= value <= high:  # type: ignore[operator]
            return ""
        expected = "a whole number" if self.kind == "whole" else "a number"
        return f"must be {expected} between {low:.10g} and {high:.10g}"

    def _find_problem_of_list(self, value: object) -> str:
        if not isinstance(value, tuple | list):
            return "must be a list of names"
        unknown = [entry for entry in value if entry not in self.choices]
        if not unknown:
            return ""
        hint = suggest(str(unknown[0]), self.choices)
        return f"has {unknown}{hint} Choose from {', '.join(self.choices)}"


def setting(
    label: str,
    help: str,
    group: str,
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    **limits: Any,
) -> Any:
    """A dataclass field that is a setting. default, default_factory: as of `field`.  limits: the rest of `Setting`."""
    declared = Setting(label=label, help=help, group=group, **limits)
    return field(
        default=default, default_factory=default_factory, metadata={METADATA_KEY: declared}
    )


def field_specs(owner: type) -> tuple[FieldSpec, ...]:
    """The settings of a dataclass, in the order of their declaration."""
    if owner not in _SPECS:
        _SPECS[owner] = tuple(_read_specs(owner))
    return _SPECS[owner]


_SPECS: dict[type, tuple[FieldSpec, ...]] = {}


def _read_specs(owner: type) -> Iterator[FieldSpec]:
    hints = get_type_hints(owner)
    for member in fields(owner):
        declared = member.metadata.get(METADATA_KEY)
        if declared is None:
            continue
        plain_type = _without_none(hints[member.name])
        kind = KIND_OF_TYPE[get_origin(plain_type) or plain_type]
        if kind == "text" and declared.options:
            kind = "choice"
        yield FieldSpec(
            attribute=member.name,
            key=declared.key or member.name,
            kind=kind,
            literals=get_args(plain_type) if kind == "choice" else (),
            optional=plain_type is not hints[member.name],
            setting=declared,
        )


def require_valid(settings: object, *, name: str = "") -> None:
    """Raises RecipeError for the first value that does not fit its field. name: of a nested table."""
    prefix = f"{name} " if name else ""
    for spec in field_specs(type(settings)):
        value = getattr(settings, spec.attribute)
        if problem := spec.find_problem(value):
            raise RecipeError(f"{prefix}{spec.key}={value!r} {problem}")


def _without_none(hint: object) -> object:
    """The type of an optional field without None; other types are returned as they are."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    members = [member for member in get_args(hint) if member is not type(None)]
    return members[0] if len(members) == 1 else hint
