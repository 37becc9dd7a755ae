"""The classifier beside a measured ratio, and the films that their combination is fitted on."""

from pathlib import Path

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.evaluate_ratio import Beside, the_installed_one
from cxr_core.models.card import ModelCard
from cxr_core.reading.classifier import Classifier
from cxr_core.training.exclusions import as_trained
from cxr_core.training.fit import LEARNT_ON, divided
from cxr_core.training.recipe.recipe import Recipe, load_recipe
from cxr_core.training.run_data import run_in
from cxr_core.workspace.paths import RECIPES
from train.model_names import model_folder


def beside(name: str | None, manifest: Manifest, part: str, fit_on: str) -> Beside | None:
    """The classifier of that name or folder, or the installed one; None when none is installed and none named.

    manifest: all usable films. part: the one that is measured, fit_on: the other. Raises ModelError for a model that
    does not answer cardiomegaly, DataError when both parts are the same.
    """
    classifier = Classifier.load(model_folder(name)) if name else the_installed_one()
    if classifier is None:
        return None
    if fit_on == part:
        raise DataError(
            f"the combination cannot be fitted on the part that is measured, {part!r}; change --fit-on"
        )
    recipe = _recipe(name, classifier.card)
    return Beside(
        classifier=classifier,
        fit_films=lambda: fit_films(manifest, fit_on, classifier.card, recipe),
    )


def fit_films(
    manifest: Manifest, part: str, card: ModelCard, recipe: Recipe | None
) -> tuple[Manifest, str]:
    """The films of a part, and which they are in words.

    Where the data brings no such part, validation is carved as the classifier's recipe carves it. Raises DataError when
    there is none to be had.
    """
    if part != "val" or recipe is None or (manifest.table["split"] == part).any():
        return manifest.part(part), f"the data's own part {part!r}"
    apart = divided(recipe, manifest)
    learnt = apart.with_table(apart.table[apart.table["split"].isin(LEARNT_ON)])
    if learnt.split_sha256() == card.training.get("data", {}).get("split_sha256"):
        return apart.part(part), "the classifier's own validation films"
    return apart.part(
        part
    ), "validation films carved anew, some of which the classifier may have learnt from"


def _recipe(name: str | None, card: ModelCard) -> Recipe | None:
    """What a classifier was trained by: its run's recipe, or the house's of the name in its card."""
    run = run_in(Path(name)) if name else None
    path = RECIPES / f"{card.training.get('recipe')}.toml"
    if run is not None or not path.is_file():
        return run.recipe() if run else None
    return as_trained(load_recipe(path), card)
