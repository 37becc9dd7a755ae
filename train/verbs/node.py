"""python -m cxr_core node: receive films from a hospital's machines, read them, send the results to its archive.

Without an option it works until Ctrl-C or SIGTERM. Who may send, and where results go, is in <workspace>/pacs.toml; see
docs/node.md. Films without a result wait as dead films until they are tried again or discarded.
"""

import argparse
import signal
import sys
import threading
from datetime import datetime

from cxr_core.dicom_io.node.overview import (
    NodeOverview,
    describe_reason,
    discard_films,
    look_at_node,
    require_node_settings,
    retry_films,
)
from cxr_core.dicom_io.pacs.settings import NodeSettings
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.malloc import keep_freed_memory
from cxr_core.workspace.openmp import let_idle_threads_sleep
from train.command_line.arguments import Parser
from train.command_line.command import command

ALL = "all"


@command("node")
def main(arguments: list[str] | None = None) -> None:
    """Parse and work. 3 when the node cannot start, or a film is not dead."""
    given = _parser().parse_args(arguments)
    if given.list:
        _print_overview(look_at_node())
    elif given.retry:
        print(f"tried again: {format_count(retry_films(_ids(given.retry)), 'films')}")
    elif given.discard:
        print(f"discarded: {format_count(discard_films(_ids(given.discard)), 'films')}")
    else:
        _work()


def _work() -> None:
    from cxr_core.dicom_io.node.node import run_node

    settings, node = require_node_settings()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    let_idle_threads_sleep()
    keep_freed_memory()
    run_node(settings, node, stop, lambda: _say_ready(node, settings.results))


def _say_ready(node: NodeSettings, results: str) -> None:
    print(
        f"Receiving films as {node.ae_title} on {node.address} port {node.port}; results go to {results}.",
        flush=True,
    )


def _print_overview(overview: NodeOverview) -> None:
    process = overview.process
    print(f"running as process {process.pid}" if process else "not running")
    for state, count in sorted(overview.counts.items()):
        print(f"{state}: {count}")
    if overview.problem:
        print(f"results wait: {describe_reason(overview.problem)}")
    for film in overview.dead:
        received = datetime.fromtimestamp(film.received).isoformat(" ", "minutes")
        print(f"dead film {film.id}, received {received}: {describe_reason(film.reason)}")


def _ids(words: list[int | str]) -> list[int] | None:
    """The numbers of films; None for all."""
    return None if ALL in words else [word for word in words if isinstance(word, int)]


def _parse_film(text: str) -> int | str:
    if text == ALL:
        return ALL
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no film; give numbers that --list shows, or {ALL}"
        ) from None


def _parser() -> Parser:
    parser = Parser(prog="python -m cxr_core node", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--list", action="store_true", help="show the queue and the dead films")
    for option, purpose in (
        ("--retry", "try dead films again"),
        ("--discard", "delete dead films"),
    ):
        choice.add_argument(option, nargs="+", type=_parse_film, metavar="FILM", help=purpose)
    return parser


if __name__ == "__main__":
    sys.exit(main())
