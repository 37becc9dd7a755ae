"""python -m train.cross_validate RECIPE --data DIR --folds K: train K times, each time without one fold of patients.

Each film is predicted once, by the model that saw no film of its patient; the pooled predictions are evaluated with
intervals by patient. Repeat the command to go on after a kill. The data's own test split and the promotion holdout are
left alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import RecipeError, RunError
from cxr_core.presentation.wording import finding_name
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
)
from train.command_line.command import command
from train.command_line.progress import (
    ProgressBar,
    create_event_display,
    report_progress,
    stop_on_signals,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxr_core.data.prepare import StageProgress
    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.sweeps.folds import CrossValidation


@command("train.cross_validate", wrong_recipe=2)
def main(arguments: list[str] | None = None) -> None:
    """Parse, train the folds that are missing, print the figures and the path of the pooled metrics.json."""
    given = _create_parser().parse_args(arguments)
    path = _pool_only(given.pool) if given.pool else _run(given)
    for line in _describe_figures(path):
        print(line, file=sys.stderr)
    print(path)


def _run(given: argparse.Namespace) -> Path:
    recipe = _load_recipe(given)
    stop = stop_on_signals()
    from cxr_core.data.prepare import open_data
    from cxr_core.training.sweeps.cross_validation import begin_cross_validation

    split = recipe.saved_split[0] if recipe.saved_split else ""
    recipe = dataclasses.replace(recipe, split="given") if split else recipe
    folds = 0 if split else given.folds
    with ProgressBar() as bar:
        cross_validation = begin_cross_validation(
            recipe,
            given.data,
            open_data(given.data, bar),
            name=given.name or f"{recipe.name}-{split or f'{folds}-folds'}",
            folds=folds,
            split=split,
        )
        _train_folds(cross_validation, given, bar, stop)
        return _evaluate_and_pool(cross_validation, bar)


def _train_folds(
    cross_validation: CrossValidation,
    given: argparse.Namespace,
    bar: ProgressBar,
    stop: Callable[[], bool],
) -> None:
    """Train each fold that is not finished. Raises RunError when asked to stop."""
    from cxr_core.jobs.heartbeat import Heartbeat
    from cxr_core.training.fit import FitOptions
    from cxr_core.training.sweeps.folds import annotate_fold
    from cxr_core.training.sweeps.seeds import fit_or_resume

    folds = zip(cross_validation.recipes, cross_validation.runs, strict=True)
    for number, (recipe, run) in enumerate(folds, 1):
        if stop():
            raise RunError(f"stopped before fold {number}; repeat the command to go on")
        bar.write_line(f"fold {number} of {cross_validation.record.folds}: {run}")
        with Heartbeat(create_event_display(bar), run if run.exists() else None) as heartbeat:
            options = FitOptions(report=heartbeat.report, device=given.device, stop=stop)
            annotation = annotate_fold(cross_validation, number)
            fit_or_resume(recipe, run, given.data, options, annotation)


def _pool_only(name: str) -> Path:
    """Evaluate and pool a cross-validation whose runs are finished, as a job of the queue does."""
    from cxr_core.training.sweeps.folds import find_cross_validation

    cross_validation = find_cross_validation(name)
    if cross_validation is None:
        raise RunError(f"the workspace has no cross-validation named {name}")
    with report_progress() as progress:
        return _evaluate_and_pool(cross_validation, progress)


def _evaluate_and_pool(cross_validation: CrossValidation, progress: StageProgress) -> Path:
    """Evaluate each fold on its held-out films, where that is not done, then all predictions together."""
    from cxr_core.training.runs.figures import collect_figures
    from cxr_core.training.sweeps.cross_validation import pool_cross_validation
    from cxr_core.training.sweeps.folds import require_finished
    from train.evaluate import evaluate

    require_finished(cross_validation)
    for run in cross_validation.runs:
        if not any(figure.split == "test" for figure in collect_figures(run)):
            evaluate(str(run), cross_validation.record.data, "test", progress=progress)
    progress("pooling the folds", 0, 1)
    return pool_cross_validation(cross_validation)


def _describe_figures(path: Path) -> list[str]:
    """A line for each finding: AUROC of all held-out films, and of each fold."""
    from cxr_core.training.sweeps.folds import (
        find_cross_validation,
        read_fold_figures,
        read_pooled_figures,
    )

    cross_validation = find_cross_validation(path.parent.name)
    assert cross_validation is not None
    lines = []
    for pooled in read_pooled_figures(cross_validation):
        of_folds = read_fold_figures(cross_validation, pooled.finding)
        by_fold = ", ".join(figure.text if figure else "not measured" for figure in of_folds)
        lines.append(
            f"{finding_name(pooled.finding)}: pooled out-of-fold AUROC {pooled.text}, {pooled.positives} of {pooled.n} "
            f"films positive; by fold {by_fold}"
        )
    return lines


def _load_recipe(given: argparse.Namespace) -> Recipe:
    if not given.recipe or not given.data:
        raise RecipeError("give a recipe and --data, or --pool NAME")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RecipeError("train.cross_validate runs in one process; start it without torchrun")
    return load_given_recipe(given)


def _create_parser() -> Parser:
    parser = Parser(prog="python -m train.cross_validate", description=__doc__)
    parser.add_argument("recipe", type=parse_name_or_path, nargs="?", help=RECIPE)
    parser.add_argument("--data", type=parse_name_or_path, action="append", default=[], help=DATA)
    add_subset(parser)
    parser.add_argument(
        "--folds", type=int, default=5, help="how many (default 5); --splits NAME takes saved folds"
    )
    parser.add_argument(
        "--name", default="", help="of the cross-validation (default: the recipe's, with the folds)"
    )
    add_overrides(parser)
    parser.add_argument("--init", type=parse_name_or_path, help=INIT)
    parser.add_argument("--device", default="auto", help=DEVICE)
    parser.add_argument(
        "--pool", metavar="NAME", help="only evaluate and pool the finished runs of this one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
