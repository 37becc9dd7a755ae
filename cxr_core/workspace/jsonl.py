"""Files that are only ever appended to, a JSON object per line; a line that a kill cut short is no line."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a line, on the disk before this returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")), path.open("a+b") as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write(b"\n")  # ends what a kill left, so that the new line is whole
        file.write(json.dumps(dict(entry), ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Every whole line, the oldest first; none when there is no such file."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    found = (_parsed(line) for line in lines)
    return [entry for entry in found if entry is not None]


def utc_now() -> str:
    """The time as these files tell it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
