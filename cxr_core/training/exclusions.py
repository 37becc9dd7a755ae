"""Records the films that a run leaves out, so that its model can be compared with another on them."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.holdout import HASH_KEY, HOLDOUT
from cxr_core.data.splits.saved_split import SavedSplit
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.networks.initialise import find_initial_model
from cxr_core.site.learnt_films import LearntFilms, read_learnt_films
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.manifest import Exclusions, HoldoutExclusion, split_kinds
from cxr_core.workspace.json_files import read_json_object


def build_exclusions(
    recipe: Recipe, films: Manifest, saved: SavedSplit | None = None
) -> Exclusions:
    """What a run leaves out, for its manifest and its model's card. films: split.  saved: the saved split, if any."""
    official_test, share = recipe.split == "given", recipe.gate_share
    if saved is not None:
        official_test = saved.record.official_test
    kinds = split_kinds(films.kind)
    folder = find_initial_model(recipe.init)
    if folder is not None:
        parent, learnt = _read_exclusions(folder), read_learnt_films(folder)
        test = films.table.loc[films.table["split"] == "test", "sha256"]
        official_test = official_test and left_test_films_alone(parent, learnt, films.kind, test)
        share = min(share, parent.holdout_share)
        kinds |= parent.kinds
    return Exclusions(
        official_test=official_test,
        kinds=kinds,
        holdout=_describe_holdout(recipe, films, share),
    )


def left_test_films_alone(
    exclusions: Exclusions, learnt: LearntFilms, kind: str, test: Collection[str]
) -> bool:
    """Whether a model left the official test split of its own data alone, and was not trained on these test films.

    learnt: the films that it was trained on. Where they are unknown, the model must know data of these layouts only.
    kind: of the data.  test: the hashes of its test films, possibly none.
    """
    if not exclusions.official_test:
        return False
    if learnt.is_known:
        return not learnt.include_some_of(test)
    return exclusions.kinds <= split_kinds(kind)


def read_films_of_initial_model(init: str) -> LearntFilms:
    """The films that the model that a run starts from was trained on; unknown where it starts from no model."""
    folder = find_initial_model(init)
    return LearntFilms(is_known=False) if folder is None else read_learnt_films(folder)


def recipe_as_trained(recipe: Recipe, card: ModelCard) -> Recipe:
    """The recipe with the holdout share that the model of a card was trained with; it may be 0."""
    return replace(recipe, gate_share=Exclusions.from_training(card.training).carved_share)


def _describe_holdout(recipe: Recipe, films: Manifest, share: float) -> HoldoutExclusion | None:
    holdout = films.table[films.table["split"] == HOLDOUT]
    if not len(holdout):
        return None
    return HoldoutExclusion(
        rule=HASH_KEY,
        share=share,
        carved=recipe.gate_share,
        films=len(holdout),
        patients=int(holdout["patient"].nunique()),
        split_sha256=films.with_table(holdout).split_sha256(),
    )


def _read_exclusions(folder: Path) -> Exclusions:
    """Those of the card of a model."""
    training = (read_json_object(folder / CARD) or {}).get("training")
    return Exclusions.from_training(training if isinstance(training, dict) else {})
