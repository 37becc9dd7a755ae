"""The output of commands: it takes any text, whatever the terminal's encoding, and ends where nobody reads it."""

import codecs
import io
import json
import os
import sys
from collections.abc import Mapping

from cxr_core.workspace.json_files import Json


def accept_any_text() -> None:
    """Write what standard output and standard error cannot encode as escapes, such as `\\xd7`, instead of failing.

    For the start of a command. A name in old bytes, or a × on a terminal in ASCII, would otherwise end a batch.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Write the rest of standard output nowhere, where nobody reads it any more: what is buffered would fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_json_line(content: Mapping[str, Json]) -> str:
    """An object as one line of JSON for standard output: in ASCII where that is not in UTF-8."""
    encoding = sys.stdout.encoding or "ascii"
    return json.dumps(dict(content), ensure_ascii=codecs.lookup(encoding).name != "utf-8")
