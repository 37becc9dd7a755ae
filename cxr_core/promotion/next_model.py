"""Plans the run that learns from what readers decided: recipe, data with their labels, model in use to start from.

The run is trained, measured and compared as any other: its films lie in the same splits as without the readers' labels,
no film of the promotion holdout or the test split is trained on, and the gate says by which labels it judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.data.label_layers import describe_label_sources, is_layer
from cxr_core.data.prepare import ignore_stage_progress
from cxr_core.data.prepare_apart import StageProgress
from cxr_core.errors import DataError, FeedbackError
from cxr_core.feedback.kept_dataset import list_teachable, register_kept_films
from cxr_core.feedback.projects import Project
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_card
from cxr_core.presentation.wording import format_count
from cxr_core.training.preconditions import find_label_problem, load_registered_films
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_named_recipe
from cxr_core.training.run_data import find_run, select_population, split_manifest
from cxr_core.workspace.paths import workspace


@dataclass(frozen=True, kw_only=True)
class NextModel:
    """A run to be started. recipe: with the model in use as its initial weights.  data: datasets and label layers.

    model: the name of the model in use.  sentence: what the run begins with and learns from, for people.
    """

    recipe: Recipe
    data: tuple[str, ...]
    model: str
    sentence: str


def plan_next_model(
    data: Sequence[str], findings: Sequence[str], *, model: str = "", recipe: str = ""
) -> NextModel:
    """Plan a run on registered data, with the recipe that the model in use was trained with.

    data: names of datasets and `labels:NAME`.  findings: those that readers judged.  model: of several in use, the one
    to go on from.  recipe: another one, by name or path.
    Raises FeedbackError where no model in use answers the findings, where several do and none is named, and where the
    labels are of one class; DataError, RecipeError and ModelError as opening these does.
    """
    folder, card = _choose_model(findings, model)
    chosen = load_named_recipe(recipe) if recipe else _find_recipe(card)
    chosen = replace(chosen, init=folder.parent.name)
    films = select_population(chosen, load_registered_films(data))
    if problem := find_label_problem(chosen, films):
        raise FeedbackError(f"a next model cannot be trained: {problem}")
    layers = [name for name in data if is_layer(name)]
    sentence = (
        f"{card.model} {card.version} is trained further by the recipe {chosen.name}, on "
        f"{' and '.join(name for name in data if name not in layers) or 'the dataset of the label layer'}. "
        f"{describe_label_sources(films)}"
    )
    return NextModel(recipe=chosen, data=tuple(data), model=card.model, sentence=sentence)


def plan_from_kept_films(
    project: Project,
    *,
    model: str = "",
    recipe: str = "",
    progress: StageProgress = ignore_stage_progress,
) -> NextModel:
    """Make a dataset of the films that a project keeps, and plan the run that learns from it.

    model, recipe: as of `plan_next_model`. Raises FeedbackError where too few films have a label to train, validate and
    test on, or none is of the recipe's patients; otherwise as `plan_next_model` and `register_kept_films` do.
    """
    findings = list_teachable(project)
    _choose_model(findings, model)  # nothing is written where there is none
    dataset = register_kept_films(project, progress)
    planned = plan_next_model([dataset.name], findings, model=model, recipe=recipe)
    films = load_registered_films(planned.data)
    # Test films of other data are among these: no other split may mix them in.
    if films.table["split"].notna().any():
        planned = replace(planned, recipe=replace(planned.recipe, split="given"))
    try:
        split = split_manifest(planned.recipe, films)
    except DataError as error:
        raise FeedbackError(
            f"a next model cannot be trained on the films that {project.name} keeps: {error}. Keep and judge more films"
        ) from error
    counts = split.table["split"].value_counts()
    learning = counts.get("train", 0) + counts.get("val", 0)
    sentence = (
        f"{planned.model} is trained further by the recipe {planned.recipe.name}, on the dataset {dataset.name}: "
        f"{format_count(len(films.table), 'films')} that {project.name} keeps, {learning:,} of them to learn from. "
        "Labels: those that its readers decided."
    )
    return replace(planned, sentence=sentence)


def list_models_to_train(findings: Sequence[str]) -> list[str]:
    """The names of the models in use that answer one of these findings."""
    cards = map(load_card, list_classifiers())
    return [card.model for card in cards if set(findings) & set(card.findings)]


def _find_recipe(card: ModelCard) -> Recipe:
    """The recipe of the run that a model was published from, else the one that its card names. Raises RecipeError."""
    published = card.training.get("published")
    run_name = published.get("run") if isinstance(published, dict) else None
    if isinstance(run_name, str) and run_name == Path(run_name).name:
        run = find_run(workspace() / "runs" / run_name)
        if run is not None:
            return run.load_recipe()
    return load_named_recipe(str(card.training.get("recipe")))


def _choose_model(findings: Sequence[str], model: str) -> tuple[Path, ModelCard]:
    """The model in use that answers most of the findings, or the one named. Raises FeedbackError."""
    cards = {folder: load_card(folder) for folder in list_classifiers()}
    fitting = {
        folder: card
        for folder, card in cards.items()
        if set(findings) & set(card.findings) and model in ("", card.model)
    }
    names = ", ".join(card.model for card in cards.values()) or "none"
    if not fitting:
        wanted = f"{model} " if model else ""
        raise FeedbackError(
            f"no model in use {wanted}answers {', '.join(findings)}; in use: {names}. Train one with train.fit"
        )
    if len(fitting) > 1:
        several = ", ".join(card.model for card in fitting.values())
        raise FeedbackError(f"several models in use answer this: {several}; name one (--model)")
    return next(iter(fitting.items()))
