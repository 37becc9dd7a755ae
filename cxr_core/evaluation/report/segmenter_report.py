"""Builds a segmenter's evaluation report: contours against masks, and the ratio against references and labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cxr_core.evaluation.metrics.curves import Roc
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
    render_report,
)
from cxr_core.evaluation.report.figure_text import figure_row, format_figure, format_positives
from cxr_core.evaluation.report.ratio_charts import (
    draw_bland_altman,
    draw_measured_against_true,
    draw_roc_curves,
)
from cxr_core.evaluation.segmentation.results import (
    GroupScores,
    RatioAgreement,
    RatioScores,
    RecordedAgreement,
    SegmentationFigures,
    SegmenterMetrics,
)
from cxr_core.models.figures import MeanFigure
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import (
    finding_in_sentence,
    finding_name,
    format_count,
    format_time,
    structure_name,
)

SCORE_NAMES = {"ratio": "Ratio", "classifier": "Classifier", "combined": "Both combined"}
GROUP_NAMES = {
    "all": "All views",
    "PA": "PA alone",
    "AP": "AP alone",
    "within": "Each within its view",
}
FIGURE_HEADER = ("", "Value", "95 % interval")


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmenterReportContent:
    """Everything that a segmenter's report shows. table: one row per film.  roc: by score, on the measured films."""

    card: SegmenterCard
    metrics: SegmenterMetrics
    table: pd.DataFrame
    roc: Mapping[str, Roc]


def render_segmenter_report(content: SegmenterReportContent) -> str:
    """The report as one HTML page that needs nothing else."""
    return render_report(build_segmenter_report(content))


def build_segmenter_report(content: SegmenterReportContent) -> EvaluationReport:
    """The report's view-model."""
    metrics = content.metrics
    sections = []
    if metrics.figures:
        sections.append(_masks_section(content.table, metrics.figures))
    if metrics.recorded:
        sections.append(_recorded_section(metrics.recorded))
    if metrics.score:
        sections.append(_labels_section(metrics.score, content.roc))
    sections.append(Section("Provenance", [_list_provenance(content)]))
    return EvaluationReport(
        model=f"{content.card.model} {content.card.version}",
        split=metrics.split,
        made=metrics.made,
        summary=_build_summary(metrics),
        sections=sections,
    )


def _build_summary(metrics: SegmenterMetrics) -> list[Paragraph]:
    paragraphs = build_films_paragraphs(metrics.data, metrics.split)
    if metrics.figures:
        dice = format_figure(metrics.figures.dice["heart"])
        paragraphs.append(Paragraph(f"Heart: Dice {dice}.", "verdict"))
        if metrics.figures.agreement:
            error = format_figure(metrics.figures.agreement.mae)
            text = f"Cardiothoracic ratio: mean absolute error {error}."
            paragraphs.append(Paragraph(text, "verdict"))
    if metrics.score:
        aurocs = metrics.score.views["all"].on_measured.auroc
        scores = "; ".join(
            f"{SCORE_NAMES[name].lower()} {format_figure(figure)}"
            for name, figure in aurocs.items()
        )
        text = f"{finding_name(metrics.score.finding)}, AUROC: {scores}."
        paragraphs.append(Paragraph(text, "verdict"))
    return [*paragraphs, *build_split_warning(metrics.split)]


def _masks_section(films: pd.DataFrame, figures: SegmentationFigures) -> Section:
    rows = []
    for structure, dice in figures.dice.items():
        distance = format_figure(figures.distance_px[structure], 2)
        name = structure_name(structure).capitalize()
        rows.append([name, format_figure(dice), distance, f"{dice.n:,}"])
    header = ("", "Dice", "Mean distance of boundaries, px", "Films")
    return Section(
        "Against masks drawn by readers",
        [Table(header, rows, "wide")],
        [Section("Cardiothoracic ratio", _show_ratio(films, figures))],
    )


def _show_ratio(films: pd.DataFrame, figures: SegmentationFigures) -> list[Block]:
    blocks: list[Block] = []
    agreement, coverage = figures.agreement, figures.coverage
    shares = {
        "Share of films measured": figures.measured,
        "Share of films measured without a warning": figures.trusted,
        "Mean absolute error of those": figures.trusted_ratio_mae,
    }
    if agreement is None or coverage is None:
        blocks.append(Paragraph("None of these films could be measured."))
        rows = [figure_row(name, figure) for name, figure in shares.items()]
        return [*blocks, Table(FIGURE_HEADER, rows)]
    measured = films[films["ratio"].notna() & films["true_ratio"].notna()]
    charts = [
        draw_bland_altman(measured, agreement),
        draw_measured_against_true(measured, agreement.correlation, coverage),
    ]
    shares["Share of stated intervals that hold the true ratio"] = coverage
    rows = _agreement_rows(agreement, "true")
    rows += [figure_row(name, figure) for name, figure in shares.items()]
    return [ChartRow(charts), Table(FIGURE_HEADER, rows)]


