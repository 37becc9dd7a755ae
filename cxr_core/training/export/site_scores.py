"""Writes into a model's folder what a site needs to compare its own films: validation scores, and films learnt from.

The exporter does it for new models; `rewrite_site_scores` does it anew for a model that has neither, or other weights.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import open_data
from cxr_core.data.prepare_apart import StageProgress
from cxr_core.errors import ModelError
from cxr_core.inference import classify_films
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import format_count
from cxr_core.reading.classifier import Classifier
from cxr_core.site.learnt_films import read_learnt_films, write_learnt_films
from cxr_core.site.validation_scores import (
    ValidationScores,
    summarise_finding,
    write_validation_scores,
)
from cxr_core.training.exclusions import recipe_as_trained
from cxr_core.training.recipe.recipe_file import load_named_recipe
from cxr_core.training.run_data import (
    find_run,
    select_learning_films,
    split_manifest,
)
from cxr_core.training.run_split import find_split_of_run


def write_site_scores(folder: Path, card: ModelCard, films: Manifest, logits: np.ndarray) -> None:
    """Write both files. films: those of train and val.  logits: (N, L) of the validation films, in their order.

    The films that a list in this folder names already stay in it: models that this one was made from learnt them.
    """
    validation = films.select_split("val")
    patients = validation.table["patient"].to_numpy(str)
    findings = {}
    for index, key in enumerate(card.findings):
        labels = validation.table[key].to_numpy(np.float64)
        known = ~np.isnan(labels)
        findings[key] = summarise_finding(logits[known, index], labels[known], patients[known])
    counts = format_count(len(validation.table), "validation films")
    scores = ValidationScores(
        model=card.model,
        version=card.version,
        weights_sha256=card.weights_sha256,
        source=f"{counts} of {format_count(validation.table['patient'].nunique(), 'patients')}, carved from train",
        findings=findings,
    )
    write_validation_scores(folder, scores)
    write_learnt_films(folder, {*films.table["sha256"], *read_learnt_films(folder).prefixes})


def rewrite_site_scores(folder: Path, data: Sequence[str | Path], progress: StageProgress) -> None:
    """Read the validation films of a model anew, and write both files into its folder.

    data: what it was trained on. The split is made again as the model's run made it, and must have the hash that its
    card keeps; otherwise training films might pass for validation films. Raises ModelError where it does not.
    """
    classifier = Classifier.load(folder)
    films = find_learning_films(folder, classifier.card, open_data(data, progress))
    validation = films.select_split("val")
    outputs = classify_films(
        classifier,
        validation,
        lambda done, total: progress("reading validation films", done, total),
    )
    logits = np.array([output.logits for output in outputs], np.float64)
    write_site_scores(folder, classifier.card, films, logits)


def find_learning_films(folder: Path, card: ModelCard, films: Manifest) -> Manifest:
    """The training and validation films of a model, split as its card says; by the run's saved split, if it has one.

    films: all usable films of the data that it was trained on. Raises ModelError when they split otherwise.
    """
    expected = card.training.get("data", {}).get("split_sha256")
    run = find_run(folder.parent)
    recipe = run.load_recipe() if run else load_named_recipe(str(card.training.get("recipe")))
    split = split_manifest(recipe_as_trained(recipe, card), films, find_split_of_run(run))
    learning = select_learning_films(split)
    if learning.split_sha256() != expected:
        raise ModelError(
            f"this data splits into other training and validation films than those in the card of {card.model} "
            f"{card.version}; give the data that it was trained on, all folders of it"
        )
    return learning
