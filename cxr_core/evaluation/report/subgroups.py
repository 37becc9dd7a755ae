"""Shows how well a model performs in subgroups of the patients, and by view."""

from collections.abc import Mapping

from cxr_core.evaluation.metrics.results import FindingFigures, Subgroup, Subgroups
from cxr_core.evaluation.report.document import Block, Paragraph, Row, Table
from cxr_core.evaluation.report.figure_text import (
    format_figure,
    format_p_value,
    format_positives,
)
from cxr_core.presentation.html import TableCell

KIND_NAMES = {"sex": "Sex", "age": "Age, years", "view": "View", "source": "Source"}
SUBGROUP_FIGURES = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration": "Predicted less observed",
}
TOO_FEW = "not enough cases"


def build_subgroup_blocks(subgroups: Subgroups) -> list[Block]:
    """A table of all subgroups, and what it rests on."""
    header = (
        "Group",
        "Positive",
        *SUBGROUP_FIGURES.values(),
        "AUROC less that of the others",
        "p, adjusted",
    )
    minimum = subgroups.least_patients
    blocks: list[Block] = [
        Table(header, [_subgroup_row(group) for group in subgroups.groups], "wide"),
        Paragraph(
            f"Sensitivity and specificity at the threshold {subgroups.threshold:.3g}. A group needs {minimum} patients "
            f"with a positive film and {minimum} with a negative one. Differences are adjusted for "
            f"{subgroups.compared} groups: their intervals hold all of them at once (Bonferroni), p is Holm's.",
            "quiet",
        ),
    ]
    unknown = [
        f"{count:,} films do not say the {by}" for by, count in subgroups.unknown.items() if count
    ]
    if unknown:
        blocks.append(Paragraph(f"In no group: {'; '.join(unknown)}.", "quiet"))
    return blocks


def build_view_blocks(views: Mapping[str, FindingFigures]) -> list[Block]:
    """A table of PA and AP films apart."""
    rows = [
        [
            view,
            format_positives(figures.auroc),
            format_figure(figures.auroc),
            format_figure(figures.average_precision),
            format_figure(figures.recall),
            format_figure(figures.specificity),
        ]
        for view, figures in views.items()
    ]
    header = ("View", "Positive", "AUROC", "Average precision", "Sensitivity", "Specificity")
    return [Table(header, rows, "wide")]


def _subgroup_row(group: Subgroup) -> Row:
    head = [f"{KIND_NAMES[group.by]}: {group.name}", f"{group.positives:,} of {group.n:,}"]
    if not group.enough:
        return [*head, TableCell(TOO_FEW, "quiet", len(SUBGROUP_FIGURES) + 2)]
    figures = [format_figure(group.figures[name]) for name in SUBGROUP_FIGURES]
    difference = group.differences.get("auroc")
    if difference is None:
        return [*head, *figures, "", ""]
    adjusted = format_p_value(difference.p_adjusted)
    return [*head, *figures, format_figure(difference), adjusted]
