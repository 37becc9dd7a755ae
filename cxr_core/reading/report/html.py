"""The report as one HTML page that needs nothing else: pictures inside it, no script, nothing fetched, fit for A4."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.models.card import ModelCard
from cxr_core.presentation.html import cell, element, page, table, text
from cxr_core.presentation.wording import (
    DRAWING_NOTICE,
    NOTICE,
    finding_name,
    operating_point_name,
    format_percent,
    format_threshold,
)
from cxr_core.reading.cardiothoracic.ratio_wording import parts_words
from cxr_core.reading.heatmap_notes import heat_words
from cxr_core.reading.report.colormap import overlay
from cxr_core.reading.report.measurement import measurement_section
from cxr_core.reading.report.report import Report, threshold_source
from cxr_core.reading.report.sections import facts_table, picture, shrunk
from cxr_core.reading.results import Evidence, FindingReading

BAR_GREY = 0.42  # what the colour bar is drawn over: about the grey of a lung


def html_report(report: Report) -> str:
    """The report as a self-contained HTML page."""
    title = "Report on a drawing of a chest" if report.is_drawing else "Report on a chest film"
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = [
        element("h1", title),
        _notices(report),
        *_about_the_film(report),
        *_what_to_distrust(report),
        *_findings(report),
        *measurement_section(report),
        *_pictures(report),
        *_models(report),
        _footer(report),
    ]
    return page(f"{title}: {report.file}", style, body, schemes="light")


def _notices(report: Report) -> str:
    drawing = element("p", DRAWING_NOTICE, "notice drawing") if report.is_drawing else ""
    return drawing + element("p", NOTICE, "notice")


def _about_the_film(report: Report) -> Iterator[str]:
    reading, film = report.reading, report.film
    facts = {"File": report.file, "SHA-256 of the file": reading.sha256}
    if film is not None:
        rows, columns = film.shape
        kind = "drawing" if report.is_drawing else film.container.upper()
        facts["Picture"] = f"{kind}, {columns} × {rows} px, {film.bits} bits"
        if film.spacing_mm is not None:
            facts["Pixel spacing"] = (
                f"{film.spacing_mm[0]:g} mm between rows, {film.spacing_mm[1]:g} mm between columns"
            )
    age, view = reading.patient.age_years, reading.patient.view
    facts["Age used"] = "unknown" if age is None else f"{age:g} years"
    facts["View used"] = view or "unknown"
    yield element("h2", "Drawing" if report.is_drawing else "Film")
    yield facts_table(facts)


def _what_to_distrust(report: Report) -> Iterator[str]:
    reading = report.reading
    yield element("h2", "What to distrust")
    if reading.status == "refused":
        yield element("p", f"Not read: {reading.reason}", "present")
    remarks = [
        f"{concern.message} ({concern.code})" for concern in reading.concerns if not concern.refuses
    ]
    if remarks := [*remarks, *reading.remarks]:
        yield "<ul>" + "".join(element("li", said) for said in remarks) + "</ul>"
    elif reading.status == "read":
        yield element("p", "No check of the film found anything.")


def _findings(report: Report) -> Iterator[str]:
    if not report.reading.findings:
        return
    yield element("h2", "Findings")
    header = ("Finding", "Call", "Probability", "Threshold", "Operating point", "Logit", "Model")
    yield table(header, (_finding_row(finding) for finding in report.reading.findings))
    yield element(
        "p",
        "The probability is calibrated: of films like those it was fitted on, about so many in a hundred have the "
        "finding. A call compares it with the threshold.",
        "reason",
    )


def _finding_row(finding: FindingReading) -> list[str]:
    name = finding_name(finding.finding)
    if finding.probability is None or finding.threshold is None or finding.logit is None:
        return [name, cell(finding.reason or "No number.", "reason", columns=6)]
    return [
        name,
        cell(finding.call or "", finding.call or ""),
        format_percent(finding.probability)
        + (f" ({said})" if (said := parts_words(finding.parts)) else ""),
        f"{format_threshold(finding.probability, finding.threshold)}: {threshold_source(finding)}",
        operating_point_name(finding.operating_point or ""),
        f"{finding.logit:.2f}",
        f"{finding.model} {finding.version}, for {finding.population}",
    ]


def _pictures(report: Report) -> Iterator[str]:
    film = report.film
    if film is None:
        return
    yield element("h2", "Pictures")
    pixels = shrunk(film.pixels)
    grey = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    of = "The drawing" if report.is_drawing else "The film"
    figures = [f"<figure>{picture(grey, of)}{element('figcaption', of)}</figure>"]
    figures += [
        _heatmap(pixels, f, f.evidence, of)
        for f in report.reading.findings
        if f.evidence is not None
    ]
    yield f'<div class="pictures">{"".join(figures)}</div>'


def _heatmap(pixels: np.ndarray, finding: FindingReading, evidence: Evidence, of: str) -> str:
    """One figure: the evidence of a finding over the picture, with a bar that says what its colours are worth."""
    heat = _placed_on(pixels.shape, evidence.placement).map_to_film(evidence.cells)
    name = finding_name(finding.finding)
    unit = (
        "logits in a cell" if evidence.unit == "logit" else "relative to this picture's own maximum"
    )
    means = _meaning(evidence)
    found = "" if (evidence.cells > 0).any() else "There is no evidence for it."
    known = heat_words(finding.card, finding.finding) if finding.card else None
    caption = " ".join(
        filter(
            None,
            (
                f"{of} with the evidence for {name.lower()} by {finding.model} (method: {evidence.method}; {means}).",
                found,
                known,
            ),
        )
    )
    ends = [element("span", "0"), element("span", f"{evidence.scale:.2g} and more ({unit})")]
    return (
        f"<figure>{picture(overlay(pixels, heat, evidence.scale), caption)}"
        f'<div class="bar">{ends[0]}{_colour_bar()}{ends[1]}</div>{element("figcaption", caption)}</figure>'
    )


def _meaning(evidence: Evidence) -> str:
    if evidence.unit != "logit":
        return "without a unit"
    if evidence.against_usual:
        return "what each cell adds beyond a usual film without the finding; the cells sum to logit − constant"
    return "the cells sum to logit − bias"


def _placed_on(shape: tuple[int, ...], placement: Placement) -> Placement:
    """The same placement for the film shrunk to (H, W), to the nearest pixel of it."""
    down, across = (small / whole for small, whole in zip(shape, placement.film_shape, strict=True))
    top, left, bottom, right = placement.film_box
    box = (round(top * down), round(left * across), round(bottom * down), round(right * across))
    return dataclasses.replace(placement, film_shape=(shape[0], shape[1]), film_box=box)


def _colour_bar() -> str:
    shares = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(8, axis=0)
    return picture(overlay(np.full_like(shares, BAR_GREY), shares, 1.0), "colour bar", "")


def _models(report: Report) -> Iterator[str]:
    if report.cards:
        yield element("h2", "Models")
    for card in report.cards:
        yield element("h3", f"{card.model} {card.version}")
        yield facts_table(_about_the_model(card))


def _about_the_model(card: ModelCard) -> dict[str, str]:
    facts = {
        "Made for": card.population.text,
        "Preprocessing": f"version {card.input_spec.version}",
        **{
            f"Input: {key}": value
            for key, value in _flat(dataclasses.asdict(card.input_spec)).items()
        },
        "SHA-256 of the weights": card.weights_sha256,
    }
    for finding in card.findings:
        facts[f"Calibration of {finding_name(finding).lower()}"] = card.calibration[finding].source
        sets = {"": card.operating_points[finding]}
        if finding in card.combination:
            together = card.combination[finding].operating_points
            sets = {" of network and ratio": together, " of the network alone": sets[""]}
        for whose, points in sets.items():
            for point in points:
                name = f"{finding_name(finding)}, {operating_point_name(point.name).lower()} threshold{whose}"
                facts[name] = f"{format_percent(point.threshold)} ({point.source})"
    facts |= {f"Training: {key}": value for key, value in _flat(card.training).items()}
    facts |= {f"Figures: {key}": value for key, value in _flat(card.metrics).items()}
    return facts | {f"Made with {key}": value for key, value in card.software.items()}


def _footer(report: Report) -> str:
    made = report.made.isoformat(sep=" ", timespec="seconds")
    words = f"Silhouette {report.software_version}, {made}; read in {report.reading.seconds:.2f} s. {NOTICE}"
    return f"<footer>{text(words)}</footer>"


def _flat(table: Mapping[str, Any]) -> dict[str, str]:
    """A card's nested table as one line per value; a figure with an interval is one line. Lists of tables, such as the
    gate's checks, are left to the JSON report."""
    lines: dict[str, str] = {}
    for key, value in table.items():
        name = str(key).replace("_", " ")
        if isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys():
            lines[name] = _figure(value)
        elif isinstance(value, Mapping):
            lines |= {f"{name}, {inner}": text for inner, text in _flat(value).items()}
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if not any(isinstance(item, Mapping) for item in value):
                lines[name] = ", ".join(str(item) for item in value)
        else:
            lines[name] = str(value)
    return lines


def _figure(figure: Mapping[str, Any]) -> str:
    """One figure with its interval; one that is undefined says so."""
    counts = (
        f"{figure['positives']} of {figure['n']} positive"
        if {"positives", "n"} <= figure.keys()
        else ""
    )
    if figure["value"] is None or figure["low"] is None:
        return f"undefined{f' ({counts})' if counts else ''}"
    interval = f"95 % interval {figure['low']:.3f} to {figure['high']:.3f}"
    return f"{figure['value']:.3f} ({', '.join(filter(None, (interval, counts)))})"
