"""Files of JSON lines that only grow, in which every line holds the SHA-256 of the line before, also across files.

`<folder>/audit-000001.jsonl` and so on hold the lines. `head.json` holds how many there are and the hash of the last
one, so that lines cut off at the end are missed too. A line is on the disk before the head is written: after a power
cut there may be lines beyond the head, and they count where they continue its chain.

Several processes append. What a file should hold is taken from the head, never from a file that somebody has changed:
after lines were cut off, numbers and hashes go on as before, and the gap stays visible for ever.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pydantic
from filelock import FileLock

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import Json, JsonObject, parse_json, read_bounded, write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file

HEAD, LOCK = "head.json", ".lock"
MAX_FILE_BYTES = 8 * 2**20
LOCK_S = 10.0
NUMBER, BEFORE = "number", "before"  # keys of a line
NO_LINE = "0" * 64  # what the first line has as the hash of the line before
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

Sha256 = Annotated[str, pydantic.Field(pattern=r"[0-9a-f]{64}")]


@dataclass(frozen=True, kw_only=True)
class Head(JsonRecord):
    """The end of the log. count: lines.  sha256: of the last one.  file: its file's number.  size: its bytes."""

    count: Count = 0
    sha256: Sha256 = NO_LINE
    file: Count = 1
    size: Count = 0


@dataclass(frozen=True)
class AuditLine:
    """One line as it stands in a file. place: counted from 1. entry: None where it is no JSON object."""

    place: int
    sha256: str
    entry: JsonObject | None
    is_cut: bool  # no end of line

    @property
    def number(self) -> int | None:
        """Its number in the whole log."""
        number = self.entry.get(NUMBER) if self.entry else None
        return number if isinstance(number, int) else None

    def continues(self, head: Head) -> bool:
        """Whether it is the next line after a head."""
        follows = self.number == head.count + 1 and not self.is_cut
        return follows and self.entry is not None and self.entry.get(BEFORE) == head.sha256


def append_entry(folder: Path, entry: dict[str, Json]) -> None:
    """Append an entry as one line, which is on the disk when this returns.

    Raises OSError when it cannot be written, after which the log is as it was, RecordError when a file is none of this
    log, and filelock.Timeout.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with hold_log(folder):
        head, lost = _find_end(folder)
        if lost:
            head = _append(folder, head, _describe_lost_head(entry))
        _append(folder, head, entry)


def hold_log(folder: Path) -> FileLock:
    """The lock under which the log is written and verified."""
    return FileLock(folder / LOCK, timeout=LOCK_S)


def name_file(number: int) -> str:
    """The name of the n-th file."""
    return f"audit-{number:06}.jsonl"


def list_files(folder: Path) -> dict[int, Path]:
    """The files by their numbers, the oldest first."""
    found = sorted(folder.glob("audit-[0-9][0-9][0-9][0-9][0-9][0-9].jsonl"))
    return {int(path.stem.removeprefix("audit-")): path for path in found}


def read_lines(path: Path, start: int = 0) -> Iterator[AuditLine]:
    """The lines of a file, from a byte on. Raises OSError and RecordError when it cannot be read."""
    try:
        content = read_bounded(path)[start:]
    except RecordError as error:
        raise RecordError(f"{path.name}: {error}") from error
    for place, text in enumerate(content.splitlines(keepends=True), 1):
        yield _parse_line(place, text)


def read_head(folder: Path) -> Head | None:
    """The head record; None where it is missing or damaged."""
    try:
        return read_record_file(folder / HEAD, Head)
    except (OSError, RecordError):
        return None


def _describe_lost_head(entry: dict[str, Json]) -> dict[str, Json]:
    """The line that says that the head record had gone, at the time of the next entry."""
    outcome = "its head record was missing"
    return {"time": entry.get("time"), "action": "audit log", "outcome": outcome}


def _parse_line(place: int, text: bytes) -> AuditLine:
    line = text.removesuffix(b"\n")
    try:
        entry = parse_json(line)
    except RecordError:
        entry = None
    return AuditLine(
        place,
        hashlib.sha256(line).hexdigest(),
        entry if isinstance(entry, dict) else None,
        is_cut=line == text,
    )


def _find_end(folder: Path) -> tuple[Head, bool]:
    """Where the next line belongs, and whether the head record is lost though there are lines."""
    head = read_head(folder)
    if head is not None:
        return _follow(folder, head), False
    files = list_files(folder)
    if not files:
        return Head(), False
    number, path = list(files.items())[-1]
    head = Head(file=number, size=path.stat().st_size)
    for line in read_lines(path):
        if line.number is not None and not line.is_cut:
            head = Head(count=line.number, sha256=line.sha256, file=number, size=head.size)
    return head, True


def _follow(folder: Path, head: Head) -> Head:
    """The head, moved on over complete lines beyond it that continue its chain, in its file and in the next one."""
    for number, start in ((head.file, head.size), (head.file + 1, 0)):
        path = folder / name_file(number)
        size = path.stat().st_size if path.exists() else 0
        if size <= start:
            continue
        for line in read_lines(path, start):
            if not line.continues(head):
                break
            head = Head(count=head.count + 1, sha256=line.sha256, file=number, size=size)
    return head


def _append(folder: Path, head: Head, entry: dict[str, Json]) -> Head:
    """Write one line after the head, then the head itself. Returns the new head."""
    file = head.file + 1 if head.size >= MAX_FILE_BYTES else head.file
    content = {NUMBER: head.count + 1, **entry, BEFORE: head.sha256}
    line = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    size = _append_bytes(folder / name_file(file), line + b"\n")
    sha256 = hashlib.sha256(line).hexdigest()
    moved_on = Head(count=head.count + 1, sha256=sha256, file=file, size=size)
    with suppress(OSError):  # the line is on the disk, and counts without it
        write_json(folder / HEAD, moved_on.to_json())
    return moved_on


def _append_bytes(path: Path, data: bytes) -> int:
    """Append bytes in one write, on the disk when this returns. Returns the file's size.

    Raises OSError, and has written nothing then.
    """
    descriptor = os.open(path, FLAGS, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        if before:
            os.lseek(descriptor, before - 1, os.SEEK_SET)
        if before and os.read(descriptor, 1) != b"\n":
            data = b"\n" + data  # what somebody has cut short is no part of this line
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
        return before + len(data)
    finally:
        os.close(descriptor)
