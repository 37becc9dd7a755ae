"""Compares runs: the recipe fields that differ, and every figure in one table.

Importing this module loads no torch.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cxr_core.training.runs.figures import collect_figures
from cxr_core.training.runs.run_files import RUN_MANIFEST, read_recipe_values
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object

DESCRIPTIVE = ("summary", "source")  # text about a recipe, which changes nothing in training
MANIFEST_ROWS = {"data": "folders", "initial weights": "began_from"}


def recipe_differences(runs: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """The fields in which recipes, data and initial weights of runs differ, with each run's value as text."""
    tables = [{**_read_flat_recipe(run), **_read_manifest_rows(run)} for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = {}
    for name in names:
        values = tuple(_format_value(table.get(name)) for table in tables)
        if name not in DESCRIPTIVE and len(set(values)) > 1:
            rows[name] = values
    return rows


def tabulate_figures(runs: Sequence[Path]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """(split, finding, name) -> each run's figure as text, "" where it has none."""
    columns = []
    for run in runs:
        figures = collect_figures(run)
        columns.append({(item.split, item.finding, item.name): item.text for item in figures})
    keys = dict.fromkeys(key for column in columns for key in column)
    return {key: tuple(column.get(key, "") for column in columns) for key in keys}


def is_segmentation_run(run: Path) -> bool:
    """Whether the run's model segments heart and lungs instead of predicting findings."""
    return bool(read_recipe_values(run).get("structures"))


def read_data_folders(run: Path) -> tuple[str, ...]:
    """The data folders that a run was given; empty before it has begun."""
    folders = (read_json_object(run / RUN_MANIFEST) or {}).get("folders")
    return tuple(map(str, folders)) if isinstance(folders, list) else ()


def _read_flat_recipe(run: Path) -> JsonObject:
    """The fields of a run's recipe by dotted name."""
    return dict(_flatten(read_recipe_values(run)))


def _read_manifest_rows(run: Path) -> JsonObject:
    """What is not in the recipe and still makes a difference."""
    manifest = read_json_object(run / RUN_MANIFEST) or {}
    return {label: manifest[key] for label, key in MANIFEST_ROWS.items() if key in manifest}


def _flatten(table: JsonObject) -> Iterator[tuple[str, Json]]:
    for key, value in table.items():
        if isinstance(value, dict):
            for name, nested in _flatten(value):
                yield f"{key}.{name}", nested
        else:
            yield key, value


def _format_value(value: Json) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else str(value)
