"""What recalibration changed, as a section of an evaluation's report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_core.evaluation.report_parts import cell, finding_name
from cxr_core.markup import element, table

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
        rows = [[title, *(cell(each[name][figure]) for name in columns)] for figure, title in FIGURES.items()]
        yield table(("", "The model's own", "Recalibrated", "Difference"), rows, "wide")


def counts_sentence(found: Mapping[str, Any]) -> str:
    """What was done to one finding, and on how many films of whom. found: as `Adapted.as_json` gives it."""
    parts = [found[name] for name in ("fitted_on", "reported_on")]
    counts = [f"{of['films']:,} films of {of['patients']:,} patients, {of['positives']:,} positive" for of in parts]
    said = found["correction"]["said"]
    return f"{said[:1].upper()}{said[1:]}. Fitted on {counts[0]}; measured on {counts[1]}."
