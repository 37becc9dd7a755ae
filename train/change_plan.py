"""python -m train.change_plan: what may change in readings, how it is tested, what stops it, as Markdown.

Prints the plan, with what was changed at this site where the workspace has a history of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cxr_core.errors import DataError, SilhouetteError
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.terminal import accept_any_text
from train.arguments import Parser, parse_path_argument


def main(arguments: list[str] | None = None) -> int:
    """Parse, write or print the plan; with --out print the path."""
    accept_any_text()
    given = _parser().parse_args(arguments)
    from cxr_core.promotion.change_plan import write_change_plan
    from cxr_core.site.profile_store import read_history

    try:
        plan = write_change_plan(() if given.without_history else read_history())
        if given.out is None:
            print(plan, end="")
            return 0
        _write(given.out, plan)
    except SilhouetteError as error:
        print(f"train.change_plan: {error}", file=sys.stderr)
        return 3
    print(given.out)
    return 0


def _write(out: Path, plan: str) -> None:
    """Raises DataError when it cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(out, plan)
    except OSError as error:
        raise DataError(
            f"the change plan cannot be written to {out}: {error.strerror}; give --out another place"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.change_plan", description=__doc__)
    parser.add_argument(
        "--out", type=parse_path_argument, metavar="FILE", help="where to write (default: print it)"
    )
    parser.add_argument(
        "--without-history", action="store_true", help="leave out what was changed at this site"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
