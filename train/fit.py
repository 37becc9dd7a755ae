"""python -m train.fit RECIPE --data DIR [--data DIR ...]: train, calibrate and write a model folder."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from cxr_core.data.prepare import open_data
from cxr_core.errors import RecipeError, SilhouetteError
from cxr_core.training.fit import fit
from cxr_core.training.recipe import Recipe, load_recipe
from train.arguments import DATA, Parser, assignment, recipe_path
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, print the path of the model written."""
    given = _parser().parse_args(arguments)
    try:
        recipe = _recipe(given)
        manifest = open_data(given.data, progress_bar())
        model = fit(recipe, manifest, run=given.run, version=given.version, device=given.device, report=_say)
    except SilhouetteError as error:
        print(f"train.fit: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 3
    print(model)
    return 0


def _recipe(given: argparse.Namespace) -> Recipe:
    recipe = load_recipe(recipe_path(given.recipe), dict(given.set))
    return dataclasses.replace(recipe, init=given.init) if given.init else recipe


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.fit", description=__doc__)
    parser.add_argument("recipe", help="a name from train/recipes, or a TOML file")
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, help="the run's folder (default: under the workspace)")
    parser.add_argument("--init", help="scratch, imagenet, or a safetensors file of the backbone's weights")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--version", default="1.0.0", help="the version of the model written (default 1.0.0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
