"""What the training commands share on their command lines."""

import argparse
from pathlib import Path

from cxr_core.errors import RecipeError
from cxr_core.workspace.paths import RECIPES

DATA = "a dataset's folder, or the name of a registered one; repeatable"
INIT = "scratch, imagenet, a safetensors file of the backbone's weights, a model's folder or name, or backbone:MODEL"
METHODS = "also recalibrate on some of the patients: prior, prior=SHARE, temperature or line; reported apart"


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviations: a misspelt flag is an error, never another flag."""

    def __init__(self, *, prog: str, description: str | None):
        super().__init__(prog=prog, description=description, allow_abbrev=False)


def recipe_path(name: str) -> Path:
    """The TOML file of a recipe given by name or path. Raises RecipeError that lists the names there are."""
    if name.endswith(".toml"):
        return Path(name)
    path = RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise RecipeError(f"unknown recipe {name!r}; choose from {known}, or give a .toml file")
    return path


def method(text: str) -> str:
    """A method to recalibrate by, as it was given."""
    name, stated, share = text.partition("=")
    known = name == "prior" or (name in ("temperature", "line") and not stated)
    if not known or (stated and not _is_share(share)):
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected prior, prior=0.05 or another share, temperature, line"
        )
    return text


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def assignment(text: str) -> tuple[str, str]:
    """`key=value` as a pair."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"expected key=value, found {text!r}")
    return key.strip(), value.strip()
