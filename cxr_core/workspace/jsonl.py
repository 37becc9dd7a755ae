"""Files of JSON lines that only grow; a line that a kill cut short is skipped when they are read."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import (
    Json,
    JsonObject,
    escape_surrogates,
    parse_json,
    read_bounded,
)
from cxr_core.workspace.paths import printable

REMEDY = "allow reading it, or move it away, and a new one is begun"


def append_line(path: Path, entry: Mapping[str, Json]) -> None:
    """Append an entry as one line, which is on the disk when this returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")), path.open("a+b") as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            # Ends the line that a kill cut short, so that the new one is complete.
            file.write(b"\n")
        line = escape_surrogates(json.dumps(dict(entry), ensure_ascii=False))
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> list[JsonObject]:
    """Every complete line's object, the oldest first; empty when there is no such file.

    Raises RecordError, which names the file, when it cannot be read, or none of its lines.
    """
    try:
        lines = [line for line in read_bounded(path).split(b"\n") if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, RecordError) as error:
        raise RecordError(
            f"{printable(path)} cannot be read: {getattr(error, 'strerror', None) or error}; {REMEDY}"
        ) from error
    entries = [entry for entry in map(_parse_line, lines) if entry is not None]
    if lines and not entries:
        raise RecordError(f"{printable(path)} holds no line that this program wrote; {REMEDY}")
    return entries


def utc_now(precision: Literal["seconds", "microseconds"] = "seconds") -> str:
    """The present time as these files state it: ISO 8601, UTC. Microseconds are for times that name a file."""
    return datetime.now(UTC).isoformat(timespec=precision)


def _parse_line(line: bytes) -> JsonObject | None:
    try:
        entry = parse_json(line)
    except RecordError:
        return None
    return entry if isinstance(entry, dict) else None