def _recorded_section(recorded: RecordedAgreement) -> Section:
    note = (
        f"On {format_count(recorded.agreement.mae.n, 'films')}; {recorded.not_recorded:,} record no ratio, "
        f"and {recorded.unmeasured:,} that record one could not be measured."
    )
    return Section(
        f"Against the ratio recorded in {recorded.table}",
        [
            Table(FIGURE_HEADER, _agreement_rows(recorded.agreement, "recorded")),
            Paragraph(note, "quiet"),
        ],
    )


def _agreement_rows(agreement: RatioAgreement, reference: str) -> list[list[str]]:
    names = {
        "Mean absolute error": agreement.mae,
        f"Bias: measured − {reference}": agreement.bias,
        "Lower limit of agreement": agreement.low,
        "Upper limit of agreement": agreement.high,
        "Correlation": agreement.correlation,
    }
    return [figure_row(name, figure) for name, figure in names.items()]


def _labels_section(score: RatioScores, roc: Mapping[str, Roc]) -> Section:
    blocks: list[Block] = []
    if roc:
        aurocs = score.views["all"].on_measured.auroc
        curves = {SCORE_NAMES[name]: (curve, aurocs[name]) for name, curve in roc.items()}
        blocks.append(ChartRow([draw_roc_curves(curves)]))
    blocks += _compare_scores(score.views)
    blocks.append(Paragraph(_describe_comparator(score), "quiet"))
    by_source = [
        Section(f"Films of {source}", _compare_scores(views))
        for source, views in score.sources.items()
    ]
    title = f"As a score for {finding_in_sentence(score.finding)}"
    return Section(title, blocks, by_source)


def _compare_scores(views: Mapping[str, GroupScores]) -> list[Block]:
    """AUROC and its differences by view, then how many films could not be measured."""
    every = views["all"]
    names = list(every.on_measured.auroc)
    aurocs, differences, on_all, unmeasured = [], [], [], []
    for key, group in views.items():
        title = GROUP_NAMES[key]
        measured = group.on_measured
        positives = format_positives(measured.auroc["ratio"])
        aurocs.append([title, positives, *_format_all(measured.auroc)])
        differences.append([title, *_format_all(measured.difference)])
        if group.on_all:
            positives = format_positives(group.on_all.auroc["classifier"])
            figures = [*_format_all(group.on_all.auroc), *_format_all(group.on_all.difference)]
            on_all.append([title, positives, *figures])
        missed = group.unmeasured
        share = "" if missed.share is None else f"{100 * missed.share:.1f} %"
        count = f"{missed.films:,} of {group.films:,}"
        unmeasured.append([title, count, share, f"{missed.positives:,}"])
    score_names = [SCORE_NAMES[name] for name in names]
    blocks: list[Block] = [
        Table(("AUROC, films measured", "Positive", *score_names), aurocs, "wide")
    ]
    if every.on_measured.difference:
        pairs = map(_pair_name, every.on_measured.difference)
        blocks.append(Table(("Difference, films measured", *pairs), differences, "wide"))
    if every.on_all:
        all_names = [SCORE_NAMES[name] for name in every.on_all.auroc]
        pairs = map(_pair_name, every.on_all.difference)
        header = ("AUROC, all films", "Positive", *all_names, *pairs)
        blocks.append(Table(header, on_all, "wide"))
    header = ("Could not be measured", "Films", "Share", "Positive among them")
    return [*blocks, Table(header, unmeasured, "wide")]


def _describe_comparator(score: RatioScores) -> str:
    comparator, fusion = score.comparator, score.fusion
    if comparator is None:
        return "No classifier is compared: none that answers this finding is installed or given."
    name = f"The classifier is {comparator.model} {comparator.version}."
    if fusion is None:
        return f"{name} Its card has no fusion with this segmenter, so none is scored."
    return (
        f"{name} Both combined as in a reading, by the fusion of its card: log-odds = {fusion.intercept:.3f} "
        f"{fusion.classifier:+.3f} × the classifier's {fusion.measured:+.3f} × (ratio − {fusion.centre}) "
        f"{fusion.ap:+.3f} on AP views; fitted on {fusion.source}. A film that could not be measured keeps the "
        "classifier's answer alone."
    )


def _list_provenance(content: SegmenterReportContent) -> FactList:
    card, metrics = content.card, content.metrics
    interval = card.ratio_interval
    width = f"± {interval.factor:.3g} × ({interval.offset:.3g} + spread)"
    return FactList(
        [
            ("Model", f"{card.model} {card.version}, for {card.population.text}"),
            ("SHA-256 of the weights", card.weights_sha256),
            ("Split", metrics.split),
            ("SHA-256 of the films", metrics.data.data_sha256),
            ("SHA-256 of the split", metrics.data.split_sha256),
            ("Terms of the data", metrics.data.terms),
            ("Evaluated", format_time(metrics.made)),
            ("Interval of the ratio", f"{width}; {interval.source}"),
        ]
    )


def _format_all(figures: Mapping[str, MeanFigure]) -> list[str]:
    return [format_figure(figure) for figure in figures.values()]


def _pair_name(pair: str) -> str:
    """The display name of a difference: `combined - ratio` -> Both combined − ratio."""
    first, second = pair.split(" - ")
    return f"{SCORE_NAMES[first]} − {SCORE_NAMES[second].lower()}"
