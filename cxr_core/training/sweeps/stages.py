"""The three stages in which the attention recipes' source compares its networks."""

from dataclasses import replace

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.recipe import Recipe


def stages(recipe: Recipe) -> dict[str, Recipe]:
    """The stages of an attention recipe, in the source's order: from scratch, pretrained without attention, in full.

    Those before the last have the plain average in the place of attention, and the stage in their name.
    Raises RecipeError for a recipe without an attention head.
    """
    if recipe.head != "attention":
        raise RecipeError(
            f"{recipe.name} has the head {recipe.head!r}; stages are those of recipes with attention"
        )
    plain = replace(recipe, head="averaged")
    return {
        "scratch": replace(plain, name=f"{recipe.name}-scratch", init="scratch"),
        "pretrained": replace(plain, name=f"{recipe.name}-pretrained"),
        "full": recipe,
    }
