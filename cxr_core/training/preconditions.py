"""Checks that the data suit a recipe, by what tables and names say, before any film is decoded."""

from collections.abc import Sequence

import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import list_films, open_registered
from cxr_core.data.references import apply_references, is_reference
from cxr_core.data.sources.masks import has_masks
from cxr_core.errors import DataError
from cxr_core.presentation.wording import finding_in_sentence, format_count
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import select_population


def require_films(recipe: Recipe, data: Sequence[str]) -> None:
    """Check that the data has films of the recipe's patients, with and without each of its findings.

    data: folders, or names of registered datasets. No film is opened. Raises DataError.
    """
    if problem := find_data_problem(recipe, list_films(data)):
        raise DataError(problem)


def load_registered_films(data: Sequence[str]) -> Manifest:
    """The usable films of registered datasets and subsets as they were prepared last, each dataset by itself.

    It is for questions about labels and ages; a run prepares its datasets together. Raises DataError.
    """
    datasets = [name for name in data if not is_reference(name)]
    if len(datasets) < 2:
        return open_registered(data)
    manifests = [open_registered([name]) for name in datasets]
    table = pd.concat([manifest.table for manifest in manifests], ignore_index=True)
    return apply_references(manifests[0].with_table(table.drop_duplicates("image")), data)


def find_data_problem(recipe: Recipe, films: Manifest) -> str:
    """Why a run of this recipe cannot train on these films; empty when it can, as far as tables and names show."""
    try:
        films = select_population(recipe, films)
    except DataError as error:
        return str(error)
    if recipe.structures:
        if has_masks(films):
            return ""
        return (
            "these films have no masks, which the recipe trains on. Masks lie in masks/heart, masks/left_lung and "
            "masks/right_lung beside images, under the names of the films. Choose a recipe that predicts findings, or "
            "data with masks"
        )
    return find_label_problem(recipe, films)


def find_label_problem(recipe: Recipe, films: Manifest) -> str:
    """Why these films cannot teach the recipe's findings; empty when they can."""
    labels = films.table.reindex(columns=list(recipe.findings))
    unlabelled = [finding_in_sentence(key) for key in labels if labels[key].isna().all()]
    if unlabelled:
        labelled = [finding_in_sentence(key) for key in films.findings]
        return (
            f"no film of these patients has a label for {', '.join(unlabelled)}, which the recipe predicts. Labelled: "
            f"{', '.join(labelled) or 'nothing'}. Choose a recipe for that, or data with these labels"
        )
    for key in labels:
        positives, negatives = (labels[key] == 1).sum(), (labels[key] == 0).sum()
        if not positives or not negatives:
            return (
                f"these patients have {format_count(positives, 'films')} with {finding_in_sentence(key)} and "
                f"{negatives:,} without; training needs both. Give data that has both"
            )
    return ""
