"""python -m train.publish RUN [--note TEXT]: install a finished, measured run's model, where the gate lets it through.

The gate compares it with the model in use on films that neither has learnt from; docs/gate.md says what it asks. With
--judge it is only asked. With --roll-back MODEL an earlier version of an installed model is put to use again.
"""

import argparse
import sys
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.models.registry.active_version import roll_back
from cxr_core.promotion.gate.verdict import GATE_FILE
from cxr_core.promotion.publish import judge, publish
from train.arguments import Parser
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, install or ask or roll back, print the path. 3 when that is refused, or the gate stays shut."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.run is None) == (given.roll_back is None):
        parser.error("give either the folder of a run, or --roll-back MODEL")
    if given.to and not given.roll_back:
        parser.error("--to needs --roll-back")
    try:
        if given.roll_back:
            print(roll_back(given.roll_back, given.note, given.to))
            return 0
        if given.judge:
            return _ask(given.run)
        print(publish(given.run, given.note, override=given.override, progress=progress_bar()))
    except SilhouetteError as error:
        print(f"train.publish: {error}", file=sys.stderr)
        return 3
    return 0


def _ask(run: Path) -> int:
    verdict = judge(run, progress=progress_bar())
    print(f"{verdict.in_words} Compared on: {verdict.films}", file=sys.stderr)
    for check in verdict.checks:
        print(
            f"  {check.status:<16} {check.name}{f', {check.finding}' if check.finding else ''}",
            file=sys.stderr,
        )
    print(run / GATE_FILE)
    return 0 if verdict.opens else 3


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.publish", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="the folder of a finished run")
    parser.add_argument(
        "--note",
        default="",
        help="why; needed to replace an installed model, and to roll back; kept",
    )
    parser.add_argument(
        "--override",
        default="",
        metavar="REASON",
        help="install it although the gate stays shut; the reason is kept",
    )
    parser.add_argument(
        "--judge", action="store_true", help="only ask the gate; nothing is installed"
    )
    parser.add_argument(
        "--roll-back", metavar="MODEL", help="put an earlier version of this model to use"
    )
    parser.add_argument(
        "--to", metavar="VERSION", help="which one (default: the one below that in use)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
