"""What is to be known of a reading's numbers as a whole: an age that nobody told, and thresholds that cross."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cxr_core.presentation.wording import finding_name, operating_point_name, format_percent
from cxr_core.reading.patient import Patient

if TYPE_CHECKING:  # a reading tells its remarks itself
    from cxr_core.reading.results import FindingReading

AGE_UNKNOWN = (
    "Age unknown: every model reads, whomever it is for. A number from a model for other patients than this one means "
    "nothing; give the age to keep only the models that fit."
)


def remarks(findings: "Sequence[FindingReading]", patient: Patient) -> tuple[str, ...]:
    """A sentence for each; none where there is no number."""
    return tuple(
        _remarks([finding for finding in findings if finding.probability is not None], patient)
    )


def _remarks(findings: "Sequence[FindingReading]", patient: Patient) -> Iterator[str]:
    populations = [finding.card.population for finding in findings if finding.card]
    if patient.age_years is None and any(
        (p.age_min, p.age_max) != (None, None) for p in populations
    ):
        yield AGE_UNKNOWN
    for finding in findings:
        if finding.card and finding.operating_point in ("sensitivity_95", "specificity_95"):
            yield from _crossing(finding)


def _crossing(finding: "FindingReading") -> Iterator[str]:
    """Where a model parts its validation films so well that both ends are reached early, their thresholds cross."""
    assert finding.card is not None
    sensitive, specific = (
        finding.card.operating_point(finding.finding, name, finding.parts is not None).threshold
        for name in ("sensitivity_95", "specificity_95")
    )
    if specific < sensitive:
        names = [operating_point_name(name) for name in ("sensitivity_95", "specificity_95")]
        yield (
            f"{finding_name(finding.finding)}: on the films that {finding.model} was tuned on, either aim was reached "
            f"with room to spare, so {names[0]} ({format_percent(sensitive)}) lies above {names[1]} ({format_percent(specific)}): "
            f"{names[1]} calls more films than {names[0]}, not fewer."
        )
