"""Files of JSON lines that only grow; a line that a kill cut short is skipped when they are read."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import (
    Json,
    JsonObject,
    escape_surrogates,
    parse_json,
    read_bounded,
)


def append_line(path: Path, entry: Mapping[str, Json]) -> None:
    """Append an entry as one line, which is on the disk when this returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")), path.open("a+b") as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write(
                b"\n"
            )  # ends the line that a kill cut short, so that the new one is complete
        line = escape_surrogates(json.dumps(dict(entry), ensure_ascii=False))
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> list[JsonObject]:
    """Every complete line's object, the oldest first; empty when there is no such file, or none that can be read."""
    try:
        lines = read_bounded(path).split(b"\n")
    except (OSError, RecordError):
        return []
    entries = (_parse_line(line) for line in lines)
    return [entry for entry in entries if entry is not None]


def utc_now() -> str:
    """The present time as these files state it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parse_line(line: bytes) -> JsonObject | None:
    try:
        entry = parse_json(line)
    except RecordError:
        return None
    return entry if isinstance(entry, dict) else None
