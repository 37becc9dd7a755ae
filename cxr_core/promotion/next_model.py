"""Plans the run that learns from what readers decided: recipe, data with their labels, model in use to start from.

The run is trained, measured and compared as any other: its films lie in the same splits as without the readers' labels,
no film of the promotion holdout or the test split is trained on, and the gate says by which labels it judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.data.label_layers import describe_label_sources, is_layer
from cxr_core.errors import FeedbackError
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_card
from cxr_core.training.preconditions import find_label_problem, load_registered_films
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_named_recipe
from cxr_core.training.run_data import find_run, select_population
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
