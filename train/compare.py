"""python -m train.compare A B [...]: two to five evaluations on the films that they share, paired.

Prints AUROC and calibration of each and their differences, and writes comparison.json.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from cxr_core.errors import DataError, SilhouetteError
from cxr_core.evaluation.compare import Comparison, Contender, compare
from cxr_core.evaluation.comparison_text import comparison_lines
from cxr_core.evaluation.store.folder import METRICS, PREDICTIONS, read_metrics
from cxr_core.evaluation.store.provenance import read_learnt
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace
from train.arguments import Parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, compare, print the table and the path of comparison.json."""
    given = _parser().parse_args(arguments)
    try:
        found = compare([_contender(folder) for folder in given.evaluation])
        out = given.out or workspace() / "comparisons" / "-".join(
            folder.absolute().name for folder in given.evaluation
        )
        path = _write(out, found)
    except SilhouetteError as error:
        print(f"train.compare: {error}", file=sys.stderr)
        return 3
    print("\n".join(comparison_lines(found)))
    print(path)
    return 0


def _contender(folder: Path) -> Contender:
    """The evaluation in a folder, or the one of a run."""
    place = folder if (folder / METRICS).is_file() else folder / "evaluation"
    if read_metrics(place) is None:
        raise DataError(
            f"{folder} holds no evaluation; measure first: python -m train.evaluate MODEL_OR_RUN --data DIR"
        )
    try:
        table = pd.read_csv(place / PREDICTIONS, dtype={"patient": str, "image": str})
    except (OSError, ValueError) as error:
        raise DataError(f"{place / PREDICTIONS} cannot be read: {error}; evaluate again") from error
    return Contender(name=str(folder), table=table, learnt=read_learnt(place))


def _write(out: Path, found: Comparison) -> Path:
    """comparison.json, visible only once it is whole. Raises DataError when it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return atomic_write(
            out / "comparison.json", json.dumps(found.to_json(), indent=2, allow_nan=False) + "\n"
        )
    except OSError as error:
        raise DataError(
            f"the comparison cannot be written to {out}: {error.strerror}; give --out another"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.compare", description=__doc__)
    parser.add_argument(
        "evaluation",
        nargs="+",
        type=Path,
        help="an evaluation's folder, or a run that was evaluated",
    )
    parser.add_argument("--out", type=Path, help="where to write (default: under the workspace)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
