"""python -m train.prepare --data DIR: decode, check and register a dataset; prints the path of the report."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.sources.kinds import KINDS
from train.command_line.arguments import DATA, Parser, parse_name_or_path
from train.command_line.command import command
from train.command_line.progress import ProgressBar

if TYPE_CHECKING:
    from cxr_core.data.checks.decision import Action
    from cxr_core.data.checks.issue import Issue
    from cxr_core.data.registry import Dataset


@command("train.prepare")
def main(arguments: list[str] | None = None) -> int:
    """Parse, prepare, print the report's path. 3 when the dataset cannot be used, or not before a decision."""
    given = build_parser().parse_args(arguments)
    from cxr_core.data.prepare import prepare_dataset, resolve_folders
    from cxr_core.data.sources.label_mapping import describe_mapping
    from cxr_core.known_findings import define_finding

    decisions: list[tuple[str, Action]] = [(code, "accept") for code in given.accept]
    decisions += [(code, "exclude") for code in given.exclude]
    try:
        for key, name, definition in given.define_finding:
            define_finding(key, name, definition)
        with ProgressBar() as bar:
            dataset = prepare_dataset(
                resolve_folders(given.data),
                progress=bar,
                kind=given.kind,
                name=given.name,
                decisions=decisions,
                note=given.note,
                label_mapping=dict(given.map),
            )
        print(dataset.report)
        account = dataset.load_manifest().account_for_films()
        if account is not None:
            print(account.sentence, file=sys.stderr)
        if dataset.label_mapping:
            print(f"Labels mapped: {describe_mapping(dataset.label_mapping)}", file=sys.stderr)
        for issue in dataset.load_issues():
            print(format_issue(dataset, issue), file=sys.stderr)
        dataset.require_sound()
    except KeyboardInterrupt:
        print("train.prepare: stopped; what is decoded so far is kept", file=sys.stderr)
        return 130
    return 0


def format_issue(dataset: Dataset, issue: Issue) -> str:
    """One line: severity, code, the decision if there is one, and the message."""
    decision = dataset.decision_about(issue)
    decided = f" ({decision.action}ed)" if decision else ""
    return f"{issue.severity:<8}  {issue.code}{decided}: {issue.message}"


def _parse_mapping(text: str) -> tuple[str, str]:
    label, equals, target = text.rpartition("=")
    if not equals or not label.strip() or not target.strip():
        raise argparse.ArgumentTypeError(f"expected LABEL=FINDING, found {text!r}")
    return label.strip(), target.strip()


def build_parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = Parser(prog="python -m train.prepare", description=__doc__)
    parser.add_argument(
        "--data", type=parse_name_or_path, action="append", required=True, help=DATA
    )
    parser.add_argument(
        "--kind", choices=KINDS, help="the layout of the folders (default: detected)"
    )
    parser.add_argument(
        "--name", help="register the dataset under this name (default: the folders' own)"
    )
    for action, meaning in (
        ("accept", "continue in spite of this issue"),
        ("exclude", "leave out this issue's films"),
    ):
        parser.add_argument(
            f"--{action}",
            action="append",
            default=[],
            choices=sorted(ISSUES),
            metavar="CODE",
            help=f"{meaning}; repeatable, and kept on record",
        )
    parser.add_argument("--note", default="", help="the reason, for the record")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        type=_parse_mapping,
        metavar="LABEL=FINDING",
        help="what a column, a label in a cell or a class folder means: a finding, ignore, no_finding, or detect for "
        "what the program reads by itself; repeatable, and kept on record",
    )
    parser.add_argument(
        "--define-finding",
        action="append",
        default=[],
        nargs=3,
        metavar=("KEY", "NAME", "DEFINITION"),
        help="define a finding of your own in this workspace; repeatable",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
