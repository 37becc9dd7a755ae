"""Looks whether the audit log is complete and as it was written, and finds lines in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from cxr_core.access.audit_chain import (
    BEFORE,
    NO_LINE,
    AuditLine,
    Head,
    hold_log,
    list_files,
    name_file,
    read_head,
    read_lines,
)
from cxr_core.errors import AuditError, RecordError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.paths import printable

CHANGED = "One of the two was changed, or a line between them was taken out"


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What was found in an audit log.

    lines: that are there.  files: of them.  last: the SHA-256 of the last line; kept elsewhere, it shows later whether
    the log up to here is still the same.  problems: a sentence with a place for all that is missing or changed.
    """

    lines: int
    files: int
    last: str
    problems: tuple[str, ...]


@dataclass
class _Walk:
    """Where the walk over all lines is: the last line's number and hash, and its place in words."""

    number: int = 0
    sha256: str = NO_LINE
    place: str = ""
    lines: int = 0
    hash_at_head: str | None = None  # of the line that the head record names
    has_known: bool = False  # whether a line has the hash that was noted elsewhere


def verify_log(folder: Path, known: str = "") -> AuditReport:
    """Walk over every line of an audit log. Raises AuditError when there is none, or a file cannot be read.

    known: the hash of a line, noted elsewhere before: a log that was written anew has no such line.
    """
    if not list_files(folder) and read_head(folder) is None:
        raise AuditError(
            f"there is no audit log in {printable(folder)}; if there was one, it was removed as a whole"
        )
    try:
        with hold_log(folder):
            return _verify(folder, known)
    except Timeout as error:
        raise AuditError("another process holds the audit log; try again") from error
    except (OSError, RecordError) as error:
        raise _describe_unreadable(error) from error


def list_entries(folder: Path) -> Iterator[JsonObject]:
    """Every line's object, the newest first; lines that are none are left out. Raises AuditError."""
    try:
        for path in reversed(list_files(folder).values()):
            for line in reversed(list(read_lines(path))):
                if line.entry is not None:
                    yield line.entry
    except (OSError, RecordError) as error:
        raise _describe_unreadable(error) from error


def _describe_unreadable(error: Exception) -> AuditError:
    return AuditError(
        f"the audit log cannot be read: {error}. Put that file back from a backup, or move it away: --verify then says "
        "what is missing"
    )


def _verify(folder: Path, known: str) -> AuditReport:
    files, head = list_files(folder), read_head(folder)
    problems = _find_missing_files(files, head)
    walk = _Walk()
    for path in files.values():
        for line in read_lines(path):
            problem = _check_line(walk, line, f"line {line.place} of {path.name}", head)
            if problem:
                problems.append(problem)
            walk.has_known |= line.sha256 == known
    problems += _check_head(walk, head)
    if known and not walk.has_known:
        problems.append(f"no line has the hash {known}: the log was written anew, or cut")
    return AuditReport(
        lines=walk.lines, files=len(files), last=walk.sha256, problems=tuple(problems)
    )


def _find_missing_files(files: dict[int, Path], head: Head | None) -> list[str]:
    highest = max([*files, head.file if head and head.count else 0])
    missing = sorted({*range(1, highest + 1)} - files.keys())
    return [f"{name_file(number)} is missing" for number in missing]


def _check_line(walk: _Walk, line: AuditLine, place: str, head: Head | None) -> str:
    """What is wrong with the next line; empty when it continues the walk, which moves on to it."""
    number = line.number
    if line.is_cut:
        return f"{place} is cut short: the computer stopped as it was written, or somebody cut it"
    if number is None or line.entry is None:
        return f"{place} is no line of this log; it was changed or added"
    before, problem = line.entry.get(BEFORE), ""
    if number > walk.number + 1:
        problem = _describe_gap(walk, number, place)
    elif number <= walk.number:
        problem = f"{place} has the number {number} after {walk.number}: it was added or moved"
    elif before != walk.sha256:
        earlier = walk.place or "the beginning"
        problem = f"{place} does not continue {earlier}. {CHANGED}"
    walk.number, walk.sha256, walk.place = number, line.sha256, place
    walk.lines += 1
    if head is not None and number == head.count:
        walk.hash_at_head = line.sha256
    return problem


def _describe_gap(walk: _Walk, number: int, place: str) -> str:
    count = format_count(number - walk.number - 1, "lines")
    verb = "is" if number - walk.number == 2 else "are"
    return f"{count} {verb} missing before {place}: number {number} follows number {walk.number}"


def _check_head(walk: _Walk, head: Head | None) -> list[str]:
    """What the head record says of the end of the log."""
    if head is None:
        reason = "so lines cut off at the end would not be noticed"
        return [f"the head record is missing or damaged, {reason}"]
    if walk.number < head.count:
        count = format_count(head.count - walk.number, "lines")
        return [f"{count} missing at the end, after {walk.place or 'the beginning'}"]
    if head.count and walk.hash_at_head != head.sha256:
        return [
            f"line number {head.count} is not the one that the head record names: it was changed"
        ]
    return []
