"""A search for the best settings of a recipe: begun, gone on with, and closed with the best trial's figures.

recipe, space, data -> search folder with splits of its own -> trials -> results -> figures on films set aside
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, open_data, resolve_data, resolve_folders
from cxr_core.data.splits.plan import describe_split
from cxr_core.data.splits.saved_split import save_new_split
from cxr_core.errors import RecipeError, ScaleError
from cxr_core.evaluation.evaluate import compute_figures
from cxr_core.inference import predict_films
from cxr_core.jobs.files import SEARCH_FINISHED
from cxr_core.models.figures import Figure
from cxr_core.reading.classifier import Classifier
from cxr_core.scale.search.films_aside import draw_splits, set_films_aside
from cxr_core.scale.search.results import Optimism, SearchResults, read_results, write_results
from cxr_core.scale.search.search_folder import (
    SearchFolder,
    SearchRecord,
    find_search,
    search_path,
)
from cxr_core.scale.search.space import SearchSpace
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.training.recipe.recipe import SAVED_SPLIT, Recipe
from cxr_core.training.run_data import (
    describe_run_data,
    films_of_split,
    select_learning_films,
    split_manifest,
)
from cxr_core.training.run_split import find_recipe_split
from cxr_core.training.runs.run_files import MODEL
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_details, log_task


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is to be searched.

    aside: share of the validation patients that no trial sees.  splits, seeds: how many each trial is trained on and
    with.  storage: the URL of a database.
    """

    recipe: Recipe
    space: SearchSpace
    data: tuple[str, ...]
    name: str
    aside: float = 0.3
    splits: int = 1
    seeds: int = 1
    storage: str = ""


@log_task("search")
def begin_search(plan: SearchPlan, progress: StageProgress) -> SearchFolder:
    """The search of that name, which is made where there is none; the data is prepared first.

    Raises RecipeError for a recipe that cannot be searched, ScaleError when the name belongs to another search,
    DataError for data that cannot be used or has too few validation films.
    """
    add_details(search=plan.name)
    require_searchable(plan.recipe, plan.aside)
    existing = find_search(plan.name)
    if existing is not None:
        _require_same(existing, plan)
        return existing
    recipe = plan.recipe
    usable = open_data(plan.data, progress)
    films = split_manifest(recipe, usable, find_recipe_split(recipe, plan.data))
    seed = recipe.effective_split_seed
    used, _ = set_films_aside(films, recipe.findings, plan.aside, seed)
    splits, hashes = [], [_hash_split(films, recipe)]
    for divided in draw_splits(used, recipe.findings, plan.splits, seed):
        words = f"of the search {plan.name}, which sets validation films aside"
        saved = describe_split(divided, "list", words, seed, recipe.findings, official=usable)
        splits.append(save_new_split(resolve_folders(plan.data), f"search-{plan.name}", saved))
        trial_recipe = replace(recipe, split=f"{SAVED_SPLIT}{splits[-1]}")
        hashes.append(_hash_split(split_manifest(trial_recipe, usable, saved), recipe))
    record = SearchRecord(
        space=plan.space.ranges,
        data=resolve_data(plan.data),
        split=splits[0],
        more_splits=tuple(splits[1:]),
        aside=plan.aside,
        aside_seed=seed,
        seeds=tuple(range(plan.seeds)),
        metric="validation_dice" if recipe.structures else "validation_auroc",
        split_sha256=tuple(hashes),
        database=bool(plan.storage),
    )
    return SearchFolder.create(search_path(plan.name), record, recipe)


def close_search(study: OptunaStudy, progress: StageProgress) -> SearchResults:
    """Measure the best trial on the films set aside, once for each best trial, and write the results."""
    search, results = study.search, write_results(study)
    if results.best is not None and search.record.aside and results.optimism is None:
        optimism = _measure_optimism(search, results.best.number, progress)
        results = write_results(study, optimism)
    write_json(search.path / SEARCH_FINISHED, {"trials": len(results.trials), "when": utc_now()})
    return results


def load_search(name: str) -> SearchFolder:
    """A search of the workspace. Raises ScaleError where there is none, or it is damaged."""
    search = find_search(name)
    if search is None:
        raise ScaleError(f"the workspace has no search named {name}")
    return search


def load_results(name: str) -> tuple[SearchFolder, SearchResults]:
    """A search of the workspace and what came of it so far. Raises ScaleError where there is none, or it is damaged."""
    search = load_search(name)
    return search, read_results(search) or SearchResults(metric=search.record.metric)


def _measure_optimism(search: SearchFolder, trial: int, progress: StageProgress) -> Optimism:
    """AUROC of the best trial's models on the validation films of the trials and on those set aside."""
    record, recipe = search.record, search.recipe
    usable = open_data(record.data, progress)
    films = split_manifest(recipe, usable, find_recipe_split(recipe, record.data))
    _, aside = set_films_aside(films, recipe.findings, record.aside, record.aside_seed)
    assert aside is not None  # the share is above 0
    show = partial(progress, "measuring the best trial")
    on_compared, on_aside = [], []
    for run in search.list_runs(trial):
        model = Classifier.load(run.folder / MODEL)
        compared = films_of_split(RunFolder.open(run.folder), usable, "val")
        on_compared.append(_measure(model, compared, show))
        on_aside.append(_measure(model, aside, show))
    return Optimism(
        trial=trial,
        compared_on=on_compared[0],
        left_aside=on_aside[0],
        value=_mean_auroc(on_compared) - _mean_auroc(on_aside),
    )


def _measure(
    model: Classifier, films: Manifest, progress: Callable[[int, int], None]
) -> dict[str, Figure]:
    table = predict_films(model, films, progress)
    return {key: figures.auroc for key, figures in compute_figures(model.card, table).items()}


def _mean_auroc(of_models: Sequence[dict[str, Figure]]) -> float:
    values = [figure.value for figures in of_models for figure in figures.values()]
    return float(np.mean([value for value in values if value is not None]))


def _hash_split(films: Manifest, recipe: Recipe) -> str:
    return describe_run_data(select_learning_films(films), recipe).split_sha256


def require_searchable(recipe: Recipe, aside: float = SearchPlan.aside) -> None:
    """Raises RecipeError for a recipe that cannot be searched. aside: as in SearchPlan."""
    if recipe.fold is not None:
        raise RecipeError(
            f"split={recipe.split!r} is a fold; a search compares trials on one validation split"
        )
    if recipe.structures and aside:
        raise RecipeError(
            f"recipe {recipe.name} segments, so none of its films can be set aside; search it from a shell with "
            "--set-aside 0"
        )


def _require_same(existing: SearchFolder, plan: SearchPlan) -> None:
    record = existing.record
    pairs = {
        "recipe": (existing.recipe, plan.recipe),
        "space": (existing.space, plan.space),
        "data": (record.data, resolve_data(plan.data)),
        "--set-aside": (record.aside, plan.aside),
        "--validation-splits": (len(record.splits), plan.splits),
        "--seeds": (len(record.seeds), plan.seeds),
    }
    differing = [name for name, (former, wanted) in pairs.items() if former != wanted]
    if differing:
        raise ScaleError(
            f"{existing.name} is a search with another {', '.join(differing)}; give another --name, or go on with "
            f"--resume {existing.name}"
        )
