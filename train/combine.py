"""python -m train.combine MODEL_OR_RUN --data DIR: fuse the measured ratio with cardiomegaly's probability.

The fusion is fitted on the validation films that the model's recipe carves from the data, and written into the model's
card, unless the ratio does not discriminate by itself or raises the log loss on held-out patients. Where the recipe
says how its labels differ from readers, the probability becomes that of a reader's verdict, and thresholds are chosen
without the labels that the ratio contradicts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import ModelError
from train.command_line.arguments import (
    Parser,
    add_model_and_data,
    parse_name_or_path,
    parse_path_argument,
)
from train.command_line.command import command
from train.command_line.progress import ProgressBar

if TYPE_CHECKING:
    from cxr_core.data.manifest import Manifest
    from cxr_core.models.card import ModelCard
    from cxr_core.reading.segmenter import Segmenter
    from cxr_core.training.export.fusion import FusionResult
    from cxr_core.training.recipe.recipe import Recipe


@command("train.combine")
def main(arguments: list[str] | None = None) -> None:
    """Parse, fit, print the gain and the path of the card. 3 when nothing could be fitted."""
    given = _create_parser().parse_args(arguments)
    from cxr_core.data.prepare import open_data
    from cxr_core.models.card import CARD
    from cxr_core.models.store import load_card
    from cxr_core.training.export.fusion import FINDING, fuse_with_ratio
    from cxr_core.training.run_data import find_run, split_manifest
    from cxr_core.training.run_split import find_recipe_split
    from train.command_line.model_names import find_model_folder

    folder = find_model_folder(given.model)
    segmenter = _load_segmenter(given.outlines)
    recipe = _load_recipe(given, folder)
    with ProgressBar() as bar:
        run = find_run(Path(given.model))
        saved = find_recipe_split(recipe, given.data, run.path if run else None)
        films = split_manifest(recipe, open_data(given.data, bar), saved)
        _warn_of_another_split(load_card(folder), films)
        films = films.select_split("val")
        result = fuse_with_ratio(
            folder,
            segmenter,
            films,
            lambda done, total: bar("measuring films", done, total),
            recipe.find_label_noise(FINDING),
        )
    card = load_card(folder)
    for line in (*_describe_result(result), *_describe_repair(result, card)):
        print(line, file=sys.stderr)
    print(folder / CARD)


def _warn_of_another_split(card: ModelCard, films: Manifest) -> None:
    """Say so where the films are divided otherwise than in the model's training: it may have learnt from some."""
    from cxr_core.training.run_data import select_learning_films

    trained_on = card.training.get("data", {}).get("split_sha256")
    if trained_on and select_learning_films(films).split_sha256() != trained_on:
        print(
            f"The validation films are not those of {card.model} {card.version}: it was trained on other data, or on a "
            "part of them. If it has learnt from some of these films, their figures are too good and the fusion is too "
            "confident. Give all the folders that it was trained on.",
            file=sys.stderr,
        )


def _load_segmenter(folder: Path | None) -> Segmenter:
    from cxr_core.models.registry.registry import find_segmenter
    from cxr_core.reading.segmenter import Segmenter

    folder = folder or find_segmenter()
    if folder is None:
        raise ModelError("no segmenter of heart and lungs is installed; give one with --outlines")
    return Segmenter.load(folder)


def _load_recipe(given: argparse.Namespace, model: Path) -> Recipe:
    """The recipe whose split the model was trained with."""
    from cxr_core.models.store import load_card
    from cxr_core.training.exclusions import recipe_as_trained
    from cxr_core.training.recipe.recipe_file import load_named_recipe
    from cxr_core.training.run_data import find_run

    run = find_run(Path(given.model))
    if run is not None:
        return run.load_recipe()
    card = load_card(model)
    name = given.recipe or card.training.get("recipe", "")
    return recipe_as_trained(load_named_recipe(name), card)


def _describe_result(result: FusionResult) -> Iterator[str]:
    outcome = f"not written: {result.rejection}" if result.rejection else "written"
    yield (
        f"{result.films} films, {result.positives} positive; log loss on held-out patients: network alone "
        f"{result.loss_alone:.4f}, with the ratio {result.loss_fused:.4f}; {outcome}"
    )


def _describe_repair(result: FusionResult, card: ModelCard) -> Iterator[str]:
    """How the labels were taken, and each decision without and with those that the ratio contradicts."""
    from cxr_core.training.export.fusion import FINDING

    if result.noise is None or result.repair is None:
        return
    repair = result.repair
    yield result.noise.describe()
    yield f"rates from: {result.noise.source}"
    yield f"thresholds chosen without {repair.describe()}"
    decisions = {"network alone": (card.decisions.get(FINDING, ()), repair.with_all_labels)}
    if result.fusion is not None:
        decisions["with the ratio"] = (result.fusion.decisions, repair.with_ratio)
    for name, (chosen, with_all_labels) in decisions.items():
        for each in chosen:
            line = (
                f"{name}, {each.name}: {_describe_thresholds(each.present_from, each.absent_below)}"
            )
            if each.name in with_all_labels:
                line += f"; by all labels: {_describe_thresholds(*with_all_labels[each.name])}"
            yield line


def _describe_thresholds(present_from: float, absent_below: float) -> str:
    return f"suspected from {present_from:.4f}, not suspected below {absent_below:.4f}"


def _create_parser() -> Parser:
    parser = Parser(prog="python -m train.combine", description=__doc__)
    add_model_and_data(parser)
    parser.add_argument(
        "--recipe",
        type=parse_name_or_path,
        help="the recipe that splits the data (default: the one in the model's card)",
    )
    parser.add_argument(
        "--outlines",
        type=parse_path_argument,
        help="the folder of a segmenter (default: the installed one)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
