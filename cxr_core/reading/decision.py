"""Decides on a finding: which thresholds a named decision has, the side on which a film lies, and what prevalence does.

The verdict compares the probability as it was calibrated with the thresholds of the model's card. Another prevalence
moves the probability and the thresholds together, by Bayes' rule, so it never moves the verdict.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cxr_core.decisions import DECISIONS, SINGLE_THRESHOLDS
from cxr_core.errors import SettingsError
from cxr_core.models.card import DecisionThresholds, ModelCard
from cxr_core.presentation.wording import format_exact_threshold
from cxr_core.reading.calibration import expit, log_odds

Call = Literal["present", "absent", "indeterminate"]
Uncertainty = Literal[
    "between_thresholds",
    "quality",
    "view",
    "unlike_training",
    "ratio_disagrees",
    "models_differ",
    "age_missing",
]
# Why a verdict is undecided, or is to be taken with caution: by code, in words.
UNCERTAINTIES: Mapping[Uncertainty, str] = {
    "between_thresholds": "between the two thresholds",
    "quality": "quality of the film or its file",
    "view": "view other than a plain frontal one",
    "unlike_training": "unlike the training films",
    "ratio_disagrees": "network and measured ratio disagree",
    "models_differ": "several models differ",
    "age_missing": "the model depends on the age, which is missing",
}
# Quality flags that withhold a verdict because of the view; all others do because of quality.
VIEW_FLAGS = frozenset({"view_disagrees", "special_view", "described_otherwise"})

LOWEST_ON_BAR = 0.001  # the left end of the bar on which a probability is shown


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where a decision begins and ends, on the probability.

    present_from, absent_below: equal where there is one threshold.  operating_point: of the card, for a single
    threshold.  source: on which films they were chosen, and how.
    """

    present_from: float
    absent_below: float
    operating_point: str | None
    source: str

    def decide(self, probability: float) -> Call:
        """The side on which a probability lies: at or above `present_from`, below `absent_below`, or neither."""
        if probability >= self.present_from:
            return "present"
        return "absent" if probability < self.absent_below else "indeterminate"

    def move(self, before: float, after: float) -> "Thresholds":
        """The same thresholds on probabilities that were moved from one prevalence to another."""
        present_from = move_prevalence(self.present_from, before, after)
        absent_below = move_prevalence(self.absent_below, before, after)
        return replace(self, present_from=present_from, absent_below=absent_below)

    def describe(self) -> str:
        """The thresholds in words: `suspected from 6 %, not suspected below 2 %`."""
        suspected = f"suspected from {format_exact_threshold(self.present_from)}"
        if self.present_from == self.absent_below:
            return suspected
        return f"{suspected}, not suspected below {format_exact_threshold(self.absent_below)}"


def name_decision(name: str) -> str:
    """The decision of this name, or of an operating point's name. Raises SettingsError for any other."""
    if name in DECISIONS:
        return name
    for decision, point in SINGLE_THRESHOLDS.items():
        if name == point:
            return decision
    raise SettingsError(f"{name!r} is not a decision; choose from {', '.join(DECISIONS)}")


def find_thresholds(card: ModelCard, finding: str, decision: str, fused: bool) -> Thresholds:
    """The thresholds of a decision for a finding.

    decision: one of DECISIONS; the default one is the card's own where it has one (`ModelCard.effective_decision`).
    Where the card has no two thresholds for it, as cards from before version 0.2, the balanced threshold stands in.
    fused: those on the probability that includes a measurement.
    """
    decision = card.effective_decision(finding, decision)
    decisions = card.fusion[finding].decisions if fused else card.decisions.get(finding, ())
    for thresholds in decisions:
        if thresholds.name == decision:
            return to_thresholds(thresholds)
    point = card.operating_point(
        finding, SINGLE_THRESHOLDS.get(decision, SINGLE_THRESHOLDS["balanced"]), fused
    )
    return Thresholds(
        present_from=point.threshold,
        absent_below=point.threshold,
        operating_point=point.name,
        source=point.source,
    )


def to_thresholds(chosen: DecisionThresholds) -> Thresholds:
    """Two thresholds as a card, or the profile of a site, keeps them. Equal ones are the balanced threshold."""
    single = chosen.present_from == chosen.absent_below
    return Thresholds(
        present_from=chosen.present_from,
        absent_below=chosen.absent_below,
        operating_point=SINGLE_THRESHOLDS["balanced"] if single else None,
        source=chosen.source,
    )


def move_prevalence(probability: float, before: float, after: float) -> float:
    """A probability that was calibrated at one prevalence, at another: the odds change by the ratio of the prior odds.

    before, after: within 0 and 1. Source: Elkan 2001, IJCAI, theorem 2.
    """
    if before == after:
        return probability
    return expit(log_odds(probability) + log_odds(after) - log_odds(before))


def compute_likelihood_ratio(probability: float, prevalence: float) -> float:
    """How many times the odds of a finding are higher than before the film was seen."""
    return math.exp(log_odds(probability) - log_odds(prevalence))


def uncertainty_of_flag(code: str) -> Uncertainty:
    """Why a quality flag withholds a verdict."""
    return "view" if code in VIEW_FLAGS else "quality"


def place_on_bar(probability: float) -> float:
    """Where a probability lies on a bar, from 0 to 1: equal steps for equal steps of log-odds.

    A scale of whole per cent would press the thresholds of rare findings into its first pixels. What lies beyond
    LOWEST_ON_BAR and its counterpart is at the end.
    """
    limit = -log_odds(LOWEST_ON_BAR)
    return min(max((log_odds(probability) + limit) / (2 * limit), 0.0), 1.0)
