"""How often the labels that a model was calibrated on differ from a reader's verdict, and what that does to a probability.

Labels mined from reports name only a part of the films on which a reader sees a finding, and name it on some where none
does. The chance of a label is then `false_positive_rate + (sensitivity - false_positive_rate) * P(reader)`, where both
rates hold whatever the film looks like: noise that depends on the class alone (Natarajan et al. 2013, NeurIPS 26).
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cxr_core.errors import ModelError
from cxr_core.workspace.json_record import Fraction, JsonRecord

Probabilities = TypeVar("Probabilities", float, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class Rate(JsonRecord):
    """A rate in [0, 1] with its 95 % interval. Raises ModelError for a value outside it."""

    value: Fraction
    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ModelError(
                f"found a rate of {self.value:g} with the interval {self.low:g} to {self.high:g}; it must lie inside"
            )


@dataclass(frozen=True, kw_only=True)
class LabelNoise(JsonRecord):
    """How the labels of one finding differ from the verdicts of readers.

    sensitivity: the share of films with the finding, as readers see it, that are labelled so.  false_positive_rate: the
    share of the other films that are.  population: the films on which both were measured.  source: by whom and how.
    Raises ModelError where labels would not tell more films with the finding than without.
    """

    sensitivity: Rate
    false_positive_rate: Rate
    population: str
    source: str

    def __post_init__(self) -> None:
        if not self.false_positive_rate.value < self.sensitivity.value:
            raise ModelError(
                f"the labels have a false-positive rate of {self.false_positive_rate.value:g} and a sensitivity of "
                f"{self.sensitivity.value:g}; the first must be below the second"
            )

    def to_reported(self, probability: Probabilities) -> Probabilities:
        """The chance that a film is labelled, given the probability that a reader calls it. Both in [0, 1]."""
        least, most = self.false_positive_rate.value, self.sensitivity.value
        return least + (most - least) * probability
