"""python -m train.search RECIPE --data DIR --space FILE --trials N: search for the best settings of a recipe.

Settings are chosen by TPE and pruned by Hyperband (Optuna), and compared on validation films, never on test films. The
same command goes on where a search was stopped or killed, and several at once share its trials. docs/scale.md has more.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import RecipeError
from cxr_core.presentation.wording import format_count, format_percent
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
from train.command_line.progress import ProgressBar, report_progress, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxr_core.data.prepare_apart import StageProgress
    from cxr_core.scale.search.results import SearchResults
    from cxr_core.scale.search.search import SearchPlan
    from cxr_core.scale.search.search_folder import SearchFolder
    from cxr_core.training.runs.events import Event

SPACE = "a TOML file of ranges by field, or the name of a space that ships (default: the recipe's)"


@command("train.search", wrong_recipe=2)
def main(arguments: list[str] | None = None) -> None:
    """Parse, search, print the results. 2 for a mistake in recipe or space, 3 when something is refused."""
    given = _create_parser().parse_args(arguments)
    stop = stop_on_signals()
    with report_progress() as progress:
        search, results = _search(given, progress, stop)
    if given.write_recipe is not None:
        _write_recipe(search, results, given.write_recipe)
    for line in describe_results(search, results):
        print(line, file=sys.stderr)
    print(search.path)


def _search(
    given: argparse.Namespace, progress: StageProgress, stop: Callable[[], bool]
) -> tuple[SearchFolder, SearchResults]:
    from cxr_core.scale.search.search import begin_search, close_search, load_search
    from cxr_core.scale.search.study import OptunaStudy
    from cxr_core.scale.search.trials import work_on_trials
    from cxr_core.training.fit import FitOptions

    search = (
        load_search(given.resume) if given.resume else begin_search(_make_plan(given), progress)
    )
    study = OptunaStudy(search, given.storage)
    options = FitOptions(report=partial(_show_event, progress), device=given.device, stop=stop)
    if given.on != "local":
        from cxr_core.scale.search.ray_trials import work_on_cluster

        work_on_cluster(study, given.trials, given.on, given.storage, options, _tell(progress))
    else:
        work_on_trials(study, given.trials, options, _tell(progress))
    return search, close_search(study, progress)


def _make_plan(given: argparse.Namespace) -> SearchPlan:
    from cxr_core.scale.search.search import SearchPlan
    from cxr_core.scale.search.space import find_space_file, load_space

    if not given.recipe or not given.data:
        raise RecipeError("give a recipe and --data, or --resume NAME")
    recipe = load_given_recipe(given)
    space = load_space(find_space_file(given.space or recipe.name), recipe)
    return SearchPlan(
        recipe=recipe,
        space=space,
        data=tuple(given.data),
        name=given.name or f"{recipe.name}-search",
        aside=given.set_aside,
        splits=given.validation_splits,
        seeds=given.seeds,
        storage=given.storage,
    )


def _tell(progress: StageProgress) -> Callable[[int, int], None]:
    return partial(progress, "trials")


def _show_event(progress: StageProgress, event: Event) -> None:
    """The steps of a trial's run on the bar of a shell; a job shows the trials alone."""
    from cxr_core.training.runs.events import StepDone

    if isinstance(progress, ProgressBar) and isinstance(event, StepDone):
        progress("training a trial", event.step, event.total_steps)


def describe_results(search: SearchFolder, results: SearchResults) -> list[str]:
    """What came of a search, in a few lines."""
    best = results.best
    counts = f"{format_count(len(results.trials), 'trials')}, {results.count('pruned')} pruned"
    if best is None or best.value is None:
        return [f"{search.name}: {counts}; none is complete"]
    settings = ", ".join(f"{name}={_format(value)}" for name, value in best.settings.items())
    metric = results.metric.replace("_", " ").replace("auroc", "AUROC")
    lines = [f"{search.name}: {counts}", f"best: trial {best.number}, {metric} {best.value:.4f}"]
    lines.append(f"  {settings}")
    if results.importance:
        shares = [f"{name} {format_percent(share)}" for name, share in results.importance.items()]
        lines.append(f"differences between trials come from: {', '.join(shares)}")
    if results.optimism is not None:
        lines.append(results.optimism.describe())
    return lines


def _format(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write_recipe(search: SearchFolder, results: SearchResults, path: Path) -> None:
    from cxr_core.scale.search.results import best_recipe
    from cxr_core.training.recipe.recipe_file import format_recipe
    from cxr_core.workspace.atomic import atomic_write

    try:
        atomic_write(path, format_recipe(best_recipe(search, results)))
    except OSError as error:
        raise RecipeError(f"{path} cannot be written: {error.strerror}") from error


def _create_parser() -> Parser:
    parser = Parser(prog="python -m train.search", description=__doc__)
    parser.add_argument("recipe", type=parse_name_or_path, nargs="?", help=RECIPE)
    parser.add_argument("--data", type=parse_name_or_path, action="append", default=[], help=DATA)
    add_subset(parser)
    parser.add_argument("--space", default="", help=SPACE)
    parser.add_argument(
        "--trials", type=_parse_count, default=30, help="how many in all (default 30)"
    )
    parser.add_argument("--name", default="", help="of the search (default: the recipe's)")
    parser.add_argument("--resume", default="", metavar="NAME", help="go on with this search")
    parser.add_argument(
        "--validation-splits",
        type=_parse_count,
        default=1,
        metavar="N",
        help="train every trial on this many divisions of the training and validation films by patient, and compare "
        "the means, so that no trial wins by one lucky division (default 1)",
    )
    parser.add_argument(
        "--seeds",
        type=_parse_count,
        default=1,
        help="train every trial with so many seeds and compare their means (default 1)",
    )
    parser.add_argument(
        "--set-aside",
        type=_parse_share,
        default=0.3,
        metavar="SHARE",
        help="share of the validation patients that no trial sees, to tell how much better the best trial looks than "
        "it is (default 0.3; 0 = none)",
    )
    parser.add_argument(
        "--storage",
        default="",
        metavar="URL",
        help="a database for the study, such as postgresql://HOST/NAME, instead of a file in the search's folder",
    )
    parser.add_argument(
        "--write-recipe",
        type=parse_path_argument,
        metavar="FILE",
        help="write the recipe with the best settings here",
    )
    parser.add_argument(
        "--on", default="local", metavar="ADDRESS", help="local (default), or a Ray cluster"
    )
    add_overrides(parser)
    parser.add_argument("--init", type=parse_name_or_path, help=INIT)
    parser.add_argument("--device", default="auto", help=DEVICE)
    return parser


def _parse_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 10,000, found {text!r:.40}")
    return int(text)


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.9:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 0.9, found {text!r:.40}")
    return share


if __name__ == "__main__":
    sys.exit(main())
