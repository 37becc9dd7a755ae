"""python -m train.evaluate MODEL_OR_RUN --data DIR: predictions, figures with 95 % intervals, curves, report.

A run's test part is the one that its recipe divided, or the data's own when the recipe says split = "given".
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cxr_core.data.manifest import PARTS
from cxr_core.data.prepare import open_data
from cxr_core.errors import ModelError, RunError, SilhouetteError
from cxr_core.evaluation.evaluate import evaluate, record_in_card
from cxr_core.evaluation.folder import write_evaluation
from cxr_core.models.registry import installed, workspace
from cxr_core.models.store import CARD
from cxr_core.reading.classifier import Classifier
from cxr_core.training.parts import part_of_run, run_in
from train.arguments import DATA, Parser
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, print the path of metrics.json."""
    given = _parser().parse_args(arguments)
    try:
        path = measure(given.model, given.data, given.split, given.out, given.record)
    except SilhouetteError as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 3
    print(path)
    return 0


def measure(name: str, data: Sequence[str | Path], part: str, out: Path | None = None, record: str = "") -> Path:
    """Evaluate a run, a model folder or an installed model, and write it down. Returns the path of metrics.json."""
    bar, run, folder = progress_bar(), run_in(Path(name)), model_folder(name)
    classifier = Classifier.load(folder)
    manifest = open_data(data, bar)
    films = part_of_run(run, manifest, part) if run else manifest.part(part)
    events = run.progress() if run else []
    found = evaluate(classifier, films, part, events=events, progress=lambda *counts: bar("reading films", *counts))
    place = workspace() / "evaluations" / f"{found.card.model}-{part}"
    if run:
        place = run.path / "evaluation" / ("" if part == "test" else part)
    path = write_evaluation(out or place, found)
    if record:
        record_in_card(folder, classifier.card, record, found.figures)
    return path


def model_folder(name: str) -> Path:
    """A model folder, the model of a run folder, or an installed model by name."""
    for folder in (Path(name), Path(name) / "model"):
        if (folder / CARD).is_file():
            return folder
    if run_in(Path(name)):
        raise RunError(f"{name} has no model yet; go on with: python -m train.fit --resume {name}")
    by_name = {folder.parent.name: folder for folder in installed()}
    if name not in by_name:
        raise ModelError(f"{name!r} is no model folder, run folder or installed model; installed: {', '.join(by_name)}")
    return by_name[name]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.evaluate", description=__doc__)
    parser.add_argument("model", help="a run folder, a model folder, or the name of an installed model")
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument("--split", default="test", choices=PARTS)
    parser.add_argument("--out", type=Path, help="where to write (default: in the run, or under the workspace)")
    parser.add_argument(
        "--record", default="", metavar="NAME", help="also write the figures into the model's card under this name"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
