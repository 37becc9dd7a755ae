"""Records the films that a run leaves out, so that its model can be compared with another on them."""

from dataclasses import replace

from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.holdout import HASH_KEY, HOLDOUT
from cxr_core.data.splits.saved_split import SavedSplit
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.networks.initialise import find_initial_model
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
    parent = _exclusions_of_initial_model(recipe.init)
    if parent is not None:
        official_test = official_test and parent.official_test
        share = min(share, parent.holdout_share)
        kinds |= parent.kinds
    return Exclusions(
        official_test=official_test,
        kinds=kinds,
        holdout=_describe_holdout(recipe, films, share),
    )


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


def _exclusions_of_initial_model(init: str) -> Exclusions | None:
    """Those of the model that a run starts from; None for random weights, ImageNet's, or a file of weights."""
    folder = find_initial_model(init)
    if folder is None:
        return None
    training = (read_json_object(folder / CARD) or {}).get("training")
    return Exclusions.from_training(training if isinstance(training, dict) else {})
