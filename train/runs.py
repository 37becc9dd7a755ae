"""python -m train.runs VERB: list the runs of the workspace, give them names, tags and notes, pin the baseline."""

import argparse
import dataclasses
import sys

from cxr_core.jobs.files import find_run_folder
from cxr_core.jobs.job import Job
from cxr_core.jobs.status import list_runs
from cxr_core.training.runs.annotation import (
    RunAnnotation,
    make_annotation,
    pin_baseline,
    read_baseline,
)
from cxr_core.workspace.paths import printable
from train.command_line.arguments import Parser
from train.command_line.command import command


@command("train.runs")
def main(arguments: list[str] | None = None) -> None:
    """Parse, list or change. 3 when a run is not there, or cannot be written."""
    given = _parser().parse_args(arguments)
    if given.verb == "list":
        _print_runs(given.tag)
    elif given.verb == "pin":
        pin_baseline(find_run_folder(given.run).name)
    elif given.verb == "unpin":
        pin_baseline("")
    else:
        from cxr_core.jobs.actions import annotate_run

        annotate_run(given.run, lambda before: _change(before, given))


def _change(before: RunAnnotation, given: argparse.Namespace) -> RunAnnotation:
    if given.verb == "rename":
        return make_annotation(given.name, before.tags, before.note)
    if given.verb == "note":
        return dataclasses.replace(before, note=given.note.strip())
    if given.verb == "tag":
        return make_annotation(before.name, [*before.tags, *given.tags], before.note)
    removed = {tag.casefold() for tag in given.tags}
    kept = tuple(tag for tag in before.tags if tag.casefold() not in removed)
    return dataclasses.replace(before, tags=kept)


def _print_runs(tag: str) -> None:
    """A line for each run: id, state, and what was written about it."""
    baseline = read_baseline()
    for run in list_runs():
        if not tag or tag.casefold() in map(str.casefold, run.annotation.tags):
            print(_describe_run(run, is_baseline=run.id == baseline))


def _describe_run(run: Job, is_baseline: bool) -> str:
    phrases = [run.id, run.state]
    if is_baseline:
        phrases.append("baseline")
    if run.annotation.name:
        phrases.append(repr(run.annotation.name))
    if run.annotation.tags:
        phrases.append(f"[{', '.join(map(printable, run.annotation.tags))}]")
    return "  ".join(phrases)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.runs", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list every run with its state, name and tags")
    listing.add_argument("--tag", default="", help="only those with this tag")
    rename = _add_verb(verbs, "rename", "give a run a name; its folder keeps its own")
    rename.add_argument("name", help="an empty text removes it")
    for verb, purpose in (("tag", "add tags to a run"), ("untag", "remove tags from a run")):
        _add_verb(verbs, verb, purpose).add_argument("tags", nargs="+", metavar="TAG")
    note = _add_verb(verbs, "note", "replace the note about a run")
    note.add_argument("note", help="an empty text removes it")
    _add_verb(verbs, "pin", "make a run the baseline that others are compared with")
    verbs.add_parser("unpin", help="have no baseline")
    return parser


def _add_verb(
    verbs: argparse._SubParsersAction, verb: str, purpose: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(verb, help=purpose)
    parser.add_argument("run", help="its id, see `list`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
