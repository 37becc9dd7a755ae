"""python -m train.evaluate MODEL_OR_RUN --data DIR: predictions.csv and metrics.json with 95 % intervals by patient."""

import argparse
import sys
from pathlib import Path

from cxr_core.data.prepare import open_data
from cxr_core.errors import ModelError, SilhouetteError
from cxr_core.evaluation.evaluate import figures, predictions, record_in_card, write_evaluation
from cxr_core.models.registry import installed, workspace
from cxr_core.models.store import CARD
from cxr_core.reading.classifier import Classifier
from train.arguments import DATA, Parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, print the path of metrics.json."""
    given = _parser().parse_args(arguments)
    try:
        folder = _model_folder(given.model)
        classifier = Classifier.load(folder)
        table = predictions(classifier, open_data(given.data).part(given.split))
        found = figures(classifier.card, table)
        out = given.out or workspace() / "evaluations" / f"{classifier.card.model}-{given.split}"
        path = write_evaluation(out, given.split, classifier.card, table, found)
        if given.record:
            record_in_card(folder, classifier.card, given.record, found)
    except SilhouetteError as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 3
    print(path)
    return 0


def _model_folder(name: str) -> Path:
    """A model folder, the model of a run folder, or an installed model by name."""
    for folder in (Path(name), Path(name) / "model"):
        if (folder / CARD).is_file():
            return folder
    by_name = {folder.parent.name: folder for folder in installed()}
    if name not in by_name:
        raise ModelError(f"{name!r} is no model folder, run folder or installed model; installed: {', '.join(by_name)}")
    return by_name[name]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.evaluate", description=__doc__)
    parser.add_argument("model", help="a model folder, a run folder, or the name of an installed model")
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--out", type=Path, help="where to write (default: under the workspace)")
    parser.add_argument("--record", metavar="NAME", help="also write the figures into the model's card under this name")
    return parser


if __name__ == "__main__":
    sys.exit(main())
