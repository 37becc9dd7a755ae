"""Compares runs: the settings that differ, and every figure in one table.

Importing this module loads no torch.
"""

from collections.abc import Sequence
from pathlib import Path

from cxr_core.training.runs.figures import RunFigure, collect_figures
from cxr_core.training.runs.run_files import RUN_MANIFEST, read_recipe_values
from cxr_core.training.runs.summary import read_settings
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object

DESCRIPTIVE = (
    "name",
    "summary",
    "source",
)  # text about a recipe, which changes nothing in training
MANIFEST_ROWS = {"data": "folders", "initial weights": "began_from"}
FigureKey = tuple[str, str, str]  # split, finding, name


def recipe_differences(runs: Sequence[Path]) -> dict[str, tuple[Json, ...]]:
    """The settings, data and initial weights in which runs differ, with each run's value; None where it is not set."""
    tables = [{**read_settings(run), **_read_manifest_rows(run)} for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = {}
    for name in names:
        values = tuple(table.get(name) for table in tables)
        if name not in DESCRIPTIVE and len(set(map(format_setting, values))) > 1:
            rows[name] = values
    return rows


def tabulate_figures(runs: Sequence[Path]) -> dict[FigureKey, tuple[RunFigure | None, ...]]:
    """(split, finding, name) -> each run's figure, None where it has none."""
    columns = []
    for run in runs:
        figures = collect_figures(run)
        columns.append({(item.split, item.finding, item.name): item for item in figures})
    keys = dict.fromkeys(key for column in columns for key in column)
    return {key: tuple(column.get(key) for column in columns) for key in keys}


def describe_difference(figure: RunFigure | None, baseline: RunFigure | None) -> str:
    """`+0.050`, how far a figure lies above that of the baseline; empty where either has none."""
    if figure is None or baseline is None or figure.value is None or baseline.value is None:
        return ""
    return f"{figure.value - baseline.value:+z.3f}"


def format_setting(value: Json) -> str:
    """A setting as text."""
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list | dict) else str(value)


def is_segmentation_run(run: Path) -> bool:
    """Whether the run's model segments heart and lungs instead of predicting findings."""
    return bool(read_recipe_values(run).get("structures"))


def read_data_folders(run: Path) -> tuple[str, ...]:
    """The data folders that a run was given; empty before it has begun."""
    folders = (read_json_object(run / RUN_MANIFEST) or {}).get("folders")
    return tuple(map(str, folders)) if isinstance(folders, list) else ()


def _read_manifest_rows(run: Path) -> JsonObject:
    """What is not in the recipe and still makes a difference."""
    manifest = read_json_object(run / RUN_MANIFEST) or {}
    return {label: manifest[key] for label, key in MANIFEST_ROWS.items() if key in manifest}
