"""python -m train.stability --data DIR: how far answers move when a film changes in ways that should not matter.

The installed models read films of the data as they are, and again in other file formats, sizes, exposures and small
rotations. The largest films are read from 64 to 1,024 px, as PNG and as JPEG. Phantoms show whether a probability
follows the size of the heart or the strength of an opacity.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cxr_core.presentation.wording import SPLIT_NAMES
from cxr_core.workspace.paths import printable, workspace
from train.command_line.arguments import Parser, add_data, parse_path_argument
from train.command_line.command import command
from train.command_line.progress import ProgressBar

if TYPE_CHECKING:
    from cxr_core.evaluation.robustness.stability import (
        FindingStability,
        ModelResponse,
        StabilityFigures,
    )
    from cxr_core.models.resolution import ResolutionFigures
    from cxr_core.workspace.json_files import JsonObject

PHANTOMS_FILE = "drawings.json"


@command("train.stability")
def main(arguments: list[str] | None = None) -> None:
    """Evaluate, print the tables and the path of metrics.json. Returns the exit status."""
    options = _build_parser().parse_args(arguments)
    from cxr_core.data.prepare import open_data
    from cxr_core.evaluation.robustness.resolution import (
        choose_sample,
        measure_resolution,
        record_resolution,
    )
    from cxr_core.evaluation.robustness.stability import (
        StabilityMetrics,
        evaluate_phantoms,
        evaluate_stability,
        format_stability,
    )
    from cxr_core.evaluation.store.folder import write_files
    from cxr_core.models.registry.registry import list_classifiers
    from cxr_core.reading.reader import Reader

    with ProgressBar() as bar:
        films = open_data(options.data, bar).select_split(options.split)
        with Reader.installed() as reader:
            for flag in reader.left_out:
                bar.write_line(f"train.stability: {flag.message}")
            stability = evaluate_stability(
                reader,
                films,
                options.films,
                options.seed,
                lambda *counts: bar("reading changed films", *counts),
            )
            resolution = measure_resolution(
                reader,
                choose_sample(films, options.films),
                lambda *counts: bar("reading films in other sizes", *counts),
            )
            responses = evaluate_phantoms(reader, lambda *counts: bar("reading phantoms", *counts))
    for result in stability:
        print(f"\n{result.model}, {result.finding}\n\n{format_stability(result.changes)}")
    for (model, finding), figures in resolution.items():
        print(f"\n{model}, {finding}: {figures.describe()}")
    if options.record:
        for folder in record_resolution(list_classifiers(), options.record, resolution):
            print(f"train.stability: recorded in {printable(folder)}", file=sys.stderr)
    metrics = StabilityMetrics(
        split=options.split,
        films=options.films,
        seed=options.seed,
        data=films.data_sha256(),
        models=_group_by_model(stability),
        resolution=_group_resolution(resolution),
    )
    out = options.out or workspace() / "evaluations" / "stability"
    phantoms = json.dumps(_responses_json(responses), indent=2)
    print(write_files(out, {PHANTOMS_FILE: phantoms}, metrics))


def _group_by_model(
    stability: Sequence[FindingStability],
) -> dict[str, dict[str, Mapping[str, StabilityFigures]]]:
    """The figures by model, finding and change."""
    models: dict[str, dict[str, Mapping[str, StabilityFigures]]] = {}
    for result in stability:
        models.setdefault(result.model, {})[result.finding] = result.changes
    return models


def _group_resolution(
    figures: Mapping[tuple[str, str], ResolutionFigures],
) -> dict[str, dict[str, ResolutionFigures]]:
    """The figures by model and finding."""
    models: dict[str, dict[str, ResolutionFigures]] = {}
    for (model, finding), found in figures.items():
        models.setdefault(model, {})[finding] = found
    return models


def _responses_json(responses: Sequence[ModelResponse]) -> JsonObject:
    """The responses by model and phantom series."""
    models: dict[str, JsonObject] = {}
    for result in responses:
        models.setdefault(result.model, {})[result.series] = result.response.to_json()
    return {**models}


def _build_parser() -> Parser:
    parser = Parser(prog="python -m train.stability", description=__doc__)
    add_data(parser)
    parser.add_argument("--split", default="test", choices=tuple(SPLIT_NAMES))
    parser.add_argument(
        "--films", type=int, default=100, help="how many films to sample (default 100)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (default 0)")
    parser.add_argument(
        "--record",
        default="",
        metavar="NAME",
        help="also write how answers move with size and format into the cards of the models, under this name",
    )
    parser.add_argument(
        "--out", type=parse_path_argument, help="where to write (default: under the workspace)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
