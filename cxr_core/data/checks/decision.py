"""Records what a person decided about an issue: accept it, or exclude the films it names."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.workspace.json_record import Count, JsonRecord

Action = Literal["accept", "exclude"]


@dataclass(frozen=True, kw_only=True)
class Decision(JsonRecord):
    """A decision applies as long as its issue concerns the same films, which the fingerprint shows."""

    KEYS: ClassVar[Mapping[str, str]] = {"action": "choice"}

    code: str
    action: Action
    note: str
    when: str  # ISO 8601, UTC
    count: Count
    fingerprint: str


def fingerprint_issue(issue: Issue) -> str:
    """A hash of what an issue concerns: the films it names, or its message when it names none."""
    concerned = "\n".join(sorted(issue.images)) or issue.message
    return hashlib.sha256(f"{issue.code}\n{concerned}".encode()).hexdigest()


def find_decision(decisions: Iterable[Decision], issue: Issue) -> Decision | None:
    """The decision that applies to an issue, if there is one."""
    fingerprint = fingerprint_issue(issue)
    return next((each for each in decisions if each.fingerprint == fingerprint), None)


def decide_issue(
    issues: tuple[Issue, ...], code: str, action: Action, note: str, when: str
) -> Decision:
    """The decision about the issue with this code. Raises DataError when it is not there or names no films to exclude.

    when: ISO 8601, UTC.
    """
    issue = next((issue for issue in issues if issue.code == code), None)
    if issue is None:
        codes = ", ".join(issue.code for issue in issues) or "nothing"
        raise DataError(f"the dataset checks did not report {code!r} here; they reported {codes}")
    if action == "exclude" and not issue.images:
        raise DataError(
            f"{code} names no individual films, so there is nothing to exclude; correct the data, or accept the issue"
        )
    return Decision(
        code=code,
        action=action,
        note=note,
        when=when,
        count=issue.count,
        fingerprint=fingerprint_issue(issue),
    )


def apply_decisions(
    manifest: Manifest, issues: tuple[Issue, ...], decisions: tuple[Decision, ...]
) -> Manifest:
    """The manifest with the films of every "exclude" marked as excluded; earlier exclusions are undone first."""
    table = manifest.table.copy()
    before = table["status"] == "excluded"
    table.loc[before, "status"], table.loc[before, "reason"] = "present", None
    excluded = {decision.fingerprint for decision in decisions if decision.action == "exclude"}
    for issue in issues:
        if fingerprint_issue(issue) in excluded:
            rows = table["image"].isin(issue.images) & (table["status"] == "present")
            table.loc[rows, "status"], table.loc[rows, "reason"] = "excluded", issue.code
    return manifest.with_table(table)
