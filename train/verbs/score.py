"""python -m cxr_core score --data DIR --out DIR: read an archive of films by the installed models into Parquet files.

What a kill interrupts goes on with --resume; docs/scale.md describes the columns.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from cxr_core.decisions import DECISIONS, DEFAULT_DECISION
from cxr_core.errors import SettingsError
from cxr_core.workspace.malloc import keep_freed_memory
from cxr_core.workspace.openmp import let_idle_threads_sleep
from train.command_line.arguments import Parser, parse_name_or_path, parse_path_argument
from train.command_line.command import command
from train.command_line.progress import ProgressBar, report_progress, stop_on_signals

if TYPE_CHECKING:
    from cxr_core.scale.scoring.score import ScoringProgress

DATA = (
    "a folder of films, a CSV or Parquet table with their paths, a registered dataset, a storage such as "
    "s3://bucket/films, or a query to a PACS such as pacs://NAME?from=2026-01-01&to=2026-06-30; repeatable"
)
ON = "local (default), or the address of a Ray cluster: ray://HOST:PORT, HOST:PORT or auto"


@command("cxr_core score")
def main(arguments: list[str] | None = None) -> None:
    """Parse, score, print the folder. 2 for bad arguments, 3 when nothing can be scored."""
    parser = _create_parser()
    given = parser.parse_args(arguments)
    stop = stop_on_signals()
    let_idle_threads_sleep()
    keep_freed_memory()
    from cxr_core.reading.read_options import parse_prevalence, spread_prevalence
    from cxr_core.scale.scoring.score import ScoringOptions, score_archive
    from cxr_core.scale.scoring.scoring_folder import describe_counts

    try:
        prevalence = spread_prevalence([parse_prevalence(text) for text in given.prevalence])
    except SettingsError as error:
        parser.error(f"argument --prevalence: {error}")
    with report_progress() as progress:

        def tell(scoring: ScoringProgress) -> None:
            if isinstance(progress, ProgressBar):
                progress("reading films", scoring.done, scoring.total, scoring.describe())
            else:
                progress("reading films", scoring.done, scoring.total)

        options = ScoringOptions(
            decision=given.decision,
            prevalence=prevalence,
            on=given.on,
            resume=given.resume,
            leave_out_missing=given.leave_out_missing,
            films_per_shard=given.films_per_shard,
            stop=stop,
            tell=tell,
            note=lambda sentence: print(sentence, file=sys.stderr),
        )
        counts = score_archive(given.data, given.out, options)
    print(describe_counts(counts), file=sys.stderr)
    print(given.out)


def _create_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cxr_core score", description=__doc__)
    parser.add_argument(
        "--data", type=parse_name_or_path, action="append", required=True, help=DATA
    )
    parser.add_argument(
        "--out", type=parse_path_argument, required=True, metavar="DIR", help="where to write"
    )
    parser.add_argument("--on", default="local", metavar="ADDRESS", help=ON)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on in --out: films that were read and have not changed are not read again",
    )
    parser.add_argument(
        "--leave-out-missing",
        action="store_true",
        help="score the other films where files that a table names are not there",
    )
    parser.add_argument(
        "--films-per-shard",
        type=_parse_count,
        default=500,
        metavar="N",
        help="films in each Parquet file; a kill costs the readings of one (default 500)",
    )
    parser.add_argument("--decision", default=DEFAULT_DECISION, choices=DECISIONS)
    parser.add_argument(
        "--prevalence",
        action="append",
        default=[],
        metavar="[FINDING=]SHARE",
        help="share of patients with the finding, as read takes it",
    )
    return parser


def _parse_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 100,000, found {text!r:.40}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
