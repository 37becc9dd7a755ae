"""python -m train.fit RECIPE --data DIR [--data DIR ...]: train, calibrate and write a model folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import RecipeError
from cxr_core.jobs.heartbeat import Heartbeat
from cxr_core.models.networks.user_code import allow_code, hash_code
from cxr_core.training.recipe.field_help import format_flag_help
from cxr_core.training.runs.annotation import make_annotation
from train.command_line.arguments import (
    DATA,
    DEVICE,
    INIT,
    RECIPE,
    Parser,
    add_overrides,
    add_subset,
    load_given_recipe,
    parse_name_or_path,
    parse_path_argument,
)
from train.command_line.command import command
from train.command_line.progress import ProgressBar, create_event_display, stop_on_signals

LOCAL = "local"

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.runs.events import Report


@command("train.fit", wrong_recipe=2)
def main(arguments: list[str] | None = None) -> None:
    """Parse, train, print the path of the model written."""
    given = _create_parser().parse_args(arguments)
    stop = stop_on_signals()
    with ProgressBar() as bar, Heartbeat(create_event_display(bar), given.resume) as heartbeat:
        model = _train(given, heartbeat.report, stop)
    if int(os.environ.get("RANK", "0")) == 0:
        print(model)


def _train(given: argparse.Namespace, report: Report, stop: Callable[[], bool]) -> Path:
    """Start or resume the run. A mistake in the recipe is told before the training code is imported."""
    recipe = None if given.resume else _load_recipe(given)
    if given.allow_code:
        from cxr_core.training.runs.run_folder import RunFolder

        _allow_code(recipe or RunFolder.open(given.resume).load_recipe())
    if given.on != LOCAL:
        return _train_on_cluster(given, recipe, stop)
    from cxr_core.training.fit import FitOptions, fit, resume

    options = FitOptions(report=report, device=given.device, stop=stop)
    if recipe is None:
        return resume(given.resume, options)
    return fit(
        recipe,
        given.data,
        options,
        run=given.run,
        version=given.version,
        retry_of=given.retry_of,
        annotation=make_annotation(given.name, given.tags, given.note),
    )


def _train_on_cluster(
    given: argparse.Namespace, recipe: Recipe | None, stop: Callable[[], bool]
) -> Path:
    """The same run on the nodes of a Ray cluster; its folder shows how it gets on."""
    from cxr_core.scale.train_on_ray import ClusterRun, fit_on_cluster, new_run_folder

    run = given.resume or given.run
    if run is None:
        assert recipe is not None  # without --resume there is one
        run = new_run_folder(recipe)
    print(f"training on {given.on}: {run}", file=sys.stderr)
    request = ClusterRun(
        run=run.absolute(),
        recipe=recipe,
        data=tuple(given.data),
        version=given.version,
        retry_of=given.retry_of,
        annotation=make_annotation(given.name, given.tags, given.note),
        device=given.device,
        workers=given.workers,
    )
    return fit_on_cluster(request, given.on, stop)


def _allow_code(recipe: Recipe) -> None:
    code = hash_code(recipe.code_names)
    allow_code(code)
    for file, sha256 in code.items():
        print(f"allowed to run: {file}, sha256 {sha256}", file=sys.stderr)


def _load_recipe(given: argparse.Namespace) -> Recipe:
    if not given.recipe or not given.data:
        raise RecipeError("give a recipe and --data, or --resume RUN")
    return load_given_recipe(given)


def _create_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.fit", description=__doc__, epilog=format_flag_help())
    parser.add_argument("recipe", type=parse_name_or_path, nargs="?", help=RECIPE)
    parser.add_argument("--data", type=parse_name_or_path, action="append", default=[], help=DATA)
    add_subset(parser)
    add_overrides(parser)
    parser.add_argument(
        "--run", type=parse_path_argument, help="the run's folder (default: under the workspace)"
    )
    parser.add_argument(
        "--resume",
        type=parse_path_argument,
        metavar="RUN",
        help="resume this run; its folder is all that is needed",
    )
    parser.add_argument("--init", type=parse_name_or_path, help=INIT)
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="let the recipe's own Python files run with your rights, from now on and as they are now",
    )
    parser.add_argument("--device", default="auto", help=DEVICE)
    parser.add_argument(
        "--on",
        default=LOCAL,
        metavar="ADDRESS",
        help="local (default), or a Ray cluster: ray://HOST:PORT, HOST:PORT, auto, or ray for one started here",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes on the cluster (default: one for each core, or GPU)",
    )
    parser.add_argument(
        "--version", default="1.0.0", help="the version of the model written (default 1.0.0)"
    )
    parser.add_argument("--name", default="", help="what to call the run in tables and charts")
    parser.add_argument("--tags", default="", metavar="TAG,TAG", help="tags of the run")
    parser.add_argument("--note", default="", help="a note about the run")
    parser.add_argument(
        "--retry-of", default="", metavar="RUN", help="the run that this one repeats with a change"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
