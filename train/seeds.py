"""python -m train.seeds RECIPE --data DIR --run RUN: a recipe with several seeds, and their mean as one model.

Every seed learns from the same films and is a run of its own below RUN; the same command goes on after a kill.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from cxr_core.errors import RecipeError, SilhouetteError
from cxr_core.training.fit import Settings
from cxr_core.training.recipe.recipe import load_recipe
from cxr_core.training.sweeps.seeds import fit_seeds, spreads
from train.arguments import DATA, INIT, Parser, assignment, recipe_path
from train.progress import event_line, progress_bar
from train.signals import stop_on_signals


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, say how far the seeds lie apart, print the path of the mean's model."""
    given = _parser().parse_args(arguments)
    bar, stop = progress_bar(), stop_on_signals()
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise RecipeError(
                "one process at a time: fit each seed with torchrun and train.fit, then train.average"
            )
        recipe = load_recipe(recipe_path(given.recipe), dict(given.set))
        if given.init:
            recipe = dataclasses.replace(recipe, init=given.init)
        settings = Settings(report=event_line(), device=given.device, stop=stop)
        model = fit_seeds(
            recipe,
            given.seeds,
            given.data,
            settings,
            run=given.run,
            version=given.version,
            progress=lambda *to: bar("reading films", *to),
        )
        for each in spreads(given.run, given.seeds):
            told = ", ".join(f"{value:.3f}" for value in each.each)
            print(
                f"{each.finding}: validation AUROC of each seed {told}; mean {each.mean:.3f}, standard deviation "
                f"{each.deviation:.3f}; of the model of their mean {each.mean_model:.3f}",
                file=sys.stderr,
            )
    except SilhouetteError as error:
        print(f"train.seeds: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 3
    print(model)
    return 0


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers with commas, such as 0,1,2; found {text!r}"
        ) from None


def _parser() -> Parser:
    parser = Parser(prog="python -m train.seeds", description=__doc__)
    parser.add_argument("recipe", help="a name from train/recipes, or a TOML file")
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument(
        "--run", type=Path, required=True, help="the folder of all, made when it is not there"
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=[0, 1, 2], help="with commas (default 0,1,2)"
    )
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--init", help=INIT)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--version", default="1.0.0", help="the version of the mean's model (default 1.0.0)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
