"""python -m train.combine MODEL_OR_RUN --data DIR: let the measured ratio take part in cardiomegaly's probability.

Fitted on the validation films that the model's recipe carves from the data, and written into the model's card unless
they speak against it: the ratio does not tell the finding by itself, or the log loss on held-out patients rises.
"""

import sys
from pathlib import Path

from cxr_core.data.prepare import open_data
from cxr_core.errors import ModelError, SilhouetteError
from cxr_core.models.registry.registry import installed_segmenter
from cxr_core.models.store import load_card
from cxr_core.reading.segmenter import Outliner
from cxr_core.training.exclusions import as_trained
from cxr_core.training.export.fusion import combine_with_ratio
from cxr_core.training.fit import divided
from cxr_core.training.recipe.recipe import load_recipe
from cxr_core.training.run_data import run_in
from train.arguments import DATA, Parser, recipe_path
from train.model_names import model_folder
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, fit, print what it gained and the path of the card. 3 when nothing could be fitted."""
    given = _parser().parse_args(arguments)
    try:
        folder, run = model_folder(given.model), run_in(Path(given.model))
        outlines = given.outlines or installed_segmenter()
        if outlines is None:
            raise ModelError(
                "no model that outlines heart and lungs is installed; give one with --outlines"
            )
        card = load_card(folder)
        name = given.recipe or card.training.get("recipe", "")
        recipe = run.recipe() if run else as_trained(load_recipe(recipe_path(name)), card)
        bar = progress_bar()
        films = divided(recipe, open_data(given.data, bar)).part("val")
        found = combine_with_ratio(
            folder,
            Outliner.load(Path(outlines)),
            films,
            lambda *counts: bar("measuring films", *counts),
        )
    except SilhouetteError as error:
        print(f"train.combine: {error}", file=sys.stderr)
        return 3
    verdict = f"not written: {found.against}" if found.against else "written"
    print(
        f"{found.films} films, {found.positives} positive; log loss on held-out patients: network alone "
        f"{found.alone:.4f}, with the ratio {found.both:.4f}; {verdict}",
        file=sys.stderr,
    )
    print(folder / "card.json")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m train.combine", description=__doc__)
    parser.add_argument(
        "model", help="a run folder, a model folder, or the name of an installed model"
    )
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument(
        "--recipe", help="the recipe that divides the data (default: the one in the model's card)"
    )
    parser.add_argument(
        "--outlines", type=Path, help="the folder of a segmenter (default: the installed one)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
