"""Frozen dataclasses that are kept as JSON objects: one key per field, in the order of the fields.

The types of the fields, with the limits that `Annotated` adds to them, say what a file may hold. A whole number has no
decimals, every number is finite unless its field says otherwise, and text can be written as UTF-8 unless it is a path.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast

import pydantic
from pydantic_core import ErrorDetails, SchemaValidator

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import Json, JsonObject, read_object
from cxr_core.workspace.paths import printable

MAX_TEXT = 1_000_000  # characters

Count = Annotated[int, pydantic.Field(ge=0)]
Fraction = Annotated[float, pydantic.Field(ge=0, le=1)]  # probabilities, thresholds, shares
PathText = pydantic.InstanceOf[str]  # may hold the bytes of a file name that are not UTF-8

Record = TypeVar("Record")


def _keep_as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


# Checked as its type says, and kept as it was written: keys in their order, whole numbers whole.
AsWritten = pydantic.WrapValidator(_keep_as_written)


class JsonRecord:
    """Base of frozen dataclasses with a JSON form.

    Keys that no field has are ignored when read. A field that takes no part in comparisons is not written.
    Fields may be numbers, texts, other records, None, tuples and string-keyed mappings of these, and sets of texts.

    KEYS: the key on disk of each field whose name differs from it.
    SPREAD: the field, a mapping, whose entries are keys of the object itself; "" for none.
    WRITES_DEFAULTS: whether a field that holds its default is written as well.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}
    SPREAD: ClassVar[str] = ""
    WRITES_DEFAULTS: ClassVar[bool] = False

    def to_json(self) -> JsonObject:
        """The object as it is kept on disk."""
        content: JsonObject = {}
        for field in _fields_of(type(self)):
            value = getattr(self, field.name)
            if field.name == self.SPREAD:
                content |= {key: _to_json(entry) for key, entry in value.items()}
            elif self.WRITES_DEFAULTS or not _is_default(field, value):
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
        """The record that `to_json` wrote. Raises RecordError that names the key, what was found and what expected."""
        return parse_record(cls, record)


def read_record_file(path: Path, kind: type[Record]) -> Record:
    """The record that a file holds. Raises OSError, and RecordError that begins with the file's name."""
    try:
        return parse_record(kind, read_object(path))
    except RecordError as error:
        raise RecordError(f"{printable(path.name)}: {error}") from error


def parse_record(kind: type[Record], content: Json) -> Record:
    """A dataclass from its JSON form; see `JsonRecord`, which it need not be. Raises RecordError.

    Errors of the project that a dataclass raises when it checks itself are passed on.
    """
    try:
        return cast(Record, _validator_of(cast(Any, kind)).validate_python(content))
    except pydantic.ValidationError as error:
        raise RecordError(_describe(error.errors(include_url=False)[0])) from error


def _to_json(value: Any) -> Json:
    if isinstance(value, JsonRecord):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _to_json(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [_to_json(entry) for entry in value]
    if isinstance(value, frozenset):
        return sorted(value)
    plain: Json = value
    return plain


def _is_default(field: Field[Any], value: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(value == field.default_factory())
    return field.default is not MISSING and bool(value == field.default)


def _fields_of(kind: type[Any]) -> tuple[Field[Any], ...]:
    return tuple(field for field in fields(kind) if field.compare)


@cache
def _validator_of(kind: type[Any]) -> SchemaValidator:
    return SchemaValidator(_prepare_schema(pydantic.TypeAdapter(kind).core_schema))


def _prepare_schema(node: Any) -> Any:
    """Pydantic's description of a type, made strict, with the keys on disk instead of the names of the fields."""
    if isinstance(node, list):
        return [_prepare_schema(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    node = {key: _prepare_schema(entry) for key, entry in node.items() if key != "metadata"}
    prepare = _PREPARE.get(str(node.get("type")))
    return prepare(node) if prepare else node


def _prepare_dataclass(node: dict[str, Any]) -> dict[str, Any]:
    keys, spread = getattr(node["cls"], "KEYS", {}), getattr(node["cls"], "SPREAD", "")
    arguments = node["schema"]
    while "fields" not in arguments:  # validators of the dataclass's own come first
        arguments = arguments["schema"]
    if not issubclass(node["cls"], JsonRecord):
        arguments["extra_behavior"] = "forbid"
    own = set()
    for field in arguments["fields"]:
        name = field["name"]
        field["validation_alias"] = "" if name == spread else keys.get(name, name)
        own.add(field["validation_alias"])
    if not spread:
        return node
    gather = {"type": "no-info", "function": partial(_gather_spread, own)}
    outer = {"type": "function-before", "function": gather, "schema": node}
    if "ref" in node:
        outer["ref"] = node.pop("ref")
    return outer


def _prepare_typed_dict(node: dict[str, Any]) -> dict[str, Any]:
    """Without keys that it does not name, unless it says otherwise."""
    allowed = node.get("config", {}).get("extra_fields_behavior") == "allow"
    return node if allowed else {**node, "extra_behavior": "forbid"}


_PREPARE: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "int": lambda node: {**node, "strict": True},
    "bool": lambda node: {**node, "strict": True},
    "float": lambda node: {"allow_inf_nan": False, **node, "strict": True},
    # The limit also refuses text that UTF-8 cannot hold.
    "str": lambda node: {"max_length": MAX_TEXT, **node, "strict": True},
    "typed-dict": _prepare_typed_dict,
    "dataclass": _prepare_dataclass,
}


def _gather_spread(own: set[str], content: Any) -> Any:
    """An object whose keys that are no fields' own lie together under the key ""."""
    if not isinstance(content, dict):
        return content
    spread = {key: entry for key, entry in content.items() if key not in own}
    return {key: entry for key, entry in content.items() if key in own} | {"": spread}


# What is expected, by pydantic's name of the error, where its own words are not plain.
_EXPECTED = {
    "string_type": "text",
    "string_unicode": "text that UTF-8 can hold",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "mapping_type": "an object",
    "dataclass_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
}


def _describe(error: ErrorDetails) -> str:
    """`population.age_min: found [1], expected a whole number`."""
    kind, message = error["type"], error["msg"]
    place = ".".join(str(part) for part in error["loc"] if part != "")
    if kind == "missing":
        return f"{place} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place} is no key that this program knows"
    if kind == "value_error":
        return f"{place}: {message.removeprefix('Value error, ')}"
    found = json.dumps(error["input"], default=repr)
    found = found if len(found) <= 60 else f"{found[:60]}…"
    expected = _EXPECTED.get(kind) or _shorten_expectation(message)
    return f"{place}: found {found}, expected {expected}".removeprefix(": ")


def _shorten_expectation(message: str) -> str:
    """`at least 1 item` of "List should have at least 1 item after validation, not 0"."""
    return re.split(r" should (?:be|have) ", message, maxsplit=1)[-1].partition(
        " after validation"
    )[0]
