"""Writes a report as one HTML page that needs nothing else: pictures inside it, no script, fit for A4."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_core.film.spacing import describe_spacing_source
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import parse_mean_figure
from cxr_core.presentation.html import render_template
from cxr_core.presentation.wording import (
    DRAWING_NOTICE,
    NOTICE,
    call_name,
    finding_name,
    format_percent,
    format_threshold,
    operating_point_name,
)
from cxr_core.reading.heatmap_notes import describe_heatmap
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.measurement import MeasurementSection, build_measurement_section
from cxr_core.reading.report.pictures import (
    EmbeddedPicture,
    draw_colour_bar,
    embed_picture,
    shrink_film,
    shrink_placement,
    to_grey,
)
from cxr_core.reading.report.report import Report, card_json, threshold_source
from cxr_core.reading.results import Attribution, FindingReading
from cxr_core.workspace.json_files import Json, JsonObject

TEMPLATE = Path(__file__).parent / "templates" / "report.html.j2"


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """A row of the table of findings. reason: why there is no number; then the other columns are empty."""

    name: str
    reason: str = ""
    call: str = ""
    probability: str = ""
    threshold: str = ""
    operating_point: str = ""
    logit: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class HeatmapFigure:
    """A heatmap over the film, with a bar that says what its colours are worth."""

    picture: EmbeddedPicture
    colour_bar: EmbeddedPicture
    scale_end: str


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """A model, and names and values of its card."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """What the page shows, in its order."""

    title: str
    file: str
    notices: tuple[tuple[str, str], ...]  # CSS class and text
    film_heading: str
    film_facts: tuple[tuple[str, str], ...]
    refusal: str
    cautions: tuple[str, ...]
    findings: tuple[FindingRow, ...]
    measurements: tuple[MeasurementSection, ...]
    film_picture: EmbeddedPicture | None
    heatmaps: tuple[HeatmapFigure, ...]
    models: tuple[ModelSection, ...]
    footer: str


def render_html_report(report: Report) -> str:
    """The report as a self-contained HTML page."""
    return render_template(TEMPLATE, page=build_page(report))


def build_page(report: Report) -> ReportPage:
    """The texts, rows and pictures of a report's page."""
    reading = report.reading
    notices = [("notice", NOTICE)]
    title, film_heading = "Report on a chest film", "Film"
    if report.is_drawing:
        notices.insert(0, ("notice drawing", DRAWING_NOTICE))
        title, film_heading = "Report on a synthetic chest", "Synthetic film"
    flags = [
        f"{flag.message} ({flag.code})" for flag in reading.concerns if not flag.withholds_reading
    ]
    time = report.made.isoformat(sep=" ", timespec="seconds")
    return ReportPage(
        title=title,
        file=report.file,
        notices=tuple(notices),
        film_heading=film_heading,
        film_facts=tuple(_list_film_facts(report)),
        refusal=(reading.reason or "") if reading.status == "refused" else "",
        cautions=(*flags, *reading.warnings),
        findings=tuple(_build_finding_row(finding) for finding in reading.findings),
        measurements=tuple(build_measurement_section(report, m) for m in reading.measurements),
        film_picture=_draw_film(report),
        heatmaps=tuple(_draw_heatmaps(report)),
        models=tuple(
            ModelSection(title=f"{card.model} {card.version}", rows=tuple(_list_card_facts(card)))
            for card in report.cards
        ),
        footer=f"Silhouette {report.software_version}, {time}; read in {reading.seconds:.2f} s. {NOTICE}",
    )


def _list_film_facts(report: Report) -> Iterator[tuple[str, str]]:
    reading, film = report.reading, report.film
    yield "File", report.file
    yield "SHA-256 of the file", reading.sha256
    if film is not None:
        rows, columns = film.shape
        kind = "synthetic" if report.is_drawing else film.container.upper()
        yield "Picture", f"{kind}, {columns} × {rows} px, {film.bits} bits"
        if report.spacing_mm is not None:
            row_mm, column_mm = report.spacing_mm
            place = describe_spacing_source(film.spacing_source)
            spacing = f"{row_mm:.3g} mm between rows, {column_mm:.3g} mm between columns"
            yield "Pixel spacing", f"{spacing} ({place})"
    age = reading.patient.age_years
    yield "Age used", "unknown" if age is None else f"{age:g} years"
    yield "View used", reading.patient.view or "unknown"


