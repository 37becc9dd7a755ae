"""Places a probability and the thresholds of its verdict on a bar."""

from dataclasses import dataclass

from cxr_core.presentation.wording import compare_to_threshold, format_exact_threshold
from cxr_core.reading.decision import LOWEST_ON_BAR, place_on_bar
from cxr_core.reading.results import FindingReading

MARGIN = 0.015  # of the bar, so that a mark at its end is seen

LOWEST, HIGHEST = 100 * LOWEST_ON_BAR, 100 - 100 * LOWEST_ON_BAR  # per cent, at the ends of the bar
LEGEND = (
    f"Bars run from {LOWEST:g} % to {HIGHEST:g} % on a scale of log-odds. The triangle is this film. Left of the "
    "thresholds it is not suspected, right of them suspected, between two of them undecided."
)


@dataclass(frozen=True, kw_only=True)
class ProbabilityBar:
    """Places on a bar from 0 to 1, equal steps for equal steps of log-odds. thresholds: in words."""

    film: float
    absent_below: float
    present_from: float
    thresholds: str


def build_bar(finding: FindingReading) -> ProbabilityBar:
    """The bar of a finding with a verdict."""
    assert finding.probability is not None
    assert finding.absent_below is not None
    assert finding.present_from is not None
    words = f"suspected from {_format_beside(finding.present_from, finding.probability)}"
    if finding.absent_below != finding.present_from:
        words += (
            f", not suspected below {_format_beside(finding.absent_below, finding.probability)}"
        )
    return ProbabilityBar(
        film=_place_within(finding.probability),
        absent_below=_place_within(finding.absent_below),
        present_from=_place_within(finding.present_from),
        thresholds=words,
    )


def _place_within(probability: float) -> float:
    """The place on the bar, within [MARGIN, 1 - MARGIN]."""
    return min(max(place_on_bar(probability), MARGIN), 1 - MARGIN)


def _format_beside(threshold: float, probability: float) -> str:
    """A threshold as a percentage, and the side of it on which a film lies that rounds to the same."""
    percent = format_exact_threshold(threshold)
    if percent != format_exact_threshold(probability):
        return percent
    return f"{percent} (this film: just {compare_to_threshold(probability, threshold)})"
