"""python -m train.stability --data DIR: how far answers move when a film is changed in ways that should not matter.

The installed models read films of the data as they are and through other files, sizes, exposures and small turns; drawn
chests show whether a probability follows the heart, or the opacity, that was drawn.
"""

import json
import sys
from pathlib import Path

from cxr_core.data.manifest import PARTS
from cxr_core.data.prepare import open_data
from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.robustness.evaluate_stability import evaluate_drawings, evaluate_stability
from cxr_core.evaluation.robustness.stability import stability_table
from cxr_core.evaluation.store.folder import write_texts
from cxr_core.reading.reader import Reader
from cxr_core.workspace.paths import workspace
from train.arguments import DATA, Parser
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, read, print the tables and the path of metrics.json."""
    given = _parser().parse_args(arguments)
    try:
        bar = progress_bar()
        films = open_data(given.data, bar).part(given.split)
        with Reader.installed() as reader:
            changed = evaluate_stability(
                reader,
                films,
                given.films,
                given.seed,
                lambda *counts: bar("reading changed films", *counts),
            )
            drawn = evaluate_drawings(reader, lambda *counts: bar("reading drawings", *counts))
        for model, findings in changed.items():
            for finding, changes in findings.items():
                print(f"\n{model}, {finding}\n\n{stability_table(changes)}")
        facts = {
            "part": given.split,
            "films": given.films,
            "seed": given.seed,
            "data": films.data_sha256(),
        }
        place = given.out or workspace() / "evaluations" / "stability"
        print(
            write_texts(
                place, {"drawings.json": json.dumps(drawn, indent=2)}, {**facts, "models": changed}
            )
        )
    except SilhouetteError as error:
        print(f"train.stability: {error}", file=sys.stderr)
        return 3
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m train.stability", description=__doc__)
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument("--split", default="test", choices=PARTS)
    parser.add_argument(
        "--films", type=int, default=100, help="how many films to draw (default 100)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--out", type=Path, help="where to write (default: under the workspace)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
