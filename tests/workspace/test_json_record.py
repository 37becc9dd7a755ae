"""Records: the declaration decides what is read, and an error names key, value and what was expected."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import parse_json, read_bounded, read_json_object, read_object
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord, PathText


@dataclass(frozen=True)
class Share(JsonRecord):
    value: Fraction | None
    n: Count


@dataclass(frozen=True, kw_only=True)
class Table(JsonRecord):
    KEYS: ClassVar[Mapping[str, str]] = {"split": "part"}
    SPREAD: ClassVar[str] = "shares"

    split: str
    shares: Mapping[str, Share]
    cells: tuple[int, int] = (1, 1)
    folders: tuple[PathText, ...] = ()
    loss: Annotated[float, Field(allow_inf_nan=True)] = 0.0
    views: Mapping[str, "Table"] = field(default_factory=dict)


TABLE = Table(
    split="test",
    shares={"heart": Share(0.5, 3)},
    cells=(2, 3),
    folders=("/films/\udcff",),
    views={"PA": Table(split="test", shares={"lung": Share(None, 0)})},
)


def test_a_record_is_read_as_it_was_written() -> None:
    content = TABLE.to_json()
    assert list(content) == ["part", "heart", "cells", "folders", "views"]
    assert Table.from_json(parse_json(json.dumps(content))) == TABLE
    assert Table.from_json({**content, "loss": float("nan")}).loss != 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"part": None}, "part: found null, expected text"),
        ({"part": "\udcff"}, "part: found"),
        ({"heart": 5}, "heart: found 5, expected an object"),
        ({"heart": {"value": 0.5}}, "heart.n is missing"),
        ({"heart": {"value": "0.5", "n": 3}}, 'heart.value: found "0.5", expected a number'),
        ({"heart": {"value": 1.5, "n": 3}}, "heart.value: found 1.5, expected less than or equal to 1"),
        ({"heart": {"value": float("nan"), "n": 3}}, "heart.value: found NaN, expected a finite number"),
        ({"heart": {"value": 0.5, "n": True}}, "heart.n: found true, expected a whole number"),
        ({"heart": {"value": 0.5, "n": 3.0}}, "heart.n: found 3.0, expected a whole number"),
        ({"heart": {"value": 0.5, "n": -1}}, "heart.n: found -1, expected greater than or equal to 0"),
        ({"cells": [1, 2, 3]}, "cells: found [1, 2, 3], expected at most 2 items"),
        ({"views": {"PA": {"part": "test", "lung": 1}}}, "views.PA.lung: found 1"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_the_value_and_what_was_expected(changes, words) -> None:
    with pytest.raises(RecordError) as raised:
        Table.from_json(TABLE.to_json() | changes)
    assert str(raised.value).startswith(words)


@pytest.mark.parametrize("content", [None, 5, [], "table", [["part", "test"]]])
def test_what_is_no_object_is_no_record(content) -> None:
    with pytest.raises(RecordError, match="found"):
        Table.from_json(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "found the number NaN"),
        ("[-Infinity]", "found the number -Infinity"),
        ("1e999", "found the number 1e999"),
        ("1" * 5000, "found the number 111"),
        ("[" * 100_000 + "]" * 100_000, "too deeply nested"),
        ('{"a":' * 65 + "1" + "}" * 65, "too deeply nested"),
        ('{"a": 1, "a": 2}', "found a key twice"),
        (b"\xff\x00", "no JSON"),
        ("", "Expecting value"),
    ],
)
def test_json_that_no_file_of_the_program_holds_is_refused(text, words) -> None:
    with pytest.raises(RecordError, match=words):
        parse_json(text)


def test_a_file_is_bounded_and_regular(tmp_path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(RecordError, match="it has more than 1 MiB"):
        read_bounded(path, 2**20)
    assert read_json_object(tmp_path / "none.json") is None
    os.mkfifo(tmp_path / "pipe.json")  # once waited for ever
    with pytest.raises(RecordError, match="no regular file"):
        read_object(tmp_path / "pipe.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(RecordError, match="no JSON object"):
        read_object(tmp_path / "list.json")
