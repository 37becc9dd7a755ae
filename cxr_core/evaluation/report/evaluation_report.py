"""Builds a classifier's evaluation report: figures with intervals, curves, calls and provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cxr_core.evaluation.metrics.curves import FindingCurves, TrainingCurves
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.metrics.recalibrate import Recalibration
from cxr_core.evaluation.metrics.results import (
    ClassFigures,
    ClassificationReport,
    EvaluatedData,
    FindingFigures,
    MacroFigures,
)
from cxr_core.evaluation.report import checklist
from cxr_core.evaluation.report.coverage import build_coverage_blocks
from cxr_core.evaluation.report.curve_charts import draw_finding_curves, draw_training_curves
from cxr_core.evaluation.report.document import (
    Block,
    ChartRow,
    EvaluationReport,
    FactList,
    Paragraph,
    Section,
    Table,
    build_films_paragraphs,
    build_split_warning,
    collect_headings,
    render_report,
)
from cxr_core.evaluation.report.explanations import (
    build_attribution_blocks,
    build_localisation_blocks,
)
from cxr_core.evaluation.report.figure_text import (
    figure_row,
    format_figure,
    format_positives,
)
from cxr_core.evaluation.report.notes import list_notes
from cxr_core.evaluation.report.recalibration import build_recalibration_section
from cxr_core.evaluation.report.subgroups import build_subgroup_blocks, build_view_blocks
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import (
    FITTED_HERE,
    finding_in_sentence,
    finding_name,
    format_time,
    operating_point_name,
)

FIGURE_NAMES = {
    "auroc": "AUROC",
    "auroc_delong": "AUROC, interval by DeLong",
    "auroc_against_normal": "AUROC against normal films",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "brier_reliability": "Brier score: reliability, less is better",
    "brier_resolution": "Brier score: resolution, more is better",
    "brier_uncertainty": "Brier score: uncertainty of the films",
    "brier_within": "Brier score: remainder within bins",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "adaptive_ece": "Calibration error, bins of equally many films",
    "calibration_slope": "Calibration slope, ideally 1",
    "calibration_intercept": "Calibration intercept, ideally 0",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision (PPV)",
    "npv": "Negative predictive value",
    "recall": "Recall (sensitivity)",
    "specificity": "Specificity",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "lr_positive": "Positive likelihood ratio (LR+)",
    "lr_negative": "Negative likelihood ratio (LR−)",
}
CALIBRATION_FIGURES = (
    "brier_reliability",
    "ece",
    "adaptive_ece",
    "calibration_slope",
    "calibration_intercept",
)
OUTSIDE = "Outside the intended population"
OUTSIDE_FIGURES = ("auroc", "average_precision", "recall", "specificity", "ece", "brier")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything that a classifier's report shows. figures, reports, curves: by finding.

    training: of the model's run; None without one.  made: ISO 8601, UTC.  macro: where there are several findings.
    calibrated_here: whether the calibration was fitted on these films.  outside: figures of the films outside the
    model's intended population, by finding, where they were wanted.
    """

    card: ModelCard
    split: str
    data: EvaluatedData
    figures: Mapping[str, FindingFigures]
    reports: Mapping[str, ClassificationReport]
    curves: Mapping[str, FindingCurves]
    training: TrainingCurves | None
    made: str
    macro: MacroFigures | None = None
    recalibration: Recalibration | None = None
    calibrated_here: bool = False
    outside: Mapping[str, FindingFigures] = field(default_factory=dict)


def render_evaluation_report(content: ReportContent) -> str:
    """The report as one HTML page that needs nothing else."""
    return render_report(build_evaluation_report(content))


def build_evaluation_report(content: ReportContent) -> EvaluationReport:
    """The report's view-model."""
    sections = [_finding_section(content, key) for key in content.figures]
    if content.recalibration is not None:
        sections.append(build_recalibration_section(content.recalibration))
    charts = list(draw_training_curves(content.training)) if content.training else []
    if charts:
        sections.append(Section(checklist.TRAINING, [ChartRow(charts)]))
    sections.append(Section(checklist.PROVENANCE, [_list_provenance(content)]))
    sections.append(checklist.build_checklist_section(collect_headings(sections)))
    return EvaluationReport(
        model=f"{content.card.model} {content.card.version}",
        split=content.split,
        made=content.made,
        summary=_build_summary(content),
        sections=sections,
    )


def _build_summary(content: ReportContent) -> list[Paragraph]:
    paragraphs = build_films_paragraphs(content.data, content.split)
    for key, figures in content.figures.items():
        auroc = figures.auroc
        counts = f"{format_positives(auroc)} films positive"
        text = f"{finding_name(key)}: AUROC {format_figure(auroc)}, {counts}."
        paragraphs.append(Paragraph(text, "verdict"))
    macro = content.macro
    if macro and macro.auroc and macro.average_precision:
        text = (
            f"Mean of {len(macro.findings)} findings: AUROC {format_figure(macro.auroc)}, "
            f"average precision {format_figure(macro.average_precision)}."
        )
        paragraphs.append(Paragraph(text, "verdict"))
    notes = [
        Paragraph(note, "warning") for note in list_notes(content.figures, content.calibrated_here)
    ]
    return [*paragraphs, *notes, *build_split_warning(content.split)]


