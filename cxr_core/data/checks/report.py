"""The doctor's report: one HTML page that needs nothing else and fetches nothing, and the same facts as JSON."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.data.checks.decision import Choice, fingerprint
from cxr_core.data.checks.issue import EXAMPLES, SEVERITIES, Issue, Severity, counted
from cxr_core.findings import FINDINGS
from cxr_core.presentation.html import element, page, screen_style, table, text

SCHEMA = 1
QUARANTINE_SHOWN = 200
HEADINGS: dict[Severity, str] = {"blocking": "Blocking", "warning": "Warnings", "note": "Notes"}
CHOSEN = {"accept": "Accepted", "exclude": "Excluded"}
STATUS_NAMES = {"present": "usable"}


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """All that a report says of one dataset.

    prepared: ISO 8601, UTC, as `when` in each choice.  counts: of each part, as Manifest.counts() gives them.
    statuses: films of each status.  hashes: by what they are of, such as "data" and "split".  choices: all on record,
    whether or not they still hold.  quarantine: name and reason of each film that is listed but left out.
    """

    name: str
    kind: str
    folders: Sequence[str | Path]
    terms: str
    prepared: str
    version: str
    counts: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[str, int]
    hashes: Mapping[str, str]
    issues: tuple[Issue, ...]
    choices: Sequence[Choice] = ()
    quarantine: Sequence[tuple[str, str]] = ()

    def choice_about(self, issue: Issue) -> Choice | None:
        """The choice that holds for an issue, if any."""
        sought = fingerprint(issue)
        return next((choice for choice in self.choices if choice.fingerprint == sought), None)

    @property
    def stopping(self) -> tuple[Issue, ...]:
        """Blocking issues that nobody has chosen about."""
        return tuple(
            i for i in self.issues if i.severity == "blocking" and self.choice_about(i) is None
        )

    @property
    def verdict(self) -> str:
        """May it be trained on? One sentence."""
        if self.stopping:
            titles = "; ".join(_uncapitalised(issue.title) for issue in self.stopping)
            return f"Stopped by {counted(len(self.stopping), 'blocking issues')}: {titles}."
        found = {
            severity: [i for i in self.issues if i.severity == severity] for severity in SEVERITIES
        }
        settled = len(found["blocking"])
        blocking = (
            f"{counted(settled, 'blocking issues')} settled by choice" if settled else "0 blocking"
        )
        warnings, notes = (
            counted(len(found["warning"]), "warnings"),
            counted(len(found["note"]), "notes"),
        )
        return f"May be trained on: {blocking}, {warnings}, {notes}."


def report_json(facts: ReportFacts) -> dict[str, Any]:
    """The report for programs: numbers, texts, lists and null alone."""
    return {
        "schema": SCHEMA,
        "name": facts.name,
        "kind": facts.kind,
        "folders": [str(folder) for folder in facts.folders],
        "terms": facts.terms,
        "prepared": facts.prepared,
        "version": facts.version,
        "verdict": facts.verdict,
        "may_be_trained_on": not facts.stopping,
        "issues": [
            issue.to_json() | {"choice": _choice_json(facts.choice_about(issue))}
            for issue in facts.issues
        ],
        "choices": [_choice_json(choice) for choice in facts.choices],
        "statuses": dict(facts.statuses),
        "counts": {part: dict(count) for part, count in facts.counts.items()},
        "quarantine": [{"name": name, "reason": reason} for name, reason in facts.quarantine],
        "hashes": dict(facts.hashes),
    }


def report_html(facts: ReportFacts) -> str:
    """The report for people, as a self-contained HTML page."""
    style = screen_style(Path(__file__).with_name("report.css"))
    body = [
        "<header>",
        element("p", "Dataset", "kind"),
        element("h1", facts.name),
        element("p", facts.verdict, f"verdict {'stopped' if facts.stopping else 'passed'}"),
        "</header>\n<main>",
        *_issues(facts),
        *_former_choices(facts),
        *_parts(facts),
        *_quarantine(facts),
        *_provenance(facts),
        "</main>",
        element(
            "footer",
            f"Silhouette {facts.version}, {_time(facts.prepared)}. Intervals are 95 %, with patients as units.",
        ),
    ]
    return page(f"{facts.name}: what the doctor found", style, body)


def _issues(facts: ReportFacts) -> Iterator[str]:
    if not facts.issues:
        yield element("p", "Nothing was found that speaks against training on it.", "quiet")
    for severity in SEVERITIES:
        issues = [issue for issue in facts.issues if issue.severity == severity]
        if issues:
            yield f'<section class="{severity}">{element("h2", f"{HEADINGS[severity]} ({len(issues)})")}'
            yield from (_issue(facts, issue) for issue in issues)
            yield "</section>"


def _issue(facts: ReportFacts, issue: Issue) -> str:
    examples = "".join(element("li", example) for example in issue.examples)
    more = element("li", "…") if len(issue.examples) == EXAMPLES < issue.count else ""
    return (
        f"<article>{_heading(issue)}{element('p', issue.message)}"
        f"{f'<ul>{examples}{more}</ul>' if examples else ''}"
        f'<p class="remedy"><b>What to do</b> {text(issue.remedy)}</p>{_choice(facts, issue)}</article>'
    )


def _heading(issue: Issue) -> str:
    return f"<h3>{element('span', issue.title)} {element('small', issue.extent)} {element('code', issue.code)}</h3>"


def _choice(facts: ReportFacts, issue: Issue) -> str:
    """The choice on record; without one, the commands that record one."""
    choice = facts.choice_about(issue)
    if choice is not None:
        return element("p", _chosen(choice), "chosen")
    flags = ["--exclude"] if issue.images else []
    flags += ["--accept"] if issue.severity == "blocking" else []
    commands = [
        f"python -m train.prepare --data {shlex.quote(facts.name)} {flag} {issue.code}"
        for flag in flags
    ]
    leaves = f" Excluding leaves out {counted(len(issue.images), 'films')}." if issue.images else ""
    lines = "".join(element("code", command) for command in commands)
    return f'<div class="commands"><p>To decide:{text(leaves)}</p>{lines}</div>' if commands else ""


def _former_choices(facts: ReportFacts) -> Iterator[str]:
    """Choices that hold no more: what they were about is mended, or concerns other films now."""
    holding = {fingerprint(issue) for issue in facts.issues}
    former = [choice for choice in facts.choices if choice.fingerprint not in holding]
    if former:
        yield element("h2", f"Choices that hold no more ({len(former)})")
        yield element("p", "What they were about is mended, or concerns other films now.", "quiet")
        yield table(("What", "Choice"), ([c.code, _chosen(c)] for c in former))


def _parts(facts: ReportFacts) -> Iterator[str]:
    """A column for each part: films, patients, and the positives of each finding."""
    total = sum(facts.statuses.values())
    told = ", ".join(
        f"{count:,} {STATUS_NAMES.get(status, status)}" for status, count in facts.statuses.items()
    )
    yield element("h2", "Films")
    yield element("p", f"{counted(total, 'films')} listed: {told}.")
    counts = list(facts.counts.values())
    rows = [
        [name.capitalize(), *(f"{count[name]:,}" for count in counts)]
        for name in ("films", "patients")
    ]
    findings = list(dict.fromkeys(key for count in counts for key in count["positives"]))
    rows += [
        [f"with {_finding(key)}", *(f"{count['positives'].get(key, 0):,}" for count in counts)]
        for key in findings
    ]
    if counts:
        yield table(("", *facts.counts), rows, "counts")


def _quarantine(facts: ReportFacts) -> Iterator[str]:
    if not facts.quarantine:
        return
    yield element("h2", f"Quarantine ({len(facts.quarantine):,})")
    shown = facts.quarantine[:QUARANTINE_SHOWN]
    yield table(("Image", "Why it is left out"), shown)
    if len(facts.quarantine) > len(shown):
        yield element(
            "p", f"{len(facts.quarantine) - len(shown):,} more stand in quarantine.csv.", "quiet"
        )


def _provenance(facts: ReportFacts) -> Iterator[str]:
    yield element("h2", "Where it comes from")
    told = {
        "Kind": facts.kind,
        "Folders": ", ".join(map(str, facts.folders)),
        "Prepared": _time(facts.prepared),
    }
    told |= {"Terms": facts.terms} | {
        f"SHA-256 of the {name}": value for name, value in facts.hashes.items()
    }
    yield "<dl>" + "".join(
        f"<div>{element('dt', name)}{element('dd', value)}</div>" for name, value in told.items()
    )
    yield "</dl>"


def _choice_json(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {name: getattr(choice, name) for name in ("code", "choice", "note", "when", "count")}


def _chosen(choice: Choice) -> str:
    note = f": {choice.note}" if choice.note else "."
    return f"{CHOSEN.get(choice.choice, choice.choice)} on {_time(choice.when)}{note}"


def _time(iso: str) -> str:
    """ISO 8601 in UTC, to the minute, as people write it."""
    return f"{iso[:16].replace('T', ' ')} UTC"


def _finding(key: str) -> str:
    return _uncapitalised(FINDINGS[key].name) if key in FINDINGS else key


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
