"""Whether the heart's measured width and the classifier's call tell the same."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxr_core.presentation.wording import format_percent
from cxr_core.reading.cardiothoracic.ratio import ENLARGED, WIDENING, Measurement
from cxr_core.reading.cardiothoracic.ratio_wording import ratio_text

if TYPE_CHECKING:  # a reading tells its disagreements itself
    from cxr_core.reading.results import FindingReading

MEASURED_FINDING = "cardiomegaly"


def disagreements(measured: Measurement, findings: "Sequence[FindingReading]") -> tuple[str, ...]:
    """A sentence for each call of cardiomegaly that the ratio speaks against; none where they agree or none can tell.

    The whole interval must lie on the other side of the limit; a ratio edited by hand has none and counts by itself.
    A ratio with any doubt but those of view and age is not compared, nor is an indeterminate call.
    """
    side = _side(measured)
    if side is None:
        return ()
    contrary = {"above": "absent", "below": "present"}[side]
    contradicted = [f for f in findings if f.finding == MEASURED_FINDING and f.call == contrary]
    return tuple(_sentence(measured, side, finding) for finding in contradicted)


def _side(measured: Measurement) -> str | None:
    """Of the limit; None where the ratio does not tell."""
    if measured.value is None or not set(measured.reasons) <= set(WIDENING):
        return None
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    return "above" if low > ENLARGED else "below" if high < ENLARGED else None


def _sentence(measured: Measurement, side: str, finding: "FindingReading") -> str:
    assert measured.value is not None
    assert finding.probability is not None
    said = (
        f"Ratio and classifier disagree: {ratio_text(measured.value)} lies {side} {ENLARGED}, while {finding.model} "
        f"calls cardiomegaly {finding.call} ({format_percent(finding.probability)})."
    )
    if side == "above" and measured.reasons:
        return f"{said} The view or the age may be why the ratio is large."
    return f"{said} Look at the outlines and the ends of the diameters first."
