"""python -m train.grid [NAME ...] --data DIR: train and measure several recipes, and print their table of F1.

Without a name, every cardiomegaly-attention recipe. Repeat the command to go on: what is done is not done again.
"""

import argparse
import sys
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.training.fit import Settings
from cxr_core.training.recipe.recipe import load_recipe
from cxr_core.training.sweeps.grid import Entry, as_csv, as_markdown, run_grid
from cxr_core.training.sweeps.stages import stages
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import RECIPES, workspace
from train.arguments import DATA, Parser, assignment, recipe_path
from train.evaluate import measure
from train.progress import event_line
from train.signals import stop_on_signals

GRID = "cardiomegaly-attention-*.toml"


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, measure, print the table. 3 when a recipe has no figures yet; the table says why."""
    given = _parser().parse_args(arguments)
    try:
        paths = [recipe_path(name) for name in given.name] or sorted(RECIPES.glob(GRID))
        recipes = [load_recipe(path, dict(given.set)) for path in paths]
        recipes = (
            [stage for whole in recipes for stage in stages(whole).values()]
            if given.stages
            else recipes
        )
    except SilhouetteError as error:
        print(f"train.grid: {error}", file=sys.stderr)
        return 2
    home = given.run or workspace() / "runs" / "grid"
    settings = Settings(report=event_line(), device=given.device, stop=stop_on_signals())
    entries: list[Entry] = []
    try:
        for entry in run_grid(
            recipes, given.data, home, settings, lambda run: measure(str(run), given.data, "test")
        ):
            entries.append(entry)
            print(f"{entry.recipe.name}: {entry.reason or 'measured'}", file=sys.stderr)
            _write(given.out or home, entries)
    except OSError as error:
        print(
            f"train.grid: {given.out or home} cannot be written: {error.strerror}", file=sys.stderr
        )
        return 3
    print(as_markdown(entries))
    return 3 if any(entry.reason for entry in entries) else 0


def _write(folder: Path, entries: list[Entry]) -> None:
    """grid.csv and grid.md, as far as the grid has come."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("grid.csv", as_csv(entries)), ("grid.md", as_markdown(entries))):
        atomic_write(folder / name, text)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.grid", description=__doc__)
    parser.add_argument("name", nargs="*", help="names from train/recipes, or TOML files")
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument(
        "--stages", action="store_true", help="each from scratch and without attention as well"
    )
    parser.add_argument(
        "--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", help="in all"
    )
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="where the runs lie (default: under the workspace)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the table is written (default: with the runs)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser


if __name__ == "__main__":
    sys.exit(main())
