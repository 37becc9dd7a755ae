"""python -m train.compare A B [...]: two to five evaluations on the films that they share, paired.

Prints AUROC and calibration of each and their differences, and writes comparison.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import DataError
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace
from train.command_line.arguments import Parser, parse_path_argument
from train.command_line.command import command

if TYPE_CHECKING:
    from cxr_core.evaluation.compare import ComparedEvaluation, Comparison

COMPARED_COLUMNS = ("image", "patient", "finding", "label", "probability")


@command("train.compare")
def main(arguments: list[str] | None = None) -> None:
    """Parse, compare, print the figures and the path of comparison.json."""
    options = _parser().parse_args(arguments)
    from cxr_core.evaluation.compare import compare_evaluations, format_comparison

    comparison = compare_evaluations([_load(folder) for folder in options.evaluation])
    path = _write(options.out or _default_folder(options.evaluation), comparison)
    print("\n".join(format_comparison(comparison)))
    print(path)


def _default_folder(evaluations: list[Path]) -> Path:
    names = [folder.absolute().name for folder in evaluations]
    return workspace() / "comparisons" / "-".join(names)


def _load(folder: Path) -> ComparedEvaluation:
    """The evaluation in a folder, or the one of a run."""
    from cxr_core.evaluation.compare import ComparedEvaluation
    from cxr_core.evaluation.store.folder import METRICS, read_metrics
    from cxr_core.evaluation.store.predictions import read_predictions
    from cxr_core.evaluation.store.provenance import read_training_hashes

    place = folder if os.path.lexists(folder / METRICS) else folder / "evaluation"
    if not os.path.lexists(place / METRICS):
        raise DataError(
            f"{folder} holds no evaluation; evaluate first: python -m train.evaluate MODEL_OR_RUN --data DIR"
        )
    if read_metrics(place) is None:
        raise DataError(f"{place / METRICS} is damaged; evaluate again")
    table = read_predictions(place, COMPARED_COLUMNS)
    return ComparedEvaluation(
        name=str(folder), table=table, training_hashes=read_training_hashes(place)
    )


def _write(out: Path, comparison: Comparison) -> Path:
    """comparison.json, visible only once it is complete. Raises DataError when it cannot be written."""
    text = json.dumps(comparison.to_json(), indent=2, allow_nan=False) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        return atomic_write(out / "comparison.json", text)
    except OSError as error:
        raise DataError(
            f"the comparison cannot be written to {out}: {error.strerror}; give --out another folder"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.compare", description=__doc__)
    parser.add_argument(
        "evaluation",
        nargs="+",
        type=parse_path_argument,
        help="an evaluation's folder, or a run that was evaluated",
    )
    parser.add_argument(
        "--out", type=parse_path_argument, help="where to write (default: under the workspace)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
