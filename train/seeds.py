"""python -m train.seeds RECIPE --data DIR --run RUN: train a recipe with several seeds, and make an ensemble of them.

Every seed trains on the same films and is a run of its own below RUN. Repeat the command to go on after a kill.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from cxr_core.errors import RecipeError
from train.command_line.arguments import (
    DEVICE,
    INIT,
    RECIPE,
    Parser,
    add_data,
    add_overrides,
    load_given_recipe,
    parse_name_or_path,
    parse_path_argument,
)
from train.command_line.command import command
from train.command_line.progress import ProgressBar, create_event_display, stop_on_signals

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.sweeps.seeds import SeedSpread


@command("train.seeds", wrong_recipe=2)
def main(arguments: list[str] | None = None) -> None:
    """Parse, train, print the spread over the seeds and the path of the ensemble's model."""
    given = _create_parser().parse_args(arguments)
    stop = stop_on_signals()
    recipe = _load_recipe(given)
    from cxr_core.training.fit import FitOptions
    from cxr_core.training.sweeps.seeds import fit_seeds, measure_spreads

    with ProgressBar() as bar:
        model = fit_seeds(
            recipe,
            given.seeds,
            given.data,
            FitOptions(report=create_event_display(bar), device=given.device, stop=stop),
            run=given.run,
            version=given.version,
            progress=lambda done, total: bar("reading films", done, total),
        )
    for spread in measure_spreads(given.run, given.seeds):
        print(_describe_spread(spread), file=sys.stderr)
    print(model)


def _load_recipe(given: argparse.Namespace) -> Recipe:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError(
            "train.seeds runs in one process; fit each seed with torchrun and train.fit, then train.average"
        )
    return load_given_recipe(given)


def _describe_spread(spread: SeedSpread) -> str:
    by_seed = ", ".join(f"{value:.3f}" for value in spread.by_seed)
    return (
        f"{spread.finding}: validation AUROC by seed {by_seed}; mean {spread.mean:.3f}, standard deviation "
        f"{spread.standard_deviation:.3f}; ensemble {spread.ensemble:.3f}"
    )


def _parse_seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers with commas, such as 0,1,2; found {text!r}"
        ) from None


def _create_parser() -> Parser:
    parser = Parser(prog="python -m train.seeds", description=__doc__)
    parser.add_argument("recipe", type=parse_name_or_path, help=RECIPE)
    add_data(parser)
    parser.add_argument(
        "--run",
        type=parse_path_argument,
        required=True,
        help="the folder of all runs; made when missing",
    )
    parser.add_argument(
        "--seeds", type=_parse_seeds, default=[0, 1, 2], help="separated by commas (default 0,1,2)"
    )
    add_overrides(parser)
    parser.add_argument("--init", type=parse_name_or_path, help=INIT)
    parser.add_argument("--device", default="auto", help=DEVICE)
    parser.add_argument(
        "--version", default="1.0.0", help="the version of the ensemble (default 1.0.0)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
