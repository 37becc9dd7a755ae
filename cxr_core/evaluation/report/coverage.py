"""The report's section about undecided films: the error among the decided at some shares, by rule."""

from collections.abc import Mapping

from cxr_core.evaluation.metrics.coverage import RULE_NAMES, RuleCoverage
from cxr_core.evaluation.report.document import Block, Paragraph, Table
from cxr_core.evaluation.report.figure_text import format_figure, format_positives


def build_coverage_blocks(coverage: Mapping[str, RuleCoverage]) -> list[Block]:
    """A row for each rule and share decided."""
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
    return [Table(header, rows, "wide"), Paragraph(note, "quiet")]
