"""Arguments that several training commands share."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import FileRefused
from cxr_core.workspace.outside_files import parse_path

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe

SUBSET = "subset:"  # as cxr_core.data.subsets has it, which --help need not import
LAYER = "labels:"  # as cxr_core.data.label_layers has it
SAVED_SPLIT = "saved:"  # as cxr_core.training.recipe has it
DATA = "a dataset's folder, or the name of a registered one; repeatable"
INIT = "scratch, imagenet, a safetensors file of the backbone's weights, a model's folder or name, or backbone:MODEL"
DEVICE = "auto, cpu or cuda (default auto)"
METHODS = "also recalibrate on some of the patients: prior, prior=SHARE, temperature, line or site; reported apart"
RECIPE = "a name from train/recipes, or a TOML file"


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviations: a misspelt flag is an error, never another flag."""

    def __init__(self, *, prog: str, description: str | None = None, epilog: str | None = None):
        """epilog: shown after the arguments, with its line breaks."""
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )


def parse_path_argument(text: str) -> Path:
    """A path, which need not exist. What can be no path is an error of the arguments."""
    try:
        return parse_path(text)
    except FileRefused as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None


def parse_name_or_path(text: str) -> str:
    """A name, or a path in the place of one: as it was given, with the home folder for `~`."""
    path = parse_path_argument(text)
    return str(path) if text.startswith("~") else text


def add_model_and_data(parser: argparse.ArgumentParser) -> None:
    """Add the model by name or folder, and what `add_data` adds."""
    parser.add_argument(
        "model",
        type=parse_name_or_path,
        help="a run folder, a model folder, or the name of an installed model",
    )
    add_data(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, which may be given several times, `--subset` and `--labels`."""
    parser.add_argument(
        "--data", type=parse_name_or_path, action="append", required=True, help=DATA
    )
    add_subset(parser)


def add_subset(parser: argparse.ArgumentParser) -> None:
    """Add `--subset` and `--labels`, each of which is one more name of data."""
    parser.add_argument(
        "--subset",
        type=lambda name: SUBSET + name.removeprefix(SUBSET),
        action="append",
        dest="data",
        metavar="NAME",
        help="only the films of this subset, which the Data page has saved; alone, of the dataset it was made of",
    )
    parser.add_argument(
        "--labels",
        type=lambda name: LAYER + name.removeprefix(LAYER),
        action="append",
        dest="data",
        metavar="LAYER",
        help="with the labels that readers decided in this layer, where it has any; the data stays as it is",
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add `--set`, which replaces values of a recipe, and `--splits`, which sets its split."""
    parser.add_argument(
        "--splits",
        type=lambda name: ("split", SAVED_SPLIT + name.removeprefix(SAVED_SPLIT)),
        action="append",
        default=[],
        dest="set",
        metavar="NAME",
        help="train on this split, which was saved with the dataset; NAME/2 tests on its second fold",
    )
    parser.add_argument(
        "--set",
        type=parse_assignment,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the recipe; repeatable; train.fit --help lists the keys",
    )


def load_given_recipe(given: argparse.Namespace) -> Recipe:
    """The recipe that a command's arguments name, with --set and --init applied. Raises RecipeError."""
    from cxr_core.training.recipe.recipe_file import find_recipe_file, load_recipe

    recipe = load_recipe(find_recipe_file(given.recipe), dict(given.set))
    return dataclasses.replace(recipe, init=given.init) if given.init else recipe


def parse_assignment(text: str) -> tuple[str, str]:
    """`key=value` as a pair."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"expected key=value, found {text!r}")
    return key.strip(), value.strip()


def parse_recalibration(text: str) -> str:
    """A recalibration method, checked and returned as it was given."""
    name, equals, share = text.partition("=")
    is_known = name == "prior" or (name in ("temperature", "line", "site") and not equals)
    if not is_known or (equals and not _is_share(share)):
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected prior, prior=0.05 or another share, temperature, line, site"
        )
    return text


def parse_share(text: str) -> float:
    """A share within 0 and 1."""
    if not _is_share(text):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a share such as 0.05")
    return float(text)


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False
