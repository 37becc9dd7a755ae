"""python -m train.refit MODEL_OR_RUN --data DIR --set reduce_to=64 --set blur=0.7: other settings of a model's input.

The weights stay. Calibration, thresholds, the scale of heatmaps and the out-of-distribution score are fitted anew to
the training and validation films, prepared with the new settings. The result is a run that can be combined with the
ratio, evaluated and published.
"""

import argparse
import sys

from train.command_line.arguments import (
    Parser,
    add_model_and_data,
    parse_assignment,
    parse_path_argument,
)
from train.command_line.command import command
from train.command_line.progress import ProgressBar


@command("train.refit")
def main(arguments: list[str] | None = None) -> None:
    """Parse, refit, print the path of the model written. 3 when that is refused."""
    given = _create_parser().parse_args(arguments)
    from cxr_core.training.export.refit import refit_model
    from train.command_line.model_names import find_model_folder

    with ProgressBar() as bar:
        model = refit_model(
            find_model_folder(given.model),
            given.data,
            dict(given.set),
            version=given.version,
            run=given.run,
            progress=bar,
        )
    print(model)


def _create_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.refit", description=__doc__)
    add_model_and_data(parser)
    parser.add_argument(
        "--set",
        type=parse_assignment,
        action="append",
        required=True,
        metavar="KEY=VALUE",
        help="replace a value of the recipe's input: equalisation, mean, std, reduce_to or blur; repeatable",
    )
    parser.add_argument("--version", required=True, help="the version of the model written")
    parser.add_argument(
        "--run", type=parse_path_argument, help="the folder to write (default: under the workspace)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
