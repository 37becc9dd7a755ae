"""python -m train.average RUN RUN [RUN ...] --data DIR: make one model of several runs, the mean of their logits.

The runs must have the same network and the same training films of the same data, with the same label layers.
"""

import sys

from train.command_line.arguments import Parser, add_data, parse_path_argument
from train.command_line.command import command
from train.command_line.progress import report_progress


@command("train.average")
def main(arguments: list[str] | None = None) -> None:
    """Parse, average, print the path of the model written. 3 when the runs cannot be averaged."""
    given = _create_parser().parse_args(arguments)
    from cxr_core.training.export.ensemble import build_ensemble

    with report_progress() as progress:
        model = build_ensemble(
            given.runs,
            given.data,
            run=given.run,
            version=given.version,
            progress=lambda done, total: progress("reading films", done, total),
        )
    print(model)


def _create_parser() -> Parser:
    parser = Parser(prog="python -m train.average", description=__doc__)
    parser.add_argument(
        "runs",
        type=parse_path_argument,
        nargs="+",
        help="the folders of finished runs, two or more",
    )
    add_data(parser)
    parser.add_argument(
        "--run", type=parse_path_argument, help="the folder to write (default: under the workspace)"
    )
    parser.add_argument(
        "--version", default="1.0.0", help="the version of the model written (default 1.0.0)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
