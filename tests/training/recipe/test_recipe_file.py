"""Recipes as TOML: what is written is read back, whatever text or table it holds; recipes of version 0.1 load."""

import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.errors import RecipeError
from cxr_core.models.networks import architectures
from cxr_core.training.recipe import network_fields
from cxr_core.training.recipe.field_help import format_documentation
from cxr_core.training.recipe.form import apply_values, read_value
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import (
    _to_table,
    apply_overrides,
    format_recipe,
    load_named_recipe,
    load_recipe,
)
from cxr_core.workspace.atomic import atomic_write

DOCUMENT = Path(__file__).parents[3] / "docs" / "recipes.md"
BASE = load_named_recipe("cardiomegaly-adults")


@pytest.mark.parametrize("split", ["saved:mine/²", "fold:²/5", "saved:", "saved:mine/"])
def test_a_fold_that_is_no_number_is_explained(split: str) -> None:
    with pytest.raises(RecipeError, match="split="):
        replace(BASE, split=split)


RECIPE_TEXT = format_recipe(BASE)
values_of_toml = st.sampled_from(
    [
        "1979-05-27",
        "07:32:00",
        "nan",
        "inf",
        "-1",
        "1e999",
        "[]",
        "[[1]]",
        "{}",
        "true",
        '""',
        '"\\u0000"',
        "[1, 'a']",
    ]
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (RECIPE_TEXT.replace("name =", "name = é").encode("latin-1"), "is not in UTF-8; save it"),
        (b"name = [", "cannot be read as a recipe"),
        (b"a = " + b"[" * 5_000, "cannot be read as a recipe"),
        (b"a = " + b"1" * 5_000, "cannot be read as a recipe"),
    ],
)
def test_a_broken_recipe_says_what_is_broken(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=says):
        load_recipe(path)


def test_a_recipe_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml cannot be opened: there is no such file"):
        load_recipe(tmp_path / "none.toml")


def test_a_recipe_saved_by_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xef\xbb\xbf" + RECIPE_TEXT.replace("\n", "\r\n").encode())
    assert load_recipe(path) == BASE


toml_lines = st.sampled_from(RECIPE_TEXT.encode().splitlines(keepends=True))
toml_pieces = st.sampled_from(
    [
        b'name = "x"\n',
        b"epochs = ",
        b"seed = 1979-05-27\n",
        b"nan\n",
        b"1e999\n",
        b"[augmentation]\n",
        b"= {}\n",
    ]
)


@given(st.lists(toml_lines | toml_pieces | st.binary(max_size=6), max_size=20).map(b"".join))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_recipe_or_refused(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    with suppress(RecipeError):
        load_recipe(path)


@given(st.sampled_from(list(_to_table(BASE))), values_of_toml)
@settings(max_examples=150, deadline=None)
def test_any_value_of_any_key_fits_or_is_refused(tmp_path_factory, key: str, value: str) -> None:
    lines = [line for line in RECIPE_TEXT.splitlines() if not line.startswith(f"{key} =")]
    path = tmp_path_factory.getbasetemp() / "value.toml"
    path.write_text("\n".join([f"{key} = {value}", *lines]), encoding="utf-8")
    with suppress(RecipeError):
        load_recipe(path)


scalars = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()  # control characters, CR LF, quotes and backslashes among them
)
values = st.recursive(
    scalars,
    lambda nested: st.lists(nested, max_size=3) | st.dictionaries(st.text(), nested, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(st.text(), values, max_size=4)


@settings(deadline=None)
@given(summary=st.text(), source=st.text(), arguments=tables)
def test_a_recipe_written_as_toml_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, summary: str, source: str, arguments: dict
) -> None:
    recipe = replace(BASE, summary=summary, source=source, backbone_arguments=arguments)
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    atomic_write(path, format_recipe(recipe))
    assert load_recipe(path) == recipe


@settings(deadline=None)
@given(arguments=tables)
def test_a_table_in_a_form_is_read_back_equal(arguments: dict) -> None:
    recipe = replace(BASE, backbone_arguments=arguments)
    shown = read_value(recipe, "backbone_arguments")
    assert "\n" not in str(shown)
    assert apply_values(BASE, {"backbone_arguments": shown}) == recipe


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("summary", '"two\\r\\nlines"', "two\r\nlines"),
        ("summary", "2024", "2024"),
        ("summary", "true", "true"),
        ("backbone_arguments", "{norm_layer={eps=0.001}}", {"norm_layer": {"eps": 0.001}}),
        (
            "backbone_arguments",
            "{stages=[{width=8}, {width=16}]}",
            {"stages": [{"width": 8}, {"width": 16}]},
        ),
    ],
)
def test_an_override_reaches_the_file_and_comes_back(
    tmp_path: Path, key: str, text: str, value: object
) -> None:
    recipe = apply_overrides(BASE, {key: text})
    assert getattr(recipe, key) == value
    (tmp_path / "recipe.toml").write_bytes(format_recipe(recipe).encode())
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_a_field_that_may_be_empty_is_written_as_none_only_where_it_matters() -> None:
    table = tomllib.loads(format_recipe(replace(BASE, oversample_factor=None, ema_decay=None)))
    assert table["oversample_factor"] == "none"
    assert "ema_decay" not in table


REMOVED = 'ratio_weight = 0.0\naspect = "stretch"\n'


def test_a_recipe_of_version_0_1_loads_where_removed_keys_have_their_defaults(
    tmp_path: Path,
) -> None:
    path = tmp_path / "recipe.toml"
    text = format_recipe(BASE)
    assert text.rstrip().splitlines()[-1].startswith("corner"), "the augmentation is the last table"
    path.write_text(REMOVED + text.rstrip() + "\nveil = 0.0\n")
    assert load_recipe(path) == BASE


@pytest.mark.parametrize(
    "line", ["ratio_weight = 2.0", 'aspect = "pad"', "augmentation = {veil = 0.5}"]
)
def test_a_removed_key_with_another_value_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "x"\nmodel = "x"\nsummary = "x"\nfindings = ["pneumonia"]\n{line}\n')
    with pytest.raises(RecipeError, match="is no longer supported"):
        load_recipe(path)


def test_a_recipe_without_what_it_needs_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('findings = ["pneumonia"]\n')
    with pytest.raises(RecipeError, match="the recipe has no name, model, summary"):
        load_recipe(tmp_path / "recipe.toml")


def test_heads_of_recipes_are_those_of_the_networks() -> None:
    assert get_args(network_fields.Head) == get_args(architectures.Head)


def test_a_recipe_is_checked_without_a_file() -> None:
    with pytest.raises(RecipeError, match="findings is empty"):
        Recipe(name="x", model="x", summary="x")


def test_the_document_describes_every_field() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert format_documentation().strip() in text, (
        "docs/recipes.md has another list of fields; replace it by what "
        "cxr_core.training.recipe.field_help.format_documentation() returns"
    )
