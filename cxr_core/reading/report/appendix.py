"""Prepares the appendix of a report: heatmaps, and where every number on page one comes from."""

from collections.abc import Iterator
from dataclasses import dataclass

from cxr_core.film.spacing import describe_spacing_source
from cxr_core.models.card import ModelCard
from cxr_core.models.card_summary import (
    LABELS_AND_READERS,
    describe_input,
    list_data_hashes,
    list_label_facts,
    list_thresholds,
    list_training_facts,
    tabulate_card_figures,
)
from cxr_core.presentation.wording import (
    WITH_RATIO,
    decision_name,
    format_percent,
)
from cxr_core.reading.heatmap_notes import describe_heatmap
from cxr_core.reading.opinions import split_opinions
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.measurement import CHANGE_METHOD, list_ratio_details
from cxr_core.reading.report.pictures import (
    EmbeddedPicture,
    draw_colour_bar,
    name_film,
    shrink_film,
    shrink_placement,
)
from cxr_core.reading.report.report import Report, threshold_source
from cxr_core.reading.results import EXACT_METHOD, Attribution, FindingReading

FIGURES_NOTE = (
    "With 95 % intervals, and the number of positive films among all films. The JSON report has every figure of the "
    "models' cards, with their training and release records."
)
PROBABILITY_METHOD = (
    "A probability is calibrated: of 100 films with a probability of 30 %, about 30 have the finding, on films like "
    "those used for calibration. A prevalence of the user's own moves it by Bayes' rule and never changes the verdict."
)


@dataclass(frozen=True, kw_only=True)
class HeatmapFigure:
    """A heatmap over the film, with a bar that says what its colours are worth."""

    picture: EmbeddedPicture
    colour_bar: EmbeddedPicture
    scale_end: str


@dataclass(frozen=True, kw_only=True)
class FactsTable:
    """A heading, and names and values below it."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class FiguresTable:
    """A heading, and how well a model does: `head` has a name for each column, every row a cell for each."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Appendix:
    """What is printed only when asked for. note: on how the figures are read, and where all others are."""

    tables: tuple[FactsTable, ...]
    figures: tuple[FiguresTable, ...]
    note: str
    heatmaps: tuple[HeatmapFigure, ...]


def build_appendix(report: Report, prior: Report | None = None) -> Appendix:
    """The appendix on the current film. prior: a film that it is compared with."""
    reading = report.reading
    tables = [FactsTable(title="Film", rows=tuple(_list_film_details(report)))]
    for finding in split_opinions(reading.findings):
        if finding.probability is not None:
            title = f"{finding.name}, by {finding.model} {finding.version}"
            tables.append(FactsTable(title=title, rows=tuple(_list_finding_details(finding))))
    if any(finding.probability is not None for finding in reading.findings):
        rows = [("Calibration", PROBABILITY_METHOD)]
        tables.append(FactsTable(title="Probabilities", rows=tuple(rows)))
    for measurement in reading.measurements:
        rows = list(list_ratio_details(measurement))
        if prior is not None:
            rows.append(("Change", CHANGE_METHOD))
        tables.append(FactsTable(title="Cardiothoracic ratio", rows=tuple(rows)))
    for card in report.cards:
        title = f"Model {card.model} {card.version}"
        tables.append(FactsTable(title=title, rows=tuple(_list_card_facts(card))))
    figures = [table for card in report.cards for table in _tabulate(card)]
    note = FIGURES_NOTE if figures else ""
    if any(card.fusion for card in report.cards):
        note += f" {WITH_RATIO}"
    return Appendix(
        tables=tuple(tables),
        figures=tuple(figures),
        note=note,
        heatmaps=tuple(_draw_heatmaps(report)),
    )


def _list_film_details(report: Report) -> Iterator[tuple[str, str]]:
    yield "SHA-256 of the file", report.reading.sha256
    if report.spacing_mm is not None and report.film is not None:
        row_mm, column_mm = report.spacing_mm
        place = describe_spacing_source(report.film.spacing_source)
        distances = f"{row_mm:.3g} mm between rows, {column_mm:.3g} mm between columns"
        yield "Pixel spacing", f"{distances} ({place})"
    codes = ", ".join(flag.code for flag in report.reading.concerns)
    if codes:
        yield "Codes of the quality flags", codes
    yield "Read in", f"{report.reading.seconds:.2f} s"


