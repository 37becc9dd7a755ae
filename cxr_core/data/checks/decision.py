"""What somebody decided about an issue, on record: accept it, or exclude the films it names."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError

Resolution = Literal["accept", "exclude"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """It holds while the issue concerns the same films: what it concerned is known by a fingerprint."""

    code: str
    choice: Resolution
    note: str
    when: str  # ISO 8601, UTC
    count: int
    fingerprint: str


def fingerprint(issue: Issue) -> str:
    """A hash of what an issue concerns: the films it names, or its sentence when it names none."""
    concerned = "\n".join(sorted(issue.images)) or issue.message
    return hashlib.sha256(f"{issue.code}\n{concerned}".encode()).hexdigest()


def decide(
    issues: tuple[Issue, ...], code: str, choice: Resolution, note: str, when: str
) -> Choice:
    """A choice about the issue of that code. Raises DataError when there is none, or nothing to exclude."""
    found = next((issue for issue in issues if issue.code == code), None)
    if found is None:
        there = ", ".join(issue.code for issue in issues) or "nothing"
        raise DataError(f"the doctor did not find {code!r} here; it found {there}")
    if choice == "exclude" and not found.images:
        raise DataError(
            f"{code} names no single films, so there is nothing to exclude; mend it, or accept it"
        )
    return Choice(
        code=code,
        choice=choice,
        note=note,
        when=when,
        count=found.count,
        fingerprint=fingerprint(found),
    )


def exclude(manifest: Manifest, issues: tuple[Issue, ...], choices: tuple[Choice, ...]) -> Manifest:
    """The manifest with the films of every "exclude" left out, and those of former choices back in."""
    table = manifest.table.copy()
    before = table["status"] == "excluded"
    table.loc[before, "status"], table.loc[before, "reason"] = "present", None
    chosen = {choice.fingerprint for choice in choices if choice.choice == "exclude"}
    for issue in issues:
        if fingerprint(issue) in chosen:
            rows = table["image"].isin(issue.images) & (table["status"] == "present")
            table.loc[rows, "status"], table.loc[rows, "reason"] = "excluded", issue.code
    return manifest.with_table(table)
