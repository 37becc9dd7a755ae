"""Makes a model anew around the weights of another: other settings of the input, and everything fitted to them.

The network is not trained. Calibration, thresholds, heatmap scale and OOD detector are fitted on the films as the new
settings prepare them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from cxr_core.data.film_set import load_film_set
from cxr_core.data.prepare import (
    StageProgress,
    ignore_stage_progress,
    open_data,
    resolve_data,
)
from cxr_core.errors import ModelError, RecipeError
from cxr_core.models.card import ModelCard
from cxr_core.models.networks.initialise import describe_initial_weights
from cxr_core.models.store import load_card, load_network
from cxr_core.site.learnt_films import add_learnt_films, read_learnt_films
from cxr_core.training.engine.trainer import TrainedNetwork
from cxr_core.training.exclusions import recipe_as_trained
from cxr_core.training.export.ensemble import validation_auroc
from cxr_core.training.export.export_classifier import export_classifier
from cxr_core.training.export.site_scores import find_learning_films
from cxr_core.training.recipe.network_fields import InputFields
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import apply_overrides, load_named_recipe
from cxr_core.training.run_data import LEARNING_SPLITS, find_run
from cxr_core.training.run_split import find_split_of_run
from cxr_core.training.runs.events import Event, StageBegun
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.log import log_task

INPUT_KEYS = tuple(field.name for field in fields(InputFields) if field.name != "channels")


@log_task("refitting of a model")
def refit_model(
    folder: Path,
    data: Sequence[str | Path],
    overrides: Mapping[str, str],
    *,
    version: str,
    run: Path | None = None,
    progress: StageProgress = ignore_stage_progress,
) -> Path:
    """Write a run whose model has the weights of another one and other settings of the input. Returns its folder.

    folder: of the other model.  data: what that was trained on; it must split as it did then, so that nothing is fitted
    on a film that the network has learnt.  overrides: values of INPUT_KEYS, as `--set` has them.  A fusion with the
    ratio is fitted afterwards, by train.combine. Raises RecipeError for other keys, and ModelError for data that splits
    otherwise.
    """
    began = time.perf_counter()
    _require_input_keys(overrides)
    card = load_card(folder)
    films = open_data(data, progress)
    learning = find_learning_films(folder, card, films)
    recipe = apply_overrides(_load_recipe(folder, card), overrides)
    splits = {
        name: load_film_set(
            learning.select_split(name),
            recipe.input_spec(),
            recipe.findings,
            partial(progress, "decoding"),
        )
        for name in LEARNING_SPLITS
    }
    auroc = sum(validation_auroc(card, key) for key in card.findings) / len(card.findings)
    trained = TrainedNetwork(load_network(folder, card), card.training.get("epoch", 0), auroc)
    manifest = RunManifest.from_json({**card.training["data"], "version": version})
    manifest = replace(
        manifest,
        folders=resolve_data(data),
        initial_weights=str(card.training.get("init", recipe.init)),
        refitted=describe_initial_weights(str(folder)),
    )
    made = RunFolder.create(recipe, manifest, run, split=find_split_of_run(find_run(folder.parent)))

    def report(event: Event) -> None:
        if isinstance(event, StageBegun) and event.total:
            progress(event.stage, event.done, event.total)

    with made.hold():
        duration_s = card.training.get("duration_s", 0) + time.perf_counter() - began
        export_classifier(recipe, trained, learning, splits, made, duration_s, report)
        add_learnt_films(made.model, [read_learnt_films(folder)])
    return made.model


def _require_input_keys(overrides: Mapping[str, str]) -> None:
    others = sorted(set(overrides) - set(INPUT_KEYS))
    if others:
        raise RecipeError(
            f"{', '.join(others)} would need a network that is trained anew; without training, a model can have other "
            f"values of {', '.join(INPUT_KEYS)}"
        )
    if not overrides:
        raise RecipeError(
            f"no setting of the input was given; give one of {', '.join(INPUT_KEYS)} with --set, such as reduce_to=64"
        )


def _load_recipe(folder: Path, card: ModelCard) -> Recipe:
    """The recipe that made the model. Raises ModelError where today's recipe of that name makes another network."""
    run = find_run(folder.parent)
    recipe = run.load_recipe() if run else load_named_recipe(str(card.training.get("recipe")))
    shape = recipe.architecture_arguments(len(card.findings), card.arguments.get("code"))
    differing = [key for key, value in shape.items() if card.arguments.get(key) != value]
    if recipe.findings != card.findings or differing:
        raise ModelError(
            f"the recipe {recipe.name} makes another network than that of {card.model} {card.version}: "
            f"{', '.join(differing) or 'findings'} would differ. Give the run that made the model"
        )
    return recipe_as_trained(recipe, card)
