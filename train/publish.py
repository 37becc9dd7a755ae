"""python -m train.publish RUN [--note TEXT]: install the model of a finished, evaluated run, if the gate is open.

The gate compares it with each model in use that answers the same findings for the same patients, on films that neither
was trained on; docs/gate.md says what it requires. Those models are then retired.
With --judge only the gate is run. With --roll-back MODEL an earlier version of an installed model is activated again.
"""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cxr_core.jobs.activity import GATE_ACTIVITY, track_activity
from cxr_core.training.runs.run_files import has_run
from train.command_line.arguments import Parser, parse_path_argument
from train.command_line.command import command
from train.command_line.progress import ProgressBar


@command("train.publish")
def main(arguments: list[str] | None = None) -> int:
    """Parse, install or compare or roll back, print the path. 3 when that is refused, or the gate is closed."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.run is None) == (given.roll_back is None):
        parser.error("give either the folder of a run, or --roll-back MODEL")
    if given.to and not given.roll_back:
        parser.error("--to needs --roll-back")
    if given.roll_back:
        from cxr_core.models.registry.active_version import roll_back

        print(roll_back(given.roll_back, given.note, given.to))
        return 0
    with _track(given.run):
        if given.judge:
            return _show_verdict(given.run)
        from cxr_core.promotion.publish import publish

        with ProgressBar() as bar:
            folder = publish(given.run, given.note, override=given.override, progress=bar)
        _name_retired(folder)
        print(folder)
    return 0


def _track(run: Path) -> AbstractContextManager[None]:
    """Let the Train page know that the gate compares the run; a folder without a run is refused later."""
    return track_activity(run, GATE_ACTIVITY) if has_run(run) else nullcontext()


def _name_retired(folder: Path) -> None:
    """Say which models of other names a publication took out of use."""
    from cxr_core.models.card_file import read_card

    retired = read_card(folder).training["published"]["retires"]
    if retired:
        model = folder.parent.name
        print(
            f"train.publish: it replaces {', '.join(retired)}. To take that back: python -m train.models undo {model}",
            file=sys.stderr,
        )


def _show_verdict(run: Path) -> int:
    from cxr_core.promotion.gate.verdict import GATE_FILE
    from cxr_core.promotion.publish import compare_run

    with ProgressBar() as bar:
        verdict = compare_run(run, progress=bar)
    print(f"{verdict.in_words} Measured on: {verdict.comparison_set}", file=sys.stderr)
    if verdict.rules_in_words:
        print(verdict.rules_in_words, file=sys.stderr)
    for check in verdict.checks:
        finding = f", {check.finding}" if check.finding else ""
        comparison = f", compared with {check.incumbent}" if check.incumbent else ""
        print(f"  {check.status:<16} {check.name}{finding}{comparison}", file=sys.stderr)
    print(run / GATE_FILE)
    return 0 if verdict.is_open else 3


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.publish", description=__doc__)
    parser.add_argument(
        "run", type=parse_path_argument, nargs="?", help="the folder of a finished run"
    )
    parser.add_argument(
        "--note",
        default="",
        help="the reason, kept on record; needed to replace an installed model or to roll back",
    )
    parser.add_argument(
        "--override",
        default="",
        metavar="REASON",
        help="install it although the gate is closed; the reason is kept",
    )
    parser.add_argument(
        "--judge", action="store_true", help="only run the gate; nothing is installed"
    )
    parser.add_argument(
        "--roll-back", metavar="MODEL", help="activate an earlier version of this model"
    )
    parser.add_argument(
        "--to", metavar="VERSION", help="to this one (default: the one below the active version)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
