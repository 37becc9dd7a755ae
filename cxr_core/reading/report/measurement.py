"""Prepares what a report says of the cardiothoracic ratio: its figures, its limitations, and what it rests on."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cxr_core.findings import RATIO_LIMIT
from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    Measurement,
    describe_diameters,
    describe_ratio,
)
from cxr_core.reading.results import Reading

METHOD = (
    "The cardiothoracic ratio (CTR) is the heart's greatest transverse diameter over that of the thorax (Danzer 1919). "
    "Only the horizontal distance between the two ends of a diameter counts. Points are (x, y) in pixels of the film."
)
CHANGE_METHOD = "The interval of a change is that of the difference of two independent estimates (Zou and Donner 2008)."


@dataclass(frozen=True, kw_only=True)
class RatioSection:
    """The ratio on page one. rows: names and values.  limitations: of the ratio, and of its change."""

    rows: tuple[tuple[str, str], ...]
    limitations: tuple[str, ...]


def build_ratio_section(
    reading: Reading, prior: Reading | None, mentioned: Collection[str]
) -> RatioSection | None:
    """The section on a reading's ratio; None where there is no measurement.

    mentioned: sentences that stand elsewhere on the page and are not repeated.
    """
    if not reading.measurements:
        return None
    measurement = reading.measurements[0]
    limitations = list(measurement.disagreements)
    if measurement.value is not None:
        limitations += measurement.reasons
    rows = list(_list_figures(measurement))
    if prior is not None:
        rows += _list_prior_figures(measurement, prior)
        limitations += list_prior_limitations(reading, prior)
    return RatioSection(
        rows=tuple(rows),
        limitations=tuple(text for text in limitations if text not in mentioned),
    )


def _describe_view_change(prior: Reading, current: Reading) -> str | None:
    """A sentence on what different views do to the ratio; None where both are alike."""
    views = (prior.patient.view, current.patient.view)
    if views[0] == views[1]:
        return None
    names = [view or "unknown" for view in views]
    return (
        f"The views differ (prior {names[0]}, current {names[1]}), which changes the CTR by itself."
    )


def list_ratio_details(measurement: Measurement) -> Iterator[tuple[str, str]]:
    """Names and values of what the ratio rests on, for the appendix."""
    for name, line in (("heart", measurement.heart), ("thorax", measurement.thorax)):
        if line is not None:
            yield f"Ends of the {name}", _format_line(line)
    yield "Outlines by", f"{measurement.model} {measurement.version}"
    yield "Method", METHOD


def _list_figures(measurement: Measurement) -> Iterator[tuple[str, str]]:
    doubted = measurement.value is not None and not measurement.trusted
    yield "CTR", describe_ratio(measurement) + (", interpret with caution" if doubted else "")
    if measurement.value is not None and CHILD not in measurement.reasons:
        yield "Upper limit", f"{RATIO_LIMIT:.2f} (adult PA)"
    diameters = describe_diameters(measurement)
    if diameters:
        yield "Diameters", diameters
    if measurement.automatic is not None:
        yield "Automatic CTR", describe_ratio(measurement.automatic)


def _list_prior_figures(measurement: Measurement, prior: Reading) -> Iterator[tuple[str, str]]:
    if not prior.measurements:
        yield "CTR of the prior film", "not measured"
        return
    yield "CTR of the prior film", describe_ratio(prior.measurements[0])
    change = compare_ratios(prior.measurements[0], measurement)
    if change is not None:
        yield "Change", change.describe()


def list_prior_limitations(reading: Reading, prior: Reading) -> Iterator[str]:
    """Sentences on what speaks against comparing the ratio with that of a prior film."""
    view_change = _describe_view_change(prior, reading)
    if view_change is not None:
        yield view_change
    for measurement in prior.measurements:
        if measurement.value is not None:
            yield from (f"Prior film: {reason}" for reason in measurement.reasons)


def _format_line(line: Line) -> str:
    return " and ".join(f"({x:.1f}, {y:.1f})" for x, y in line)
