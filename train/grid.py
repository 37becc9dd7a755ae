"""python -m train.grid [NAME ...] --data DIR: train and evaluate several recipes, and print their table of F1.

Without a name, every cardiomegaly-attention recipe. Repeat the command to go on: what is done is not done again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.training.recipe.recipe_file import find_recipe_file, load_recipe
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import RECIPES, workspace
from train.command_line.arguments import (
    DEVICE,
    Parser,
    add_data,
    add_overrides,
    parse_path_argument,
)
from train.command_line.command import command
from train.command_line.progress import ProgressBar, create_event_display, stop_on_signals

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.sweeps.grid import GridEntry

DEFAULT_RECIPES = "cardiomegaly-attention-*.toml"


@command("train.grid", wrong_recipe=2)
def main(arguments: list[str] | None = None) -> int:
    """Parse, train, evaluate, print the table. 3 when a recipe has no figures yet; the table says why."""
    given = _create_parser().parse_args(arguments)
    recipes = _load_recipes(given)
    from cxr_core.training.fit import FitOptions
    from cxr_core.training.sweeps.grid import format_markdown, run_grid
    from train.evaluate import evaluate

    home = given.run or workspace() / "runs" / "grid"
    out = given.out or home
    stop = stop_on_signals()
    entries: list[GridEntry] = []
    try:
        with ProgressBar() as bar:
            options = FitOptions(report=create_event_display(bar), device=given.device, stop=stop)

            def evaluate_on_test(run: Path) -> Path:
                return evaluate(str(run), given.data, "test", progress=bar)

            for entry in run_grid(recipes, given.data, home, options, evaluate_on_test):
                entries.append(entry)
                bar.write_line(f"{entry.recipe.name}: {entry.reason or 'evaluated'}")
                _write_tables(out, entries)
    except OSError as error:
        print(f"train.grid: {out} cannot be written: {error.strerror}", file=sys.stderr)
        return 3
    print(format_markdown(entries))
    return 3 if any(entry.reason for entry in entries) else 0


def _load_recipes(given: argparse.Namespace) -> list[Recipe]:
    paths = [find_recipe_file(name) for name in given.name]
    paths = paths or sorted(RECIPES.glob(DEFAULT_RECIPES))
    recipes = [load_recipe(path, dict(given.set)) for path in paths]
    if not given.stages:
        return recipes
    from cxr_core.training.sweeps.grid import split_into_stages

    return [stage for recipe in recipes for stage in split_into_stages(recipe).values()]


def _write_tables(folder: Path, entries: list[GridEntry]) -> None:
    """grid.csv and grid.md, as far as the grid has come."""
    from cxr_core.training.sweeps.grid import format_csv, format_markdown

    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "grid.csv", format_csv(entries))
    atomic_write(folder / "grid.md", format_markdown(entries))


def _create_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.grid", description=__doc__)
    parser.add_argument("name", nargs="*", help="names from train/recipes, or TOML files")
    add_data(parser)
    parser.add_argument(
        "--stages",
        action="store_true",
        help="also train each from scratch, and pretrained without attention",
    )
    add_overrides(parser)
    parser.add_argument(
        "--run",
        type=parse_path_argument,
        metavar="DIR",
        help="the folder of the runs (default: under the workspace)",
    )
    parser.add_argument(
        "--out",
        type=parse_path_argument,
        metavar="DIR",
        help="where the table is written (default: with the runs)",
    )
    parser.add_argument("--device", default="auto", help=DEVICE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
