"""k-fold cross-validation: one run for each fold, then one evaluation of all held-out predictions.

recipe, folds -> <workspace>/runs/NAME-fold-1, NAME-fold-2, ... -> <workspace>/evaluations/NAME
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import resolve_data, resolve_folders
from cxr_core.data.splits.plan import plan_folds
from cxr_core.data.splits.saved_split import SavedSplit, find_saved_split, save_new_split
from cxr_core.errors import RecipeError, RunError
from cxr_core.evaluation.add_coverage import add_coverage
from cxr_core.evaluation.pooling.pool import FoldPredictions, pool_predictions
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import COLUMNS
from cxr_core.evaluation.store.predictions import read_predictions
from cxr_core.models.store import load_card
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.run_data import select_population, split_manifest
from cxr_core.training.runs.figures import METRICS_FILE
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.sweeps.folds import (
    RECIPE,
    RECORD,
    CrossValidation,
    CrossValidationRecord,
    find_cross_validation,
    fold_recipe,
    require_finished,
)
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import write_json

NAME = re.compile(r"\w[\w.+=-]{0,69}")


def begin_cross_validation(
    recipe: Recipe,
    data: Sequence[str | Path],
    usable: Manifest,
    *,
    name: str,
    folds: int = 0,
    split: str = "",
) -> CrossValidation:
    """Check that every fold can be trained and tested, then keep the folds and the record. Starts no run.

    usable: the films of the data.  folds: how many to make.  split: a saved split with folds to take instead.
    The same call again gives the same. Raises RecipeError for a recipe that segments, DataError when there are fewer
    patients of a class than folds or a fold lacks one, RunError when the name belongs to another cross-validation or
    evaluation.
    """
    if recipe.structures:
        raise RecipeError(
            f"recipe {recipe.name} segments; cross-validation pools the probabilities of findings"
        )
    if not NAME.fullmatch(name):
        raise RunError(
            f"a cross-validation cannot be named {name!r:.80}; use up to 70 letters, digits, dots, = and -"
        )
    record = CrossValidationRecord(data=resolve_data(data), split=split, folds=folds)
    wanted = CrossValidation(name=name, record=record, recipe=recipe)
    existing = find_cross_validation(name)
    if existing is not None:
        return _require_same(existing, wanted)
    if any((wanted.folder / file).exists() for file in (RECORD, METRICS_FILE)):
        raise RunError(
            f"{wanted.folder} holds another evaluation, or a cross-validation that cannot be read; choose another name"
        )
    saved = _find_or_plan_folds(recipe, data, usable, folds, split)
    for number in range(1, saved.record.folds + 1):
        split_manifest(fold_recipe(recipe, "folds", number), usable, saved)
    split = split or save_new_split(resolve_folders(data), name, saved)
    created = replace(wanted, record=replace(record, split=split, folds=saved.record.folds))
    try:
        created.folder.mkdir(parents=True, exist_ok=True)
        atomic_write(created.folder / RECIPE, format_recipe(recipe))
        write_json(created.folder / RECORD, created.record.to_json())
    except OSError as error:
        raise RunError(
            f"{created.folder} cannot be written: {error.strerror}; free space, or allow writing there"
        ) from error
    return created


def pool_cross_validation(cross_validation: CrossValidation) -> Path:
    """Evaluate the held-out predictions of all folds, whose test films have been evaluated. Returns metrics.json.

    Raises RunError that names a run without a model or its figures, DataError for damaged ones.
    """
    require_finished(cross_validation)
    folds = [
        _read_fold(RunFolder(run), number) for number, run in enumerate(cross_validation.runs, 1)
    ]
    cards = [fold.card for fold in folds]
    return add_coverage(pool_predictions(folds), {}, cards).write(cross_validation.folder)


def _read_fold(run: RunFolder, number: int) -> FoldPredictions:
    card, record = load_card(run.model), load_record(run.evaluation)
    if record.head.split != "test" or record.head.weights_sha256 != card.weights_sha256:
        raise RunError(
            f"the figures in {run.evaluation} are not those of the model of fold {number} on its test films; evaluate "
            "it again"
        )
    table: pd.DataFrame = read_predictions(run.evaluation, (*COLUMNS, "sha256"))
    return FoldPredictions(card=card, table=table, data=record.head.data)


def _find_or_plan_folds(
    recipe: Recipe, data: Sequence[str | Path], usable: Manifest, folds: int, split: str
) -> SavedSplit:
    if not split:
        films = select_population(recipe, usable)
        return plan_folds(films, folds, recipe.findings, recipe.effective_split_seed)
    saved = find_saved_split(resolve_folders(data), split)
    if not saved.record.folds:
        raise RecipeError(
            f"the split {split} has no folds: {saved.record.description}; choose one with folds, or say how many to "
            "make"
        )
    return saved


def _require_same(existing: CrossValidation, wanted: CrossValidation) -> CrossValidation:
    """The existing one. Raises RunError when another one is wanted under its name."""
    record = existing.record
    is_same = existing.recipe == wanted.recipe and record.data == wanted.record.data
    is_same = is_same and wanted.record.folds in (0, record.folds)
    if not is_same or wanted.record.split not in ("", record.split):
        raise RunError(
            f"{existing.name} is a cross-validation with another recipe, other data or other folds; choose another name"
        )
    return existing
