"""Reports what the dataset checks found: as one self-contained HTML page, and as JSON for programs."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxr_core.data.account import LEFT_OUT, FilmAccount
from cxr_core.data.checks.decision import Decision, find_decision, fingerprint_issue
from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.checks.issue_kinds import SEVERITIES, Severity
from cxr_core.data.manifest import SplitCounts
from cxr_core.data.sources.label_mapping import describe_mapping
from cxr_core.presentation.html import render_template
from cxr_core.presentation.wording import finding_in_sentence, format_count
from cxr_core.workspace.json_files import JsonObject

TEMPLATE = Path(__file__).parent / "templates" / "dataset_report.html.j2"
SCHEMA = 1
QUARANTINE_SHOWN = 200
HEADINGS: dict[Severity, str] = {"blocking": "Blocking", "warning": "Warnings", "note": "Notes"}
ACTION_NAMES = {"accept": "Accepted", "exclude": "Excluded"}
STATUS_NAMES = {"present": "usable", LEFT_OUT: "left out"}


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """Everything that a report says about one dataset.

    prepared: ISO 8601, UTC.  counts: by split.  statuses: films of each status.  hashes: by what they are of, such as
    "data" and "split".  decisions: all on record, whether or not they still apply.  quarantine: name and reason of each
    film that is listed but left out.  account: what became of every file found; None when nothing was counted.
    """

    name: str
    kind: str
    folders: Sequence[str | Path]
    terms: str
    prepared: str
    version: str
    counts: Mapping[str, SplitCounts]
    statuses: Mapping[str, int]
    hashes: Mapping[str, str]
    issues: tuple[Issue, ...]
    decisions: Sequence[Decision] = ()
    account: FilmAccount | None = None
    quarantine: Sequence[tuple[str, str]] = ()
    label_mapping: Mapping[str, str] = field(default_factory=dict)

    def decision_about(self, issue: Issue) -> Decision | None:
        """The decision that applies to an issue, if there is one."""
        return find_decision(self.decisions, issue)

    def issues_of(self, severity: Severity) -> list[Issue]:
        """The issues of one severity, in order."""
        return [issue for issue in self.issues if issue.severity == severity]

    @property
    def open_blocking_issues(self) -> list[Issue]:
        """Blocking issues without a decision."""
        return [issue for issue in self.issues_of("blocking") if self.decision_about(issue) is None]

    @property
    def verdict(self) -> str:
        """Whether the dataset may be trained on, in one sentence."""
        stopping = self.open_blocking_issues
        if stopping:
            titles = "; ".join(_lower_first(issue.title) for issue in stopping)
            return f"Stopped by {format_count(len(stopping), 'blocking issues')}: {titles}."
        decided = len(self.issues_of("blocking"))
        blocking = "0 blocking"
        if decided:
            blocking = f"{format_count(decided, 'blocking issues')} decided"
        warnings = format_count(len(self.issues_of("warning")), "warnings")
        notes = format_count(len(self.issues_of("note")), "notes")
        return f"May be trained on: {blocking}, {warnings}, {notes}."

    def to_json(self) -> JsonObject:
        """The report for programs, as report.json stores it."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "kind": self.kind,
            "folders": list(map(str, self.folders)),
            "terms": self.terms,
            "prepared": self.prepared,
            "version": self.version,
            "verdict": self.verdict,
            "may_be_trained_on": not self.open_blocking_issues,
            "issues": list(map(self._issue_json, self.issues)),
            "account": None if self.account is None else self.account.to_json(),
            "choices": list(map(_decision_json, self.decisions)),
            "statuses": dict(self.statuses),
            "counts": {split: counts.to_json() for split, counts in self.counts.items()},
            "quarantine": [{"name": name, "reason": reason} for name, reason in self.quarantine],
            "hashes": dict(self.hashes),
            "label_mapping": dict(self.label_mapping),
        }

    def _issue_json(self, issue: Issue) -> JsonObject:
        """An issue without its list of images, of which there may be thousands."""
        decision = self.decision_about(issue)
        return {
            "code": issue.code,
            "severity": issue.severity,
            "title": issue.title,
            "message": issue.message,
            "count": issue.count,
            "unit": issue.unit,
            "examples": list(issue.examples),
            "remedy": issue.remedy,
            "excludable": len(issue.images),
            "choice": None if decision is None else _decision_json(decision),
        }