def _list_finding_details(finding: FindingReading) -> Iterator[tuple[str, str]]:
    if not finding.shows_number:
        yield "Numbers", "not shown, as there is no verdict; the JSON report has them"
        yield "Model for", finding.population or ""
        return
    if finding.logit is not None:
        yield "Logit of the network", f"{finding.logit:.2f}"
    if finding.fusion_parts is not None:
        yield "Probability made of", finding.fusion_parts.describe()
    if finding.decision is not None:
        yield "Decision", decision_name(finding.decision)
    yield "Thresholds from", threshold_source(finding) or ""
    if finding.calibration_prevalence is not None:
        prevalence = format_percent(finding.calibration_prevalence)
        estimated = ", an estimate: the mean probability" if finding.label_noise else ""
        yield "Prevalence of the calibration", f"{prevalence}{estimated}"
    if finding.likelihood_ratio is not None:
        yield "Likelihood ratio", f"{finding.likelihood_ratio:.2g}"
    yield "Probability of", finding.describe_label_noise()
    if finding.site is not None:
        yield "Profile of the site", finding.site.describe()
    yield "Model for", finding.population or ""


def _draw_heatmaps(report: Report) -> Iterator[HeatmapFigure]:
    if report.film is None:
        return
    pixels = shrink_film(report.film.pixels)
    colour_bar = draw_colour_bar()
    for finding in report.reading.findings:
        attribution = finding.attribution
        if attribution is None or finding.needs_age:
            continue
        placement = shrink_placement(attribution.placement, pixels.shape)
        heat = placement.map_to_film(attribution.cells)
        overlay = overlay_heatmap(pixels, heat, attribution.scale)
        caption = _caption_heatmap(name_film(report), finding, attribution)
        yield HeatmapFigure(
            picture=EmbeddedPicture(overlay, caption),
            colour_bar=colour_bar,
            scale_end=f"{attribution.scale:.2g} and more ({_describe_unit(attribution)})",
        )


def _caption_heatmap(film: str, finding: FindingReading, attribution: Attribution) -> str:
    name = finding.name.lower()
    sentences = [
        f"{film} with the evidence for {name} by {finding.model} (method: {attribution.method}; "
        f"{_describe_cells(attribution)})."
    ]
    if not (attribution.cells > 0).any():
        sentences.append("There is no evidence for it.")
    sentences.append(_describe_localisation(finding, attribution))
    return " ".join(sentences)


def _describe_unit(attribution: Attribution) -> str:
    if attribution.unit == "logit":
        return "logits in a cell"
    return "relative to this picture's own maximum"


def _describe_cells(attribution: Attribution) -> str:
    if attribution.unit != "logit":
        return "without a unit"
    if attribution.against_baseline:
        return "what each cell adds beyond a typical film without the finding; the cells sum to logit − constant"
    return "the cells sum to logit − bias"


def _describe_localisation(finding: FindingReading, attribution: Attribution) -> str:
    """How well maps of this method and finding point at it; the card's note is on the exact method."""
    note = None
    if finding.card is not None and attribution.method == EXACT_METHOD:
        note = describe_heatmap(finding.card, finding.finding)
    return note or "No localisation was measured for this method."


def _list_card_facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    """What tells a model from others and what it was made of; its figures have tables of their own."""
    yield "Intended for", card.population.text
    spec = card.input_spec
    prepared = f"aspect {spec.aspect}, equalisation {spec.equalisation}, version {spec.version}"
    yield "Input", f"{describe_input(spec)}; {prepared}"
    yield "SHA-256 of the weights", card.weights_sha256
    for finding in card.findings:
        of_finding = f" of {card.finding_in_sentence(finding)}" if len(card.findings) > 1 else ""
        yield f"Calibration{of_finding}", card.calibration[finding].source
        # How labels and readers differ stands with the finding, where it is assessed.
        yield from (row for row in list_label_facts(card, finding) if row[0] != LABELS_AND_READERS)
        yield from _list_thresholds(card, finding, of_finding)
        for of_findings in card.resolution.values():
            if finding in of_findings:
                yield f"Size and file format{of_finding}", of_findings[finding].describe()
    yield from list_training_facts(card.training, card.findings[0])
    yield from list_data_hashes(card.training)
    yield "Made with", ", ".join(f"{name} {version}" for name, version in card.software.items())


def _list_thresholds(card: ModelCard, finding: str, of_finding: str) -> Iterator[tuple[str, str]]:
    point_sets = {"": card.operating_points[finding]}
    if finding in card.fusion:
        point_sets = {
            ", network and ratio": card.fusion[finding].operating_points,
            ", network alone": card.operating_points[finding],
        }
    for origin, points in point_sets.items():
        for thresholds, source in list_thresholds(points):
            yield f"Thresholds{of_finding}{origin}", f"{thresholds} ({source})"


def _tabulate(card: ModelCard) -> Iterator[FiguresTable]:
    for finding in card.findings:
        rows = tabulate_card_figures(card, finding, digits=3)
        if rows:
            yield FiguresTable(
                title=f"{card.name_finding(finding)}: figures of {card.model} {card.version}",
                head=tuple(rows[0]),
                rows=tuple(tuple(row.values()) for row in rows),
            )
