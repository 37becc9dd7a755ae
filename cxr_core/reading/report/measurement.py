"""The report's section on the heart's width: the ratio, what it rests on, and the film with both diameters drawn in."""

from collections.abc import Iterator

import numpy as np

from cxr_core.presentation.html import element
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.overlay import drawn_over
from cxr_core.reading.cardiothoracic.ratio import ENLARGED, Measurement
from cxr_core.reading.cardiothoracic.ratio_wording import diameter_words, ratio_words
from cxr_core.reading.report.report import Report
from cxr_core.reading.report.sections import facts_table, picture, resized

METHOD = (
    "The cardiothoracic ratio is the heart's greatest transverse diameter over that of the thorax (Danzer 1919). Only "
    "the horizontal distance between the two ends of a diameter counts. Points are (x, y) in pixels of the film."
)


def measurement_section(report: Report) -> Iterator[str]:
    """Elements of the section; none where nothing outlines heart and lungs."""
    for measured in report.reading.measurements:
        yield element("h2", "Width of the heart")
        yield from (
            element("p", said, "present") for said in report.reading.disagreements(measured)
        )
        yield facts_table(_facts(measured))
        if measured.reasons and measured.value is not None:
            yield element("p", "What speaks against the ratio:", "reason")
            yield "<ul>" + "".join(element("li", reason) for reason in measured.reasons) + "</ul>"
        yield element("p", METHOD, "reason")
        yield from _figure(report, measured)


def _facts(measured: Measurement) -> dict[str, str]:
    facts = {"Cardiothoracic ratio": ratio_words(measured)}
    if measured.value is not None:
        facts["Limit"] = f"{ENLARGED}: above it a heart is called enlarged, on PA films of adults"
    diameters = diameter_words(measured)
    if diameters:
        facts["Diameters"] = diameters
    for name, line in (("heart", measured.heart), ("thorax", measured.thorax)):
        if line is not None:
            facts[f"Ends of the {name}"] = _ends(line)
    if measured.value is not None:
        facts["Trusted"] = "yes" if measured.trusted else "no, for the reasons below"
    if measured.automatic is not None:
        facts["Edited"] = "by hand"
        facts["Automatic ratio"] = ratio_words(measured.automatic)
    return facts | {"Model": f"{measured.model} {measured.version}"}


def _ends(line: Line) -> str:
    return " and ".join(f"({x:.1f}, {y:.1f})" for x, y in line)


def _figure(report: Report, measured: Measurement) -> Iterator[str]:
    film, anatomy = report.film, report.examination.anatomy
    if film is None or anatomy is None:
        return
    grey = np.rint(resized(film.pixels) * 255).clip(0, 255).astype(np.uint8)
    of = "The drawing" if report.is_drawing else "The film"
    with_ends = " and both diameters" if measured.heart is not None else ""
    edited = ", their ends set by hand" if measured.edited else ""
    caption = f"{of} with the outlines of heart and lungs{with_ends}{edited}"
    shown = picture(drawn_over(grey, film.shape, anatomy, measured), caption)
    yield f"<figure>{shown}{element('figcaption', caption)}</figure>"
