"""python -m train.evaluate MODEL_OR_RUN --data DIR: predictions, figures with 95 % intervals, curves, report.

A run's test part is the one that its recipe divided, or the data's own when the recipe says split = "given". A model
that outlines is measured against masks, and its ratio against labels of cardiomegaly, as far as the data has them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cxr_core.data.manifest import PARTS
from cxr_core.data.prepare import folders_of, open_data
from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.evaluate import record_in_card
from cxr_core.evaluation.store.official_test import record_use
from cxr_core.models.registry.registry import outlines
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Outliner
from cxr_core.training.run_data import part_of_run, run_in
from cxr_core.workspace.paths import workspace
from train.arguments import DATA, METHODS, Parser, method
from train.evaluating import ALONE, FIT_ON, Aside, evaluation_of
from train.model_names import model_folder
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, print the path of metrics.json."""
    given = _parser().parse_args(arguments)
    asked = ("beside", "fit_on", "outlines", "recalibrate")
    aside = Aside(**{name: getattr(given, name) for name in asked})
    try:
        path = measure(given.model, given.data, given.split, given.out, given.record, aside)
    except SilhouetteError as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 3
    print(path)
    return 0


def measure(
    name: str,
    data: Sequence[str | Path],
    part: str,
    out: Path | None = None,
    record: str = "",
    aside: Aside = ALONE,
) -> Path:
    """Evaluate a run, a model folder or an installed model, and write it down. Returns the path of metrics.json."""
    bar, run, folder = progress_bar(), run_in(Path(name)), model_folder(name)
    model = Outliner.load(folder) if outlines(folder) else Classifier.load(folder)
    manifest = open_data(data, bar)
    films = part_of_run(run, manifest, part) if run else manifest.part(part)
    found = evaluation_of(model, manifest, films, part, aside, run.progress() if run else [], bar)
    place = workspace() / "evaluations" / f"{model.card.model}-{part}"
    if run:
        place = run.path / "evaluation" / ("" if part == "test" else part)
    folders = [
        str(folder.resolve()) for folder in folders_of(data)
    ]  # for those who want to see the films again
    path = replace(found, data={**found.data, "folders": folders}).write(out or place)
    if part == "test":
        record_use(found.data, found.card, "train.evaluate")
    if record:
        record_in_card(folder, model.card, record, found.figures or {})
    return path


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.evaluate", description=__doc__)
    parser.add_argument(
        "model", help="a run folder, a model folder, or the name of an installed model"
    )
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument("--split", default="test", choices=PARTS)
    parser.add_argument(
        "--out", type=Path, help="where to write (default: in the run, or under the workspace)"
    )
    parser.add_argument(
        "--record",
        default="",
        metavar="NAME",
        help="also write the figures into the model's card under this name",
    )
    parser.add_argument(
        "--beside",
        metavar="MODEL",
        help="a classifier to compare a ratio with (default: installed)",
    )
    parser.add_argument(
        "--fit-on", default=ALONE.fit_on, choices=FIT_ON, help="to combine ratio and classifier on"
    )
    parser.add_argument(
        "--outlines", metavar="MODEL", help="outlines to compare heatmaps with (default: installed)"
    )
    parser.add_argument("--recalibrate", type=method, metavar="METHOD", help=METHODS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