def _build_finding_row(finding: FindingReading) -> FindingRow:
    name = finding_name(finding.finding)
    if finding.probability is None or finding.present_from is None or finding.logit is None:
        return FindingRow(name=name, reason=finding.reason or "No number.")
    probability = format_percent(finding.probability)
    if finding.fusion_parts is not None:
        probability += f" ({finding.fusion_parts.describe()})"
    threshold = format_threshold(finding.probability, finding.present_from)
    return FindingRow(
        name=name,
        call=call_name(finding.call),
        probability=probability,
        threshold=f"{threshold}: {threshold_source(finding)}",
        operating_point=operating_point_name(finding.operating_point or ""),
        logit=f"{finding.logit:.2f}",
        model=f"{finding.model} {finding.version}, for {finding.population}",
    )


def _draw_film(report: Report) -> EmbeddedPicture | None:
    if report.film is None:
        return None
    return embed_picture(to_grey(shrink_film(report.film.pixels)), _name_film(report))


def _name_film(report: Report) -> str:
    return "The synthetic film" if report.is_drawing else "The film"


def _draw_heatmaps(report: Report) -> Iterator[HeatmapFigure]:
    if report.film is None:
        return
    pixels = shrink_film(report.film.pixels)
    colour_bar = draw_colour_bar()
    for finding in report.reading.findings:
        attribution = finding.attribution
        if attribution is None:
            continue
        placement = shrink_placement(attribution.placement, pixels.shape)
        heat = placement.map_to_film(attribution.cells)
        overlay = overlay_heatmap(pixels, heat, attribution.scale)
        caption = _caption_heatmap(_name_film(report), finding, attribution)
        yield HeatmapFigure(
            picture=embed_picture(overlay, caption),
            colour_bar=colour_bar,
            scale_end=f"{attribution.scale:.2g} and more ({_describe_unit(attribution)})",
        )


def _caption_heatmap(film: str, finding: FindingReading, attribution: Attribution) -> str:
    name = finding_name(finding.finding).lower()
    sentences = [
        f"{film} with the evidence for {name} by {finding.model} (method: {attribution.method}; "
        f"{_describe_cells(attribution)})."
    ]
    if not (attribution.cells > 0).any():
        sentences.append("There is no evidence for it.")
    note = describe_heatmap(finding.card, finding.finding) if finding.card else None
    if note:
        sentences.append(note)
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


def _list_card_facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    content = card_json(card)
    yield "Intended for", card.population.text
    yield "Preprocessing", f"version {card.input_spec.version}"
    yield from _list_values("Input: ", content["input_spec"])
    yield "SHA-256 of the weights", card.weights_sha256
    for finding in card.findings:
        yield f"Calibration of {finding_name(finding).lower()}", card.calibration[finding].source
        yield from _list_thresholds(card, finding)
    yield from _list_values("Training: ", content["training"])
    yield from _list_values("Figures: ", content["metrics"])
    yield from _list_values("Made with ", content["software"])


def _list_thresholds(card: ModelCard, finding: str) -> Iterator[tuple[str, str]]:
    point_sets = {"": card.operating_points[finding]}
    if finding in card.fusion:
        point_sets = {
            " of network and ratio": card.fusion[finding].operating_points,
            " of the network alone": card.operating_points[finding],
        }
    for origin, points in point_sets.items():
        for point in points:
            name = operating_point_name(point.name).lower()
            yield (
                f"{finding_name(finding)}, {name} threshold{origin}",
                f"{format_percent(point.threshold)} ({point.source})",
            )


def _list_values(prefix: str, content: Json) -> Iterator[tuple[str, str]]:
    """A nested JSON object as one line per value; a figure with an interval is one line.

    Lists of objects, such as the promotion gate's checks, are left to the JSON report.
    """
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, dict):
            if {"value", "low", "high"} <= value.keys():
                yield name, _format_figure(value)
            else:
                yield from _list_values(f"{name}, ", value)
        elif isinstance(value, list):
            if not any(isinstance(item, dict) for item in value):
                yield name, ", ".join(str(item) for item in value)
        else:
            yield name, str(value)


def _format_figure(figure: JsonObject) -> str:
    """One figure with its interval; one that is undefined says so."""
    text, notes = "undefined", []
    found = parse_mean_figure({"n": 0, **figure})
    if found is not None and None not in (found.value, found.low, found.high):
        text = f"{found.value:.3f}"
        notes.append(f"95 % interval {found.low:.3f} to {found.high:.3f}")
    if {"positives", "n"} <= figure.keys():
        notes.append(f"{figure['positives']} of {figure['n']} positive")
    return f"{text} ({', '.join(notes)})" if notes else text
