"""python -m train.prepare --data DIR: verify, doctor and cache a dataset; prints the path of the doctor's report."""

import argparse
import sys

from cxr_core.data.checks.decision import Resolution
from cxr_core.data.checks.issue import ISSUES
from cxr_core.data.prepare import folders_of, prepare
from cxr_core.data.sources.sources import SOURCES
from cxr_core.errors import SilhouetteError
from train.arguments import DATA, Parser
from train.progress import progress_bar


def main(arguments: list[str] | None = None) -> int:
    """Parse, prepare, print the report's path. 3 when the dataset cannot be used, or not before somebody chooses."""
    given = _parser().parse_args(arguments)
    choices: list[tuple[str, Resolution]] = [(code, "accept") for code in given.accept]
    choices += [(code, "exclude") for code in given.exclude]
    try:
        dataset = prepare(
            folders_of(given.data),
            progress=progress_bar(),
            kind=given.kind,
            name=given.name,
            choices=choices,
            note=given.note,
        )
        print(dataset.report)
        for issue in dataset.issues():
            chosen = dataset.choice_about(issue)
            print(
                f"{issue.severity:<8}  {issue.code}{f' ({chosen.choice}ed)' if chosen else ''}: {issue.message}",
                file=sys.stderr,
            )
        dataset.require_sound()
    except KeyboardInterrupt:
        print("\ntrain.prepare: stopped; what is decoded so far is kept", file=sys.stderr)
        return 130
    except SilhouetteError as error:
        print(f"train.prepare: {error}", file=sys.stderr)
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.prepare", description=__doc__)
    parser.add_argument("--data", action="append", required=True, help=DATA)
    parser.add_argument(
        "--kind", choices=sorted(SOURCES), help="how the folders are laid out (default: detected)"
    )
    parser.add_argument("--name", help="register it under this name (default: the folders' own)")
    for choice, meaning in (
        ("accept", "go on in spite of this issue"),
        ("exclude", "leave out this issue's films"),
    ):
        parser.add_argument(
            f"--{choice}",
            action="append",
            default=[],
            choices=sorted(ISSUES),
            metavar="CODE",
            help=f"{meaning}; repeatable, and kept on record",
        )
    parser.add_argument("--note", default="", help="why, for the record")
    return parser


if __name__ == "__main__":
    sys.exit(main())
