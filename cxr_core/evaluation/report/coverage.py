"""The report's section about undecided films: the error among the decided at some shares, by rule and by subgroup."""

from collections.abc import Mapping

from cxr_core.evaluation.metrics.coverage import RULE_NAMES, RuleCoverage
from cxr_core.evaluation.metrics.results import CoverageGroups, GroupCoverage
from cxr_core.evaluation.metrics.subgroups import MIN_PATIENTS
from cxr_core.evaluation.report.document import Block, Paragraph, Row, Table
from cxr_core.evaluation.report.figure_text import format_figure, format_positives
from cxr_core.evaluation.report.subgroups import KIND_NAMES, TOO_FEW
from cxr_core.presentation.html import TableCell


def build_coverage_blocks(
    coverage: Mapping[str, RuleCoverage], groups: CoverageGroups | None
) -> list[Block]:
    """A row for each rule and share decided, then one for each subgroup at one of these shares."""
    rows = [
        [
            RULE_NAMES.get(rule, rule).capitalize(),
            f"{100 * at.decided:.0f} %",
            format_figure(at.error),
            format_figure(at.missed),
            format_figure(at.false_alarms),
            format_positives(at.error),
        ]
        for rule, figures in coverage.items()
        for at in figures.at
    ]
    means = "; ".join(
        f"{RULE_NAMES.get(rule, rule)} {format_figure(figures.mean_error)}"
        for rule, figures in coverage.items()
    )
    header = ("Rule", "Decided", "Error", "Missed", "False alarms", "Positive")
    note = (
        "Each rule decides the surest films first and leaves the others undecided. Missed: of the decided films with "
        "the finding. False alarms: of those without. Positive: of the films decided. Mean error over all shares from "
        f"1 % to 100 %: {means}."
    )
    blocks: list[Block] = [Table(header, rows, "wide"), Paragraph(note, "quiet")]
    return blocks if groups is None else [*blocks, *_build_group_blocks(groups)]


def _build_group_blocks(groups: CoverageGroups) -> list[Block]:
    header = ("Group", "Positive", "Decided", "Error among the decided", "Positive of the decided")
    rule = RULE_NAMES.get(groups.rule, groups.rule)
    note = (
        f"Groups when {100 * groups.share:.0f} % of all films are decided by the {rule}, with one cut for all groups: "
        "a group of which fewer films are decided is one that the rule is less sure of. A group needs "
        f"{MIN_PATIENTS} patients with and {MIN_PATIENTS} without the finding."
    )
    rows = [_make_group_row(group) for group in groups.groups]
    return [Table(header, rows, "wide"), Paragraph(note, "quiet")]


def _make_group_row(group: GroupCoverage) -> Row:
    head = [
        f"{KIND_NAMES[group.by]}: {group.name}",
        f"{group.positives:,} of {group.films:,}",
    ]
    if group.decided is None or group.error is None:
        return [*head, TableCell(TOO_FEW, "quiet", 3)]
    return [
        *head,
        format_figure(group.decided),
        format_figure(group.error),
        format_positives(group.error),
    ]
