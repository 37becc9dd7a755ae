"""What recalibration changed, as a section of an evaluation's report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_core.evaluation.report.parts import POINT_NAMES, cell, finding_name
from cxr_core.presentation.html import element, table

FIGURES = {
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "calibration": "Predicted less observed",
    "calibration_slope": "Calibration slope, 1 is right",
    "calibration_intercept": "Calibration intercept, 0 is right",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}


def recalibration_section(found: Mapping[str, Any] | None) -> Iterator[str]:
    """found: as `adapt.adapted` gives it; None gives nothing."""
    if found is None:
        return
    yield element("h2", "Recalibrated for these films")
    yield element(
        "p",
        "These are not the model's own figures. Its probabilities were changed by what the labels of some of these "
        "patients say, and measured on the other patients, before and after.",
        "quiet",
    )
    for key, each in found["findings"].items():
        yield element("h3", finding_name(key))
        if "not_recalibrated" in each:
            yield element("p", f"Not recalibrated: {each['not_recalibrated']}.")
            continue
        yield element("p", counts_sentence(each))
        columns = ("before", "after", "difference")
        rows = [
            [title, *(cell(each[name][figure]) for name in columns)]
            for figure, title in FIGURES.items()
        ]
        yield table(("", "The model's own", "Recalibrated", "Difference"), rows, "wide")
        if "thresholds" in each:
            yield element("p", thresholds_sentence(each), "quiet")


def counts_sentence(found: Mapping[str, Any]) -> str:
    """What was done to one finding, and on how many films of whom. found: as `Adapted.as_json` gives it."""
    parts = [found[name] for name in ("fitted_on", "reported_on")]
    counts = [
        f"{of['films']:,} films of {of['patients']:,} patients, {of['positives']:,} positive"
        for of in parts
    ]
    said = found["correction"]["said"]
    return f"{said[:1].upper()}{said[1:]}. Fitted on {counts[0]}; measured on {counts[1]}."


def thresholds_sentence(found: Mapping[str, Any]) -> str:
    """What the operating points are of, and what they would become. found: as `adapt.adapted` gives a finding."""
    points = found["thresholds"]
    own = points[found["operating_point"]]["own"]
    became = "; ".join(
        f"{POINT_NAMES.get(name, name).lower()} {each['own']:.3g} becomes {each['recalibrated']:.3g}"
        for name, each in points.items()
    )
    return (
        "The operating points were chosen on the model's own probabilities, not on recalibrated ones, and were not "
        f"moved: sensitivity and specificity, before and after, are both at {own:.3g}. What calls the same films of "
        f"recalibrated probabilities is another threshold: {became}."
    )
