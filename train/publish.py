"""python -m train.publish RUN [--note TEXT]: install a finished run's model, measured on a test part, in the workspace.

A first form: that it is better than the model it replaces is not checked yet; the note says why it should be used.
"""

import argparse
import sys
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.training.publish import publish
from train.arguments import Parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, install, print the installed folder."""
    given = _parser().parse_args(arguments)
    try:
        print(publish(given.run, given.note))
    except SilhouetteError as error:
        print(f"train.publish: {error}", file=sys.stderr)
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.publish", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--note", default="", help="why; needed to replace an installed model, and kept in its card")
    return parser


if __name__ == "__main__":
    sys.exit(main())
