"""Frozen dataclasses that are kept as JSON objects: one key per field, in the order of the fields."""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Self

from cxr_core.workspace.json_files import Json, JsonObject

_KIND_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}

_HINTS: dict[type, dict[str, Any]] = {}  # types of the fields of each record read so far


class JsonRecord:
    """Base of frozen dataclasses with a JSON form.

    A field that holds its default is left out of the JSON. Keys that no field has are ignored when read.
    Fields may be numbers, texts, other records, None, and tuples and string-keyed mappings of these.

    KEYS: the key on disk of each field whose name differs from it.
    SPREAD: the field, a mapping, whose entries are keys of the object itself; "" for none.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}
    SPREAD: ClassVar[str] = ""

    def to_json(self) -> JsonObject:
        """The object as it is kept on disk."""
        content: JsonObject = {}
        for field in _fields_of(type(self)):
            value = getattr(self, field.name)
            if field.name == self.SPREAD:
                content |= {key: _to_json(entry) for key, entry in value.items()}
            elif not _is_default(field, value):
                content[self.KEYS.get(field.name, field.name)] = _to_json(value)
        return content

    def as_keywords(self) -> dict[str, Any]:
        """The fields by name, to build a larger record that begins with the same fields."""
        return {field.name: getattr(self, field.name) for field in _fields_of(type(self))}

    def as_recorded(self) -> Self:
        """The record as it is read back from disk, with figures rounded."""
        return self.from_json(self.to_json())

    @classmethod
    def from_json(cls, record: Json) -> Self:
        """The record that `to_json` wrote. Raises KeyError for a missing key, TypeError for a value of another type."""
        content = _expect(record, dict, cls.__name__)
        hints, values = _hints_of(cls), {}
        for field in _fields_of(cls):
            key = cls.KEYS.get(field.name, field.name)
            if field.name == cls.SPREAD:
                own = set(_keys_of(cls))
                rest = {name: entry for name, entry in content.items() if name not in own}
                values[field.name] = _from_json(rest, hints[field.name], field.name)
            elif key in content:
                values[field.name] = _from_json(content[key], hints[field.name], key)
            elif _is_required(field):
                raise KeyError(f"{cls.__name__} has no {key}")
        return cls(**values)


def _to_json(value: Any) -> Json:
    if isinstance(value, JsonRecord):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _to_json(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [_to_json(entry) for entry in value]
    plain: Json = value
    return plain


def _from_json(value: Json, hint: Any, name: str) -> Any:
    """The value of a field. hint: the field's type. Raises TypeError when they do not agree."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _from_union(value, arguments, name)
    if origin is tuple:
        entries = _expect(value, list, name)
        kinds = arguments[:1] * len(entries) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(entries):
            raise TypeError(f"{name}: found {len(entries)} entries, expected {len(kinds)}")
        return tuple(_from_json(one, kind, name) for one, kind in zip(entries, kinds, strict=True))
    if origin is not None:  # a mapping
        entries = _expect(value, dict, name)
        return {key: _from_json(entry, arguments[1], key) for key, entry in entries.items()}
    if issubclass(hint, JsonRecord):
        return hint.from_json(_expect(value, dict, name))
    return _expect(value, (int, float) if hint is float else hint, name)


def _from_union(value: Json, choices: tuple[Any, ...], name: str) -> Any:
    """By the first choice that fits; of several records the first whose required keys are all there."""
    if value is None and type(None) in choices:
        return None
    records = [kind for kind in choices if kind is not type(None)]
    if len(records) == 1:
        return _from_json(value, records[0], name)
    content = _expect(value, dict, name)
    for kind in records:
        if _required_keys_of(kind) <= set(content):
            return kind.from_json(content)
    expected = " or ".join(kind.__name__ for kind in records)
    raise TypeError(f"{name}: found the keys {', '.join(content) or 'none'}; expected {expected}")


def _expect(value: Any, kind: Any, name: str) -> Any:
    """The value itself when it is of that kind. Raises TypeError with what was found and expected."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = _KIND_NAMES.get(kinds[0], kinds[0].__name__)
        found = _KIND_NAMES.get(type(value), type(value).__name__)
        raise TypeError(f"{name}: found {found}, expected {expected}")
    return value


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_default(field: Field[Any], value: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(value == field.default_factory())
    return field.default is not MISSING and bool(value == field.default)


def _required_keys_of(kind: type[JsonRecord]) -> set[str]:
    required = [field.name for field in _fields_of(kind) if _is_required(field)]
    return {kind.KEYS.get(name, name) for name in required}


def _keys_of(kind: type[JsonRecord]) -> list[str]:
    return [kind.KEYS.get(field.name, field.name) for field in _fields_of(kind)]


def _fields_of(kind: type[JsonRecord]) -> tuple[Field[Any], ...]:
    return fields(typing.cast(Any, kind))


def _hints_of(kind: type[JsonRecord]) -> dict[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]
