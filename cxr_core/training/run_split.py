"""Finds the saved split that a recipe names: a run's own copy, or that of its dataset."""

from collections.abc import Sequence
from pathlib import Path

from cxr_core.data.prepare import resolve_folders
from cxr_core.data.splits.saved_split import (
    SavedSplit,
    find_saved_split,
    load_split,
)
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.run_files import RUN_SPLIT
from cxr_core.training.runs.run_folder import RunFolder


def find_recipe_split(
    recipe: Recipe, data: Sequence[str | Path], run: Path | None = None
) -> SavedSplit | None:
    """The saved split of a recipe with split = "saved:NAME"; None for another recipe.

    run: its copy is taken, where it has one. Raises DataError when there is no split of that name.
    """
    if recipe.saved_split is None:
        return None
    if run is not None and (run / RUN_SPLIT).is_dir():
        return load_split(run / RUN_SPLIT)
    name, _ = recipe.saved_split
    return find_saved_split(resolve_folders(data), name)


def find_split_of_run(run: RunFolder | None) -> SavedSplit | None:
    """The saved split that a run was made with; None for a run on another split, and without a run.

    Raises DataError where neither the run nor its data has it.
    """
    if run is None:
        return None
    return find_recipe_split(run.load_recipe(), run.load_manifest().folders, run.path)
