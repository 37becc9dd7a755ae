"""python -m train.fit RECIPE --data DIR [--data DIR ...]: train, calibrate and write a model folder."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from cxr_core.errors import RecipeError, SilhouetteError
from cxr_core.jobs.heartbeat import Pulse
from cxr_core.training.fit import Settings, fit, resume
from cxr_core.training.recipe.recipe import Recipe, load_recipe
from train.arguments import DATA, INIT, Parser, assignment, recipe_path
from train.progress import event_line
from train.signals import stop_on_signals


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, print the path of the model written."""
    given = _parser().parse_args(arguments)
    stop = stop_on_signals()
    try:
        with Pulse(event_line(), given.resume) as pulse:
            settings = Settings(report=pulse.report, device=given.device, stop=stop)
            model = resume(given.resume, settings) if given.resume else _fit(given, settings)
    except SilhouetteError as error:
        print(f"train.fit: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 3
    if int(os.environ.get("RANK", "0")) == 0:
        print(model)
    return 0


def _fit(given: argparse.Namespace, settings: Settings) -> Path:
    story = {"retry_of": given.retry_of} if given.retry_of else {}
    return fit(
        _recipe(given), given.data, settings, run=given.run, version=given.version, story=story
    )


def _recipe(given: argparse.Namespace) -> Recipe:
    if not given.recipe or not given.data:
        raise RecipeError("give a recipe and --data, or --resume RUN")
    recipe = load_recipe(recipe_path(given.recipe), dict(given.set))
    return dataclasses.replace(recipe, init=given.init) if given.init else recipe


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.fit", description=__doc__)
    parser.add_argument("recipe", nargs="?", help="a name from train/recipes, or a TOML file")
    parser.add_argument("--data", action="append", default=[], help=DATA)
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, help="the run's folder (default: under the workspace)")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with this run; its folder alone suffices"
    )
    parser.add_argument("--init", help=INIT)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--version", default="1.0.0", help="the version of the model written (default 1.0.0)"
    )
    parser.add_argument(
        "--retry-of", default="", metavar="RUN", help="the run that this one tries again"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
