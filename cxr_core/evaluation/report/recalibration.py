"""Shows what recalibration for the evaluated films would change."""

from cxr_core.evaluation.metrics.recalibrate import (
    CalibrationFigures,
    NotRecalibrated,
    RecalibratedFinding,
    Recalibration,
)
from cxr_core.evaluation.report.document import Block, Paragraph, Section, Table
from cxr_core.evaluation.report.figure_text import format_figure
from cxr_core.presentation.wording import finding_name, format_count, operating_point_name

TITLE = "Recalibrated for these films"
FIGURE_NAMES = {
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "calibration": "Predicted less observed",
    "calibration_slope": "Calibration slope, ideally 1",
    "calibration_intercept": "Calibration intercept, ideally 0",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
INTRODUCTION = (
    "These are not the model's own figures. Its probabilities were recalibrated on the labels of some of these "
    "patients, and evaluated on the other patients, before and after."
)


def build_recalibration_section(recalibration: Recalibration) -> Section:
    """The figures of every finding before and after recalibration."""
    findings = [
        Section(finding_name(key), _show_finding(result))
        for key, result in recalibration.findings.items()
    ]
    return Section(TITLE, [Paragraph(INTRODUCTION, "quiet")], findings)


def describe_recalibration(result: RecalibratedFinding) -> str:
    """How one finding was recalibrated, and on how many films."""
    fitted, reported = (
        f"{format_count(counts.films, 'films')} of {format_count(counts.patients, 'patients')}, "
        f"{counts.positives:,} positive"
        for counts in (result.fitted_on, result.reported_on)
    )
    description = result.correction.description
    sentence = f"{description[:1].upper()}{description[1:]}"
    return f"{sentence}. Fitted on {fitted}; evaluated on {reported}."


def describe_thresholds(result: RecalibratedFinding) -> str:
    """What the operating points refer to, and what they would become on recalibrated probabilities."""
    own = result.thresholds[result.operating_point].own
    changes = "; ".join(
        f"{operating_point_name(name).lower()} {mapped.own:.3g} becomes {mapped.recalibrated:.3g}"
        for name, mapped in result.thresholds.items()
    )
    return (
        "The operating points were chosen on the model's own probabilities and were not moved: sensitivity and "
        f"specificity, before and after, are both at {own:.3g}. To call the same films, recalibrated probabilities "
        f"need other thresholds: {changes}."
    )


def _show_finding(result: RecalibratedFinding | NotRecalibrated) -> list[Block]:
    if isinstance(result, NotRecalibrated):
        return [Paragraph(f"Not recalibrated: {result.reason}.")]
    blocks: list[Block] = [Paragraph(describe_recalibration(result)), _compare_figures(result)]
    if result.thresholds:
        blocks.append(Paragraph(describe_thresholds(result), "quiet"))
    return blocks


def _compare_figures(result: RecalibratedFinding) -> Table:
    columns: tuple[CalibrationFigures, ...] = (result.before, result.after, result.difference)
    rows = [
        [title, *(format_figure(getattr(figures, name)) for figures in columns)]
        for name, title in FIGURE_NAMES.items()
    ]
    return Table(("", "The model's own", "Recalibrated", "Difference"), rows, "wide")