def _finding_section(content: ReportContent, key: str) -> Section:
    figures, curves = content.figures[key], content.curves[key]
    parts = [
        Section(checklist.FIGURES, _show_figures(figures, content.calibrated_here)),
        Section(checklist.POINTS, _show_operating_points(figures, curves)),
        Section("Classification report", _show_classes(content.reports[key])),
    ]
    if figures.views:
        parts.append(Section("By view", build_view_blocks(figures.views)))
    if key in content.outside:
        parts.append(Section(OUTSIDE, _show_outside(content.outside[key])))
    if figures.attribution_inside is not None:
        blocks = build_attribution_blocks(figures.attribution_inside)
        parts.append(Section(checklist.CHEST, blocks))
    if figures.subgroups is not None and figures.subgroups.groups:
        parts.append(Section(checklist.GROUPS, build_subgroup_blocks(figures.subgroups)))
    if figures.coverage:
        blocks = build_coverage_blocks(figures.coverage, figures.coverage_groups)
        parts.append(Section("Coverage", blocks))
    if figures.localisation is not None:
        parts.append(Section(checklist.BOXES, build_localisation_blocks(figures.localisation)))
    charts = ChartRow(list(draw_finding_curves(curves, figures)))
    return Section(finding_name(key), [charts], parts)


def _show_figures(figures: FindingFigures, calibrated_here: bool) -> list[Block]:
    by_name = figures.by_name()
    rows = []
    for name, title in FIGURE_NAMES.items():
        if name in by_name:
            mark = f", {FITTED_HERE}" if calibrated_here and name in CALIBRATION_FIGURES else ""
            rows.append(figure_row(f"{title}{mark}", by_name[name]))
    balanced = operating_point_name(BALANCED).lower()
    note = (
        f"Accuracy and all figures below it are taken at the {balanced} operating point, which was chosen on "
        "validation films."
    )
    return [Table(("", "Value", "95 % interval"), rows), Paragraph(note, "quiet")]


def _show_outside(figures: FindingFigures) -> list[Block]:
    """The main figures of films that the figures above leave out."""
    by_name = figures.by_name()
    rows = [figure_row(FIGURE_NAMES[name], by_name[name]) for name in OUTSIDE_FIGURES]
    note = (
        f"{format_positives(figures.auroc)} films positive. The model is not for these patients, and a reading refuses "
        "them; these films are in no other figure of this report."
    )
    return [Table(("", "Value", "95 % interval"), rows), Paragraph(note, "quiet")]


def _show_operating_points(figures: FindingFigures, curves: FindingCurves) -> list[Block]:
    rates, counts = [], []
    for key, calls in curves.confusion.items():
        name, point = operating_point_name(key), figures.points[key]
        values = (
            point.sensitivity,
            point.specificity,
            point.precision,
            point.f1,
            point.accuracy,
        )
        rates.append([name, f"{calls.threshold:.3g}", *map(format_figure, values)])
        cells = (
            calls.true_positive,
            calls.false_positive,
            calls.false_negative,
            calls.true_negative,
        )
        counts.append([name, *(f"{count:,}" for count in cells)])
    rates_header = (
        "",
        "Threshold",
        "Sensitivity",
        "Specificity",
        "Precision (PPV)",
        "F1",
        "Accuracy",
    )
    counts_header = (
        "",
        "Called, present",
        "Called, absent",
        "Not called, present",
        "Not called, absent",
    )
    return [Table(rates_header, rates, "wide"), Table(counts_header, counts, "counts")]


def _show_classes(report: ClassificationReport) -> list[Block]:
    classes = {
        "absent": report.absent,
        "present": report.present,
        "macro average": report.macro_average,
        "weighted average": report.weighted_average,
    }
    rows = [_class_row(name, figures, report.films) for name, figures in classes.items()]
    note = f"Accuracy {format_figure(report.accuracy)}, at the threshold {report.threshold:.3g}."
    header = ("Class", "Precision", "Recall", "F1", "Films")
    return [Table(header, rows, "wide"), Paragraph(note, "quiet")]


def _class_row(name: str, figures: ClassFigures, all_films: int) -> list[str]:
    films = all_films if figures.support is None else figures.support
    rates = (figures.precision, figures.recall, figures.f1)
    return [name, *map(format_figure, rates), f"{films:,}"]


def _list_provenance(content: ReportContent) -> FactList:
    card = content.card
    entries = [
        ("Model", f"{card.model} {card.version}, for {card.population.text}"),
        ("SHA-256 of the weights", card.weights_sha256),
        ("Split", content.split),
        ("SHA-256 of the films", content.data.data_sha256),
        ("SHA-256 of the split", content.data.split_sha256),
        ("Terms of the data", content.data.terms),
        ("Evaluated", format_time(content.made)),
    ]
    names = {key: finding_in_sentence(key) for key in content.figures}
    entries += [(f"Thresholds for {names[key]}", _list_thresholds(card, key)) for key in names]
    entries += [(f"Calibration for {names[key]}", card.calibration[key].source) for key in names]
    return FactList(entries)


def _list_thresholds(card: ModelCard, key: str) -> str:
    return "; ".join(
        f"{operating_point_name(point.name)} {point.threshold:.3g}"
        for point in card.operating_points[key]
    )
