"""Makes one model of several runs with the same split: the mean of their logits, calibrated anew."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import AppliedLayer, Manifest
from cxr_core.data.prepare import open_data, resolve_data
from cxr_core.errors import ModelError, RunError
from cxr_core.evaluation.store.provenance import count_validation_uses
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.figures import recorded_figure
from cxr_core.models.networks.ensemble import EnsembleClassifier
from cxr_core.models.networks.initialise import describe_initial_weights
from cxr_core.models.store import load_card, load_network
from cxr_core.site.learnt_films import add_learnt_films, read_learnt_films
from cxr_core.training.engine.trainer import TrainedNetwork
from cxr_core.training.exclusions import build_exclusions
from cxr_core.training.export.export_classifier import export_classifier
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import (
    LEARNING_SPLITS,
    describe_run_data,
    films_of_split,
    select_learning_films,
    split_manifest,
)
from cxr_core.training.run_split import find_recipe_split
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.log import log_task


@log_task("averaging of runs")
def build_ensemble(
    runs: Sequence[Path],
    data: Sequence[str | Path],
    *,
    run: Path | None = None,
    version: str = "1.0.0",
    progress: Progress = ignore_progress,
) -> Path:
    """Write a run whose model averages the runs' logits. Returns the model's folder.

    data: what the runs were trained on. It must split as theirs did, so that none of them was trained on a validation
    film, and have their label layers. Calibration, thresholds, heatmap scale and OOD detector are fitted anew. Raises
    RunError for runs that are not finished, of another architecture or on other films or labels, and ModelError for
    heads that cannot be averaged.
    """
    began = time.perf_counter()
    members = [RunFolder.open(path) for path in runs]
    require_comparable(members)
    recipe = members[0].load_recipe()
    usable = open_data(data, lambda _, done, total: progress(done, total))
    films_of_split(members[0], usable, "val")  # refuses data that splits differently
    _require_labels_of(members[0], usable)
    saved = find_recipe_split(recipe, data, members[0].path)
    films = split_manifest(recipe, usable, saved)
    learning = select_learning_films(films)
    splits = {
        name: load_film_set(learning.select_split(name), recipe.input_spec(), recipe.findings)
        for name in LEARNING_SPLITS
    }
    cards = [load_card(member.model) for member in members]
    trained = TrainedNetwork(
        _average_networks(recipe, members, cards),
        max(card.training.get("epoch", 0) for card in cards),
        _mean_validation_auroc(recipe, cards),
    )
    first = members[0].load_manifest()
    description = describe_run_data(learning, recipe)
    manifest = RunManifest(
        data=description,
        folders=resolve_data(data),
        version=version,
        initial_weights=first.initial_weights or recipe.init,
        exclusions=build_exclusions(recipe, films, saved),
        segmenter=first.segmenter,
        code=first.code,
        local_findings=first.local_findings,
        members=tuple(describe_initial_weights(str(member.model)) for member in members),
        label_layers=learning.label_layers,
        validation_trials=count_validation_uses(description.split_sha256),
    )
    folder = RunFolder.create(recipe, manifest, run, split=saved)
    training_s = sum(card.training.get("duration_s", 0) for card in cards)
    with folder.hold():
        duration_s = training_s + time.perf_counter() - began
        export_classifier(recipe, trained, learning, splits, folder, duration_s)
        add_learnt_films(folder.model, [read_learnt_films(member.model) for member in members])
    return folder.model


def _average_networks(
    recipe: Recipe, members: Sequence[RunFolder], cards: Sequence[ModelCard]
) -> EnsembleClassifier:
    networks = [
        load_network(member.model, card) for member, card in zip(members, cards, strict=True)
    ]
    code = members[0].load_manifest().code
    arguments = recipe.architecture_arguments(len(recipe.findings), code)
    return EnsembleClassifier.from_networks(networks, arguments)


def _mean_validation_auroc(recipe: Recipe, cards: Sequence[ModelCard]) -> float:
    return float(
        np.mean([validation_auroc(card, key) for card in cards for key in recipe.findings])
    )


def validation_auroc(card: ModelCard, finding: str) -> float:
    """What a card records on its validation films. Raises ModelError when it does not."""
    figure = recorded_figure(card.metrics, "validation", finding, "auroc")
    if figure is None or figure.value is None:
        raise ModelError(
            f"the card of {card.model} {card.version} records no AUROC of {finding} on validation films; train it again"
        )
    return figure.value


def require_comparable(members: Sequence[RunFolder]) -> None:
    """Raises RunError for runs that are unfinished, on other films or labels, or have different networks."""
    first = members[0]
    expected = _identity_of(first.load_recipe())
    manifest = first.load_manifest()
    for member in members:
        other = member.load_manifest()
        if not (member.model / CARD).is_file():
            raise RunError(f"{member.path} has no model yet; an ensemble needs finished runs")
        if other.data.split_sha256 != manifest.data.split_sha256:
            raise RunError(
                f"{member.path} was trained on other films than {first.path}, some of them the other's validation "
                "films; an ensemble needs runs with the same split (the same shares, and the same seed or split_seed)"
            )
        if other.data.data_sha256 != manifest.data.data_sha256:
            raise RunError(
                f"{member.path} was trained on other pixels of these films than {first.path}; the runs of an ensemble "
                "are trained on the same data"
            )
        if _identify_layers(other.label_layers) != _identify_layers(manifest.label_layers):
            raise RunError(
                f"{member.path} was trained on other labels than {first.path}; the runs of an ensemble are trained "
                "with the same label layers"
            )
        if other.code != manifest.code:
            raise RunError(
                f"{member.path} was trained with another version of {', '.join(manifest.code)} than {first.path}; the "
                "runs of an ensemble have the same network"
            )
        if _identity_of(member.load_recipe()) != expected:
            raise RunError(
                f"{member.path} has another network, other input or other findings than {first.path}; the runs of an "
                "ensemble differ only in how they were trained"
            )


def _require_labels_of(member: RunFolder, films: Manifest) -> None:
    """Raises RunError for films whose labels come from other label layers than those of a run."""
    layers = member.load_manifest().label_layers
    if _identify_layers(films.label_layers) != _identify_layers(layers):
        names = ", ".join(layer.name for layer in layers) or "none"
        raise RunError(
            f"this data has other labels than {member.path} was trained on (label layers: {names}); give the run's own "
            "data and label layers"
        )


def _identify_layers(layers: Sequence[AppliedLayer]) -> list[tuple[str, str]]:
    """Names and hashes of label layers, whatever films they were applied to."""
    return [(layer.name, layer.sha256) for layer in layers]


def _identity_of(recipe: Recipe) -> tuple[object, ...]:
    """What the members of an ensemble share."""
    return recipe.findings, recipe.input_spec(), recipe.architecture_arguments(1)
