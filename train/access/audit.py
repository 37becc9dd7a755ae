"""python -m cxr_core audit: show what the audit log holds, or check that it is complete and unchanged.

Exit status 0: nothing is wrong, or lines were shown. 1: lines are missing, cut or changed. 3: there is no log, or it
cannot be read.
"""

import argparse
import hashlib
import json
import sys
from itertools import islice
from pathlib import Path

from cxr_core.access.audit import audit_folder, hash_film
from cxr_core.access.audit_check import list_entries, verify_log
from cxr_core.film.limits import MAX_BYTES
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.outside_files import read_outside_file
from train.command_line.arguments import Parser, parse_path_argument
from train.command_line.command import command

DAMAGED, REFUSED = 1, 3
LAST = 20


@command("audit")
def main(arguments: list[str] | None = None) -> int:
    """Parse, look, print. 1 for a log that is not as it was written."""
    given = _parser().parse_args(arguments)
    if given.verify or given.known:
        return _verify(given.known)
    return _show(given.last, given.film)


def _verify(known: str) -> int:
    report = verify_log(audit_folder(), known)
    for problem in report.problems:
        print(problem)
    lines, files = format_count(report.lines, "lines"), format_count(report.files, "files")
    if report.problems:
        count = format_count(len(report.problems), "problems")
        print(f"{count} in {lines} of {files}. The log is not as it was written.")
        return DAMAGED
    print(f"{lines} in {files}, complete and unchanged. The last one's hash is {report.last}")
    return 0


def _show(last: int, film: Path | None) -> int:
    """Print the newest lines, the oldest of them first; of one film only, if it is given."""
    entries = list_entries(audit_folder())
    if film is not None:
        sha256 = hashlib.sha256(read_outside_file(film, MAX_BYTES)).hexdigest()
        wanted = hash_film(sha256)
        entries = (entry for entry in entries if entry.get("film") == wanted)
    for entry in reversed(list(islice(entries, last))):
        print(json.dumps(entry))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cxr_core audit", description=__doc__)
    parser.add_argument(
        "--verify", action="store_true", help="check that every line is there and unchanged"
    )
    parser.add_argument(
        "--known",
        default="",
        metavar="HASH",
        help="verify, and look for the line whose hash an earlier --verify printed",
    )
    parser.add_argument(
        "--last", type=_parse_count, default=LAST, metavar="N", help=f"lines to show ({LAST})"
    )
    parser.add_argument(
        "--film", type=parse_path_argument, metavar="FILE", help="only lines about this film"
    )
    return parser


def _parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
