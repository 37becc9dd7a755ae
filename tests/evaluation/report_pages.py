"""Renders parts of a report, so that a test can look at the HTML."""

from collections.abc import Sequence

from cxr_core.evaluation.report.document import Block, EvaluationReport, Section, render_report


def render_blocks(blocks: Sequence[Block]) -> str:
    """The page of a report that holds these blocks alone."""
    return render_section(Section("A section", blocks))


def render_section(section: Section) -> str:
    """The page of a report that holds this section alone."""
    report = EvaluationReport(
        model="tiny 1.0.0",
        split="test",
        made="2026-11-21T10:00:00+00:00",
        summary=[],
        sections=[section],
    )
    return render_report(report)
