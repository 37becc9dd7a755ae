"""Says what has to be known before the figures of an evaluation are believed."""

from collections.abc import Iterator, Mapping

from cxr_core.evaluation.metrics.reported import CALIBRATION_OF_REPORTS, REPORTED
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.presentation.wording import finding_name

CALIBRATED_HERE = (
    "Calibration and thresholds were fitted on these films: calibration errors, and sensitivity and specificity at the "
    "thresholds, look better here than on other films."
)


def list_notes(figures: Mapping[str, FindingFigures], calibrated_here: bool) -> Iterator[str]:
    """Notes: output of no use, calibration held against reports, calibration that was fitted on these films."""
    for key, of_finding in figures.items():
        if of_finding.degenerate:
            yield f"{finding_name(key)}: {of_finding.degenerate}"
        if of_finding.calibration_of == REPORTED:
            yield f"{finding_name(key)}: {CALIBRATION_OF_REPORTS}"
    if calibrated_here:
        yield CALIBRATED_HERE
