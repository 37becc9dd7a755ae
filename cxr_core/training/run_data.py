"""The films of a run: read, decoded, restricted to the recipe's population and split as the recipe says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.data.film_set import FilmSet, load_film_set
from cxr_core.data.label_layers import use_labels_of, use_own_labels
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import open_data, resolve_data
from cxr_core.data.sources.masks import find_swapped_masks, load_masks
from cxr_core.data.splits.holdout import carve_holdout
from cxr_core.data.splits.ratios import parse_ratios
from cxr_core.data.splits.saved_split import SavedSplit
from cxr_core.data.splits.splits import (
    carve_validation,
    drop_identical_films,
    require_classes,
    split_by_ratios,
    split_fold,
)
from cxr_core.errors import Cancelled, DataError, RecipeError, RunError
from cxr_core.presentation.wording import format_count
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.exclusions import build_exclusions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_split import find_recipe_split, find_split_of_run
from cxr_core.training.runs.events import PreparationProgress, Report
from cxr_core.training.runs.manifest import DataDescription, Exclusions
from cxr_core.training.runs.run_files import has_run
from cxr_core.training.runs.run_folder import RunFolder

LEARNING_SPLITS = ("train", "val")
USUAL_RATIOS = "70:15:15"  # of train, val and test, where the data has no split of its own


@dataclass(frozen=True, eq=False)
class RunData:
    """The films that a run trains and validates on, decoded, and those that it leaves out.

    recipe: the run's, with ratios for the data's own split where the data has none.
    saved_split: that the recipe names, if it names one.
    """

    recipe: Recipe
    films: Manifest
    exclusions: Exclusions
    saved_split: SavedSplit | None = None


def absolute_folders(data: Sequence[str | Path]) -> tuple[str, ...]:
    """The folders of datasets given by folder or by registered name, and subsets, as a run's manifest records them."""
    return resolve_data(data)


def open_run_data(
    recipe: Recipe,
    folders: Sequence[str],
    context: DistributedContext,
    report: Report,
    stop: Callable[[], bool],
    run: Path | None = None,
) -> RunData:
    """Read, decode and split the data of a run. One process of each machine decodes, the others then read.

    run: the folder of a run that is resumed. Raises DataError, RecipeError, and Cancelled when asked to stop meanwhile.
    """
    saved = find_recipe_split(recipe, folders, run)
    shown: PreparationProgress | None = None

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        if stop():
            raise Cancelled("stopped while the data was prepared; films decoded so far are kept")
        progress = PreparationProgress(stage=stage, done=done, total=total)
        if context.is_first and progress != shown:
            shown = progress
            report(progress)

    with context.first_of_machine():
        usable = open_data(folders, show)
        if saved is not None and (others := saved.count_unassigned(usable)):
            films = format_count(others, "films")
            show(f"in no part of the saved split, and not used: {films} of this data", 1, 1)
        recipe = resolve_split(recipe, usable)
        manifest = split_manifest(recipe, usable, saved)
        learning = select_learning_films(manifest)
        load_film_set(
            learning,
            recipe.input_spec(),
            recipe.labelled_findings,
            lambda done, total: show("decoding", done, total),
        )
    return RunData(recipe, learning, build_exclusions(recipe, manifest, saved), saved)


def resolve_split(recipe: Recipe, films: Manifest) -> Recipe:
    """The recipe, with the usual ratios where it takes the data's own split and the data has none."""
    if recipe.split == "given" and films.table["split"].isna().all():
        return replace(recipe, split=USUAL_RATIOS)
    return recipe


def is_run_of(run: RunFolder, recipe: Recipe) -> bool:
    """Whether a run was begun with this recipe, which may name ratios since for data without a split of its own."""
    current = run.load_recipe()
    if recipe.split == "given" and current.split == USUAL_RATIOS:
        current = replace(current, split="given")
    return current == recipe


def split_manifest(recipe: Recipe, manifest: Manifest, saved: SavedSplit | None = None) -> Manifest:
    """The films of the recipe's population, split into train, val, test and the promotion holdout.

    Of identical films one is kept; the test split keeps all of them.
    saved: of a recipe that names a saved split, see `find_recipe_split`. A validation split that it has is kept.
    Data without a split of its own is split by patient at 70:15:15. With a label layer the films lie where they would
    without it, so that a model from before it is not measured on films that it knows. Raises DataError when a split
    would lack a class.
    """
    if not manifest.label_layers:
        return _split_by_labels(recipe, manifest, saved)
    split = _split_by_labels(recipe, use_own_labels(manifest), saved)
    return require_classes(use_labels_of(split, manifest), recipe.findings)


