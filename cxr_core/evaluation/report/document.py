"""The view-model of an evaluation's report, and its rendering as a self-contained HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cxr_core.data.label_layers import describe_applied
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.population import describe_population
from cxr_core.evaluation.report.svg import SvgChart
from cxr_core.presentation.html import TableCell, render_template
from cxr_core.presentation.wording import NOTICE, OUT_OF_FOLD, format_count, format_time, split_name
from cxr_core.version import VERSION

TEMPLATE = Path(__file__).parent / "templates" / "evaluation_report.html.j2"
TEST_SPLIT = "test"

Row = Sequence[str | TableCell]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph. css_class: "lead", "verdict", "warning", "quiet" or none."""

    kind: ClassVar[str] = "paragraph"
    text: str
    css_class: str = ""


@dataclass(frozen=True)
class Table:
    """One table; the first column names the row. css_class: "wide", "counts" or none."""

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Row]
    css_class: str = ""


@dataclass(frozen=True)
class ChartRow:
    """Charts side by side."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[SvgChart]


@dataclass(frozen=True)
class FactList:
    """Names and values; entries without a value are left out."""

    kind: ClassVar[str] = "facts"
    entries: Sequence[tuple[str, str]]


Block = Paragraph | Table | ChartRow | FactList


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block] = ()
    subsections: "Sequence[Section]" = ()


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """Everything that a report shows.

    model: name and version.  split: the films evaluated.  made: ISO 8601, UTC.  summary: the main figures.
    """

    model: str
    split: str
    made: str
    summary: Sequence[Paragraph]
    sections: Sequence[Section]

    def headings(self) -> set[str]:
        """The titles of all sections and subsections."""
        return collect_headings(self.sections)


def collect_headings(sections: Sequence[Section]) -> set[str]:
    """The titles of sections and their subsections."""
    titles = {section.title for section in sections}
    for section in sections:
        titles |= collect_headings(section.subsections)
    return titles


def render_report(report: EvaluationReport) -> str:
    """The report as one HTML page that needs nothing else, light or dark as its reader's system is."""
    return render_template(
        TEMPLATE,
        report=report,
        title=f"{report.model} on its {split_name(report.split)}",
        program=f"Silhouette {VERSION}, {format_time(report.made)}",
        notice=NOTICE,
    )


def describe_source(data: EvaluatedData, split: str) -> str:
    """Where the films come from: `the data's own test split of nih_cxr8`, or `the run's test split of mine`."""
    whose = {"data": "the data's own ", "run": "the run's "}.get(data.split_by, "the ")
    names = " + ".join(Path(folder).name for folder in data.folders)
    return f"{whose}{split_name(split)}" + (f" of {names}" if names else "")


def build_films_paragraphs(data: EvaluatedData, split: str) -> list[Paragraph]:
    """How many films of how many patients were evaluated, and which films of the split were left out."""
    counts = f"{format_count(data.films, 'films')} of {format_count(data.patients, 'patients')}"
    paragraphs = [Paragraph(f"Evaluated on {counts}: {describe_source(data, split)}.", "lead")]
    if split != OUT_OF_FOLD:  # those are of the recipe's population
        paragraphs.append(Paragraph(describe_population(data)))
    layers = [
        f"Judged with the {describe_applied(layer)} of all splits." for layer in data.label_layers
    ]
    return paragraphs + [Paragraph(sentence) for sentence in layers]


def build_split_warning(split: str) -> list[Paragraph]:
    """A warning over the figures of films that are not test films; nothing for a test split or held-out folds."""
    if split in (TEST_SPLIT, OUT_OF_FOLD):
        return []
    return [
        Paragraph("These are not test films: the model was trained or tuned on them.", "warning")
    ]
