"""Writes a report as one HTML page that needs nothing else: pictures inside it, no script, fit for A4."""

from pathlib import Path

from cxr_core.presentation.html import render_template
from cxr_core.reading.report.page import build_page
from cxr_core.reading.report.report import Report

TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


def render_html_report(report: Report, prior: Report | None = None) -> str:
    """The report as a self-contained HTML page. prior: an earlier film of the same patient to compare with.

    The appendix is folded, and printed only when it has been unfolded.
    """
    return render_template(TEMPLATE, page=build_page(report, prior), file=report.file)