@dataclass(frozen=True, kw_only=True)
class IssueView:
    """An issue as the page shows it.

    has_more: whether there are more films than examples.  decision: the decision that applies, in words, or "".
    commands: those that record a decision.  exclusion: what excluding would leave out, or "".
    """

    issue: Issue
    has_more: bool
    decision: str
    commands: tuple[str, ...]
    exclusion: str


@dataclass(frozen=True, kw_only=True)
class IssueSection:
    """All issues of one severity under their heading."""

    severity: Severity
    heading: str
    issues: tuple[IssueView, ...]


def render_dataset_report(report: DatasetReport) -> str:
    """The report for people, as a self-contained HTML page."""
    shown = report.quarantine[:QUARANTINE_SHOWN]
    return render_template(
        TEMPLATE,
        report=report,
        sections=_issue_sections(report),
        former_decisions=_former_decisions(report),
        status_sentence=_describe_statuses(report.statuses),
        count_header=["", *report.counts],
        count_rows=_count_rows(report.counts),
        quarantine=shown,
        quarantine_hidden=len(report.quarantine) - len(shown),
        provenance=_list_provenance(report),
        prepared=_format_time(report.prepared),
    )


def _issue_sections(report: DatasetReport) -> list[IssueSection]:
    sections = []
    for severity in SEVERITIES:
        issues = report.issues_of(severity)
        if issues:
            section = IssueSection(
                severity=severity,
                heading=f"{HEADINGS[severity]} ({len(issues)})",
                issues=tuple(_issue_view(report, issue) for issue in issues),
            )
            sections.append(section)
    return sections


def _issue_view(report: DatasetReport, issue: Issue) -> IssueView:
    decision = report.decision_about(issue)
    actions = []
    if issue.images:
        actions.append("exclude")
    if issue.severity == "blocking":
        actions.append("accept")
    prepare = f"python -m train.prepare --data {shlex.quote(report.name)}"
    exclusion = ""
    if issue.images:
        exclusion = f"Excluding leaves out {format_count(len(issue.images), 'films')}."
    return IssueView(
        issue=issue,
        has_more=len(issue.examples) == EXAMPLES < issue.count,
        decision="" if decision is None else _describe_decision(decision),
        commands=tuple(f"{prepare} --{action} {issue.code}" for action in actions),
        exclusion=exclusion,
    )


def _former_decisions(report: DatasetReport) -> list[tuple[str, str]]:
    """Code and words of decisions whose issue has been corrected or concerns other films now."""
    current = {fingerprint_issue(issue) for issue in report.issues}
    former = [decision for decision in report.decisions if decision.fingerprint not in current]
    return [(decision.code, _describe_decision(decision)) for decision in former]


def _describe_statuses(statuses: Mapping[str, int]) -> str:
    counts = []
    for status, count in statuses.items():
        counts.append(f"{count:,} {STATUS_NAMES.get(status, status)}")
    return f"{format_count(sum(statuses.values()), 'films')} listed: {', '.join(counts)}."


def _count_rows(counts: Mapping[str, SplitCounts]) -> list[list[str]]:
    """Films, patients and the positives of each finding, with a column for each split."""
    splits = list(counts.values())
    rows = [
        ["Films", *(f"{split.films:,}" for split in splits)],
        ["Patients", *(f"{split.patients:,}" for split in splits)],
    ]
    findings = dict.fromkeys(key for split in splits for key in split.positives)
    for key in findings:
        numbers = [f"{split.positives.get(key, 0):,}" for split in splits]
        rows.append([f"with {finding_in_sentence(key)}", *numbers])
    return rows


def _list_provenance(report: DatasetReport) -> list[tuple[str, str]]:
    rows = [
        ("Kind", report.kind),
        ("Folders", ", ".join(map(str, report.folders))),
        ("Prepared", _format_time(report.prepared)),
        ("Terms", report.terms),
    ]
    if report.label_mapping:
        rows.append(("Labels mapped", describe_mapping(report.label_mapping)))
    rows += [(f"SHA-256 of the {name}", value) for name, value in report.hashes.items()]
    return rows


def _decision_json(decision: Decision) -> JsonObject:
    """A decision as report.json stores it: without the fingerprint."""
    record = decision.to_json()
    del record["fingerprint"]
    return record


def _describe_decision(decision: Decision) -> str:
    note = f": {decision.note}" if decision.note else "."
    action = ACTION_NAMES.get(decision.action, decision.action)
    return f"{action} on {_format_time(decision.when)}{note}"


def _format_time(iso: str) -> str:
    """ISO 8601 in UTC, to the minute, as people write it."""
    return f"{iso[:16].replace('T', ' ')} UTC"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
