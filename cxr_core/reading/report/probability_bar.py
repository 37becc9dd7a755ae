"""Places a probability and the thresholds of its verdict on a bar."""

from dataclasses import dataclass

from cxr_core.presentation.wording import format_percent
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.results import FindingReading

LOWEST, HIGHEST = 0.001, 0.999  # the ends of the bar
MARGIN = 0.015  # of the bar, so that a mark at its end is seen

LEGEND = (
    f"Bars run from {100 * LOWEST:g} % to {100 * HIGHEST:g} % on a scale of log-odds. The triangle is this film. "
    "Left of the thresholds it is not suspected, right of them suspected, between two of them undecided."
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
        film=place_on_bar(finding.probability),
        absent_below=place_on_bar(finding.absent_below),
        present_from=place_on_bar(finding.present_from),
        thresholds=words,
    )


def place_on_bar(probability: float) -> float:
    """Where a probability lies on a bar, within [MARGIN, 1 - MARGIN]."""
    low, high = log_odds(LOWEST), log_odds(HIGHEST)
    place = (log_odds(probability) - low) / (high - low)
    return min(max(place, MARGIN), 1 - MARGIN)


def _format_beside(threshold: float, probability: float) -> str:
    """A threshold as a percentage, and the side of it on which a film lies that rounds to the same."""
    percent = format_percent(threshold)
    if percent != format_percent(probability):
        return percent
    side = "above" if probability >= threshold else "below"
    return f"{percent} (this film: just {side})"
