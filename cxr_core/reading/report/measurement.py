"""Prepares the report's section on the width of the heart: the ratio, what it rests on, and the measured film."""

from dataclasses import dataclass

from cxr_core.findings import RATIO_LIMIT
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.overlay import draw_measurement
from cxr_core.reading.cardiothoracic.ratio import Measurement, describe_diameters, describe_ratio
from cxr_core.reading.report.pictures import EmbeddedPicture, embed_picture, resize_film, to_grey
from cxr_core.reading.report.report import Report

METHOD = (
    "The cardiothoracic ratio is the heart's greatest transverse diameter over that of the thorax (Danzer 1919). Only "
    "the horizontal distance between the two ends of a diameter counts. Points are (x, y) in pixels of the film."
)


@dataclass(frozen=True, kw_only=True)
class MeasurementSection:
    """What the section shows. rows: names and values.  cautions: why a measured ratio is not to be trusted."""

    disagreements: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    method: str
    picture: EmbeddedPicture | None


def build_measurement_section(report: Report, measurement: Measurement) -> MeasurementSection:
    """The section on one measurement of the report's reading."""
    return MeasurementSection(
        disagreements=measurement.disagreements,
        rows=tuple(_list_facts(measurement)),
        cautions=() if measurement.value is None else measurement.reasons,
        method=METHOD,
        picture=_draw_picture(report, measurement),
    )


def _list_facts(measurement: Measurement) -> list[tuple[str, str]]:
    known = measurement.value is not None
    rows = [("Cardiothoracic ratio", describe_ratio(measurement))]
    if known:
        limit = f"{RATIO_LIMIT}: above it a heart is called enlarged, on PA films of adults"
        rows.append(("Limit", limit))
    diameters = describe_diameters(measurement)
    if diameters:
        rows.append(("Diameters", diameters))
    for name, line in (("heart", measurement.heart), ("thorax", measurement.thorax)):
        if line is not None:
            rows.append((f"Ends of the {name}", _format_line(line)))
    if known:
        rows.append(("Trusted", "yes" if measurement.trusted else "no, for the reasons below"))
    if measurement.automatic is not None:
        rows.append(("Edited", "by hand"))
        rows.append(("Automatic ratio", describe_ratio(measurement.automatic)))
    return [*rows, ("Model", f"{measurement.model} {measurement.version}")]


def _format_line(line: Line) -> str:
    return " and ".join(f"({x:.1f}, {y:.1f})" for x, y in line)


def _draw_picture(report: Report, measurement: Measurement) -> EmbeddedPicture | None:
    film, segmentation = report.film, report.examination.segmentation
    if film is None or segmentation is None:
        return None
    caption = "The synthetic film" if report.is_drawing else "The film"
    caption += " with the contours of heart and lungs"
    if measurement.heart is not None:
        caption += " and both diameters"
    if measurement.edited:
        caption += ", their ends set by hand"
    grey = to_grey(resize_film(film.pixels))
    return embed_picture(draw_measurement(grey, film.shape, segmentation, measurement), caption)
