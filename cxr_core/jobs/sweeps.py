"""Submits several runs at once: seeds, a grid, the folds of a cross-validation, and the mean of finished runs.

All of them wait in the queue of one device, in this order, so that what needs the runs comes after them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import RecipeError, RunError
from cxr_core.jobs import actions, files
from cxr_core.jobs.commands import SPACE
from cxr_core.jobs.job import Job, TrainingRequest
from cxr_core.jobs.records import EvaluationRequest, SearchRequest
from cxr_core.jobs.status import load_job
from cxr_core.presentation.wording import OUT_OF_FOLD
from cxr_core.training.engine.device import require_device
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import apply_overrides, format_recipe
from cxr_core.training.runs.annotation import MAX_NAME, MAX_TAG, make_annotation
from cxr_core.training.runs.run_files import JOB_FOLDER, JOB_RECIPE, MODEL
from cxr_core.training.sweeps.folds import CrossValidation, annotate_fold
from cxr_core.workspace.atomic import atomic_write

MAX_RUNS = 100  # at once


def plan_seeds(recipe: Recipe, seeds: Sequence[int]) -> dict[str, Recipe]:
    """The recipe with each seed, by a name for the run; all split the data alike.

    Raises RecipeError for fewer than two seeds, or one that is given twice.
    """
    if len(set(seeds)) != len(seeds) or len(seeds) < 2:
        raise RecipeError(
            f"seeds {', '.join(map(str, seeds))}: give two or more, none of them twice"
        )
    split_seed = recipe.effective_split_seed
    return {
        f"{recipe.name}, seed {seed}": replace(recipe, seed=seed, split_seed=split_seed)
        for seed in seeds
    }


def plan_grid(recipe: Recipe, values: Mapping[str, Sequence[str]]) -> dict[str, Recipe]:
    """The recipe with every combination of values, by a name for the run; all split the data alike.

    values: of each field, as after `--set`. Raises RecipeError for a value that does not fit, an empty grid, and more
    than `MAX_RUNS` combinations.
    """
    count = 1
    for choices in values.values():
        count *= len(set(choices))
    if not values or count < 2:
        raise RecipeError("a grid needs a field with two values or more")
    if count > MAX_RUNS:
        raise RecipeError(
            f"the grid has {count:,} runs; take fewer values: {MAX_RUNS} runs at most"
        )
    recipes = {}
    recipe = replace(recipe, split_seed=recipe.effective_split_seed)
    for choice in product(*(dict.fromkeys(choices) for choices in values.values())):
        settings = dict(zip(values, choice, strict=True))
        name = ", ".join(f"{key} {text}" for key, text in settings.items())
        recipes[name] = apply_overrides(recipe, settings)
    return recipes


def submit_runs(
    request: TrainingRequest, recipes: Mapping[str, Recipe], group: str
) -> tuple[Job, ...]:
    """Queue a run for each recipe. recipes: by the names of their runs.  group: a tag of all of them.

    The same token again gives the same runs. Raises RunError, DataError or RecipeError before any run is queued.
    """
    for recipe in recipes.values():
        require_device(request.device, request.processes, recipe.batch_size)
    jobs = []
    for number, (name, recipe) in enumerate(recipes.items()):
        annotation = make_annotation(name[:MAX_NAME], [group[:MAX_TAG]], "")
        of_recipe = replace(
            request, recipe=recipe, token=f"{request.token}-{number}", annotation=annotation
        )
        jobs.append(actions.submit_training(of_recipe))
    return tuple(jobs)


def submit_average(request: TrainingRequest, members: Sequence[Path], group: str = "") -> Job:
    """Queue the mean of the models of several runs, which are finished by the time it starts.

    request: with the recipe and the data of the runs. Raises RunError for fewer than two runs.
    """
    if len(set(members)) < 2:
        raise RunError("choose two runs or more; one model has no mean with itself")
    name = f"{request.recipe.name[:50]}, mean of {len(members)} runs"
    annotation = make_annotation(name, [group[:MAX_TAG]], "")
    return actions.submit_training(
        replace(request, members=tuple(map(str, members)), annotation=annotation)
    )


def average_runs(members: Sequence[Path], token: str) -> Job:
    """Queue the mean of the models of finished runs. Raises RunError or ModelError when they cannot be averaged."""
    from cxr_core.training.export.ensemble import require_comparable
    from cxr_core.training.runs.run_folder import RunFolder

    runs = [RunFolder.open(member) for member in members]
    if len(runs) < 2:
        raise RunError("choose two runs or more; one model has no mean with itself")
    require_comparable(runs)
    first = load_job(members[0].name)
    request = TrainingRequest(
        recipe=runs[0].load_recipe(),
        data=first.data or runs[0].load_manifest().folders,
        token=token,
        device=first.device or "auto",
    )
    return submit_average(request, members)


def submit_cross_validation(
    cross_validation: CrossValidation, device: str, processes: int = 1
) -> tuple[Job, ...]:
    """Queue every fold that is not finished, and behind them the evaluation of all held-out predictions.

    Called again it goes on: runs that stopped are resumed, those that were deleted are made again. Returns the jobs
    that wait or run. Raises RunError or DataError.
    """
    record = cross_validation.record
    jobs = []
    folds = zip(cross_validation.recipes, cross_validation.runs, strict=True)
    for number, (recipe, run) in enumerate(folds, 1):
        if (run / MODEL).is_dir():
            continue
        if run.exists():
            job = load_job(run.name)
            jobs.append(actions.resume_run(run.name) if "resume" in job.actions else job)
            continue
        request = TrainingRequest(
            recipe=recipe,
            data=record.data,
            token=f"{cross_validation.name}-{number}-{_stamp(cross_validation)}",
            device=device,
            processes=processes,
            annotation=annotate_fold(cross_validation, number),
            folder=run.name,
        )
        jobs.append(actions.submit_training(request))
    evaluation = EvaluationRequest(
        model=cross_validation.name,
        data=record.data,
        split=OUT_OF_FOLD,
        folds=record.folds,
        device=require_device(device, processes, cross_validation.recipe.batch_size),
    )
    jobs.append(actions.submit_evaluation_into(cross_validation.folder, evaluation))
    return tuple(jobs)


@perform_action("submission of a search", Role.RESEARCHER)
def submit_search(
    request: TrainingRequest, space: str, trials: int, validation_splits: int, name: str
) -> Job:
    """Queue a search, or go on with the one of that name; one that waits or runs goes on as it is.

    request: with recipe, data and device.  space: as TOML, checked before.  validation_splits: on how many each trial
    is trained. Raises RunError or DataError.
    """
    folder = files.runs_folder().parent / "searches" / name
    place = folder / JOB_FOLDER
    search = SearchRequest(
        model=request.recipe.name,
        data=request.data,
        trials=trials,
        validation_splits=validation_splits,
        device=require_device(request.device, 1, request.recipe.batch_size),
    )
    if not (place / SPACE).exists():
        try:
            place.mkdir(parents=True, exist_ok=True)
            atomic_write(place / JOB_RECIPE, format_recipe(request.recipe))
            atomic_write(place / SPACE, space)
        except OSError as error:
            raise RunError(
                f"{folder} cannot be written: {error.strerror}; check the workspace"
            ) from error
    return actions.submit_evaluation_into(folder, search)


def free_name(stem: str) -> str:
    """A name that no cross-validation of the workspace and none of its runs has: the stem, or with a number.

    What cannot stand in the name of a file is replaced.
    """
    root = files.runs_folder().parent
    stem = re.sub(r"[^\w.+=-]+", "-", stem).strip("-.+=")[:60] or "cross-validation"
    name, number = stem, 1
    while (root / "evaluations" / name).exists() or any(root.glob(f"runs/{name}-fold-*")):
        number += 1
        name = f"{stem}-{number}"
    return name


def _stamp(cross_validation: CrossValidation) -> str:
    """Tells this cross-validation from an earlier one of its name whose folder was deleted."""
    return str(cross_validation.folder.stat().st_ino)