def _split_by_labels(recipe: Recipe, manifest: Manifest, saved: SavedSplit | None) -> Manifest:
    """As `split_manifest`, by the labels that the films have here."""
    recipe = resolve_split(recipe, manifest)
    films = select_population(recipe, manifest)
    if recipe.structures:
        films = _drop_swapped_masks(films)
    if recipe.saved_split is not None:
        return _apply_saved_split(recipe, films, saved)
    seed = recipe.effective_split_seed
    if recipe.fold is not None:
        films = split_fold(films, *recipe.fold, recipe.findings, seed)
    elif recipe.split != "given":
        films = split_by_ratios(films, parse_ratios(recipe.split), recipe.findings, seed)
    split = carve_holdout(drop_identical_films(films), recipe.findings, recipe.gate_share)
    if recipe.split != "given" and recipe.fold is None:
        return require_classes(split, recipe.findings)
    return carve_validation(split, recipe.findings, recipe.validation_share, seed)


def _apply_saved_split(recipe: Recipe, films: Manifest, saved: SavedSplit | None) -> Manifest:
    name, fold = recipe.saved_split or ("", None)
    if saved is None:
        raise RecipeError(
            f"the split {name!r} is saved with a dataset; give the dataset that it was made for"
        )
    split = drop_identical_films(saved.apply(films, fold))
    split = carve_holdout(split, recipe.findings, recipe.gate_share)
    if (split.table["split"] == "val").any():
        return require_classes(split, recipe.findings)
    seed = recipe.effective_split_seed
    return carve_validation(split, recipe.findings, recipe.validation_share, seed)


def select_population(recipe: Recipe, manifest: Manifest) -> Manifest:
    """The films of the recipe's population. Raises DataError that names both populations when there are none."""
    films = manifest.table[
        manifest.match_ages(recipe.population_age_min, recipe.population_age_max)
    ]
    if films.empty:
        ages = manifest.table["age"]
        raise DataError(
            f"none of the {format_count(len(manifest.table), 'films')} shows a patient that the recipe "
            f"{recipe.name} is for ({recipe.population}): it takes ages "
            f"{_describe_ages(recipe.population_age_min, recipe.population_age_max)}, and these patients are "
            f"{ages.min():.0f} to {ages.max():.0f} years old. Give other films, or take a recipe for these patients"
        )
    return manifest.with_table(films)


def _describe_ages(youngest: int | None, oldest: int | None) -> str:
    if youngest is None:
        return f"up to {oldest}"
    if oldest is None:
        return f"from {youngest}"
    return f"from {youngest} to {oldest}"


def _drop_swapped_masks(films: Manifest) -> Manifest:
    """The films whose masks are not swapped. Raises DataError when those of all are."""
    sound = films.table[~find_swapped_masks(films)]
    if sound.empty:
        count = format_count(len(films.table), "films")
        raise DataError(
            f"in each of the {count} the mask of the heart does not lie between those of the lungs; "
            "check which structure each folder of masks shows"
        )
    return films.with_table(sound)


def select_learning_films(manifest: Manifest) -> Manifest:
    """The training and validation films of a manifest that is split."""
    return manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNING_SPLITS)])


def describe_run_data(manifest: Manifest, recipe: Recipe) -> DataDescription:
    """Films, patients and positives of each split, and the hashes of data and split."""
    return DataDescription(
        kind=manifest.kind,
        data_sha256=manifest.data_sha256(),
        split_sha256=manifest.split_sha256(),
        splits=manifest.count_by_split(recipe.findings),
    )


def load_targets(recipe: Recipe, split: Manifest) -> FilmSet:
    """The films of a split with what is trained on: labels, or masks."""
    films = load_film_set(split, recipe.input_spec(), recipe.labelled_findings)
    if not recipe.structures:
        return films
    return replace(films, labels=load_masks(split, recipe.input_spec(), recipe.structures))


def find_run(folder: Path) -> RunFolder | None:
    """The run of a folder; None when it holds none."""
    return RunFolder(folder) if has_run(folder) else None


def films_of_split(run: RunFolder, manifest: Manifest, split: str) -> Manifest:
    """The films of one split of a run. manifest: usable films, decoded.

    With split = "given" in the recipe, the test split is that of the data, whatever data it is; every other split is
    made again as the run made it. Raises RunError when that gives other training or validation films than the run
    had, DataError when the split is empty.
    """
    recipe = run.load_recipe()
    if recipe.split == "given" and split == "test":
        return manifest.select_split(split)
    films = split_manifest(recipe, manifest, find_split_of_run(run))
    if select_learning_films(films).split_sha256() != run.load_manifest().data.split_sha256:
        raise RunError(
            f"this data gives other training films than those of {run.path}, so its {split} split may hold films that "
            f"the model was trained on; give the run's own data, or evaluate {run.model} on the data's own test split"
        )
    return films.select_split(split)
