"""How the labels that a model was calibrated on differ from a reader's verdict, and what that does to a probability.

Labels mined from reports name only a part of the films on which a reader sees a finding, and name it on some where
none does. The chance of a label is `f + (s - f) * P(reader)`, with the sensitivity s and the false-positive rate f of
the labels, whatever else the film looks like. Source: Natarajan et al. 2013, Learning with Noisy Labels, NeurIPS 26.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from cxr_core.errors import ModelError
from cxr_core.presentation.wording import format_exact_threshold
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

Probability = TypeVar("Probability", float, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class Rate(JsonRecord):
    """A rate in [0, 1] with its 95 % interval. Raises ModelError for a value outside the interval."""

    value: Fraction
    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ModelError(
                f"found a rate of {self.value:g} with an interval from {self.low:g} to {self.high:g}; it must lie "
                "inside"
            )

    def describe(self) -> str:
        """The rate in per cent, with its interval: `27 % (18 % to 38 %)`."""
        value, low, high = map(format_exact_threshold, (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


@dataclass(frozen=True, kw_only=True)
class LabelNoise(JsonRecord):
    """How the labels of one finding differ from the verdicts of readers.

    sensitivity: the share of films with the finding, as readers see it, that are labelled so.  false_positive_rate: the
    share of the other films that are.  population: the films on which the rates were measured.  source: by whom, how.
    Raises ModelError where labels would not name more films with the finding than without.
    """

    sensitivity: Rate
    false_positive_rate: Rate
    population: str
    source: str

    def __post_init__(self) -> None:
        false_positive_rate, sensitivity = self.false_positive_rate.value, self.sensitivity.value
        if false_positive_rate >= sensitivity:
            raise ModelError(
                f"the labels have a false-positive rate of {false_positive_rate:g} and a sensitivity of "
                f"{sensitivity:g}; the first must be below the second"
            )

    def to_reported(self, probability: Probability) -> Probability:
        """The chance that a film is labelled, of the probability that a reader calls it; both in [0, 1]."""
        return _to_label(probability, self.sensitivity.value, self.false_positive_rate.value)

    def find_interval(self, probability: float) -> tuple[float, float]:
        """The probabilities of a reader's call that the ends of the two intervals give; both in [0, 1].

        What is known of a film is the chance that it is labelled. Rarer labels among the films with the finding, and
        fewer among the others, make the same chance mean a higher probability. Both rates are taken at their ends at
        once, so that the interval is rather too wide than too narrow.
        """
        reported = self.to_reported(probability)
        sensitivity, false_positives = self.sensitivity, self.false_positive_rate
        low = _to_reader(reported, sensitivity.high, false_positives.high)
        high = _to_reader(reported, sensitivity.low, false_positives.low)
        return min(low, probability), max(high, probability)

    def describe(self) -> str:
        """What a probability is one of, and how the labels behind it differ from readers, in sentences."""
        return (
            "The probability is that of a reader's verdict: that most of several radiologists would call the finding. "
            f"The labels of the calibration name it on {self.sensitivity.describe()} of the films that readers call, "
            f"and on {self.false_positive_rate.describe()} of the others ({self.population})."
        )


@dataclass(frozen=True, kw_only=True)
class LabelRepair(JsonRecord):
    """Validation labels that the measured ratio contradicts, and that the thresholds were chosen without.

    present, absent: how many films of each label were left out.  rule: which, in words.  with_all_labels: what each
    decision would be with them, as [present_from, absent_below] by name.  with_ratio: the same of the probability that
    includes the ratio. The ratio took part in the choice of the films, so it cannot prove that it is an improvement.
    """

    present: Count
    absent: Count
    rule: str
    with_all_labels: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    with_ratio: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)

    def describe(self) -> str:
        """Which labels the thresholds were chosen without, in a sentence."""
        return (
            f"{self.absent} absent and {self.present} present labels of validation that the ratio contradicts: "
            f"{self.rule}. The ratio took part in this choice, so it proves nothing about the ratio itself."
        )


def _to_label(probability: Probability, sensitivity: float, false_positives: float) -> Probability:
    return false_positives + (sensitivity - false_positives) * probability


def _to_reader(reported: float, sensitivity: float, false_positives: float) -> float:
    """The probability of a reader's call behind a chance of a label, between 0 and 1."""
    if sensitivity <= false_positives:
        return 1.0 if reported > false_positives else 0.0
    return min(max((reported - false_positives) / (sensitivity - false_positives), 0.0), 1.0)
