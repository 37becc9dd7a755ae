"""How strongly a label goes with belonging to a group of films, with an interval that knows whose film is whose."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True, kw_only=True)
class OddsRatio:
    """The odds of a label in a group over the odds of it in the rest.

    log: natural logarithm of the ratio.  error: its standard error.  degrees: degrees of freedom of that error, one
    fewer than the patients on the scarcest side of the table.
    """

    log: float
    error: float
    degrees: int

    @property
    def value(self) -> float:
        """The ratio, above 0; 1 when the label and the group have nothing to do with each other."""
        return float(np.exp(self.log))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The two-sided interval of the ratio, by Student's t on the logarithm."""
        reach = self._reach(confidence)
        return float(np.exp(self.log - reach)), float(np.exp(self.log + reach))

    def nearest(self, confidence: float) -> float:
        """The ratio or its inverse at the end of the interval that lies nearer to 1; below 1 when 1 is inside."""
        return float(np.exp(abs(self.log) - self._reach(confidence)))

    def _reach(self, confidence: float) -> float:
        return float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error


def odds_ratio(label: np.ndarray, group: np.ndarray, patient: np.ndarray) -> OddsRatio | None:
    """The odds ratio of a label with a group; None where there is nothing to compare, or fewer than two patients.

    label, group: (N,) 1, 0 or NaN; a film with either unknown is left out.  patient: (N,) integers from 0.

    The error is that of a logistic regression on the group, clustered by patient (Liang & Zeger 1986, doi
    10.1093/biomet/73.1.13), and never less than Woolf's for independent films (1955, doi
    10.1111/j.1469-1809.1955.tb01348.x). An empty cell gives every cell half a film (Haldane-Anscombe).
    """
    known = ~(np.isnan(label) | np.isnan(group))
    label, inside, patient = label[known], group[known] == 1, patient[known]
    sides = (inside, ~inside, label == 1, label == 0)
    degrees = min((np.count_nonzero(np.bincount(patient[side])) for side in sides), default=0) - 1
    if degrees < 1:
        return None
    (odds, pull, variance), (odds_of_rest, pull_of_rest, variance_of_rest) = _arms(label, inside)
    of_patient = np.bincount(patient, np.where(inside, pull, -pull_of_rest))
    patients = np.count_nonzero(np.bincount(patient))
    clustered = float(of_patient @ of_patient) * patients / (patients - 1)
    error = np.sqrt(max(clustered, variance + variance_of_rest))
    return OddsRatio(log=float(np.log(odds / odds_of_rest)), error=float(error), degrees=int(degrees))


def _arms(label: np.ndarray, inside: np.ndarray) -> list[tuple[float, np.ndarray, float]]:
    """Of the group and of the rest: the odds, each film's pull (N,) on their logarithm, and Woolf's variance of it."""
    table = np.array([[(label[arm] == 1).sum(), (label[arm] == 0).sum()] for arm in (inside, ~inside)], float)
    if not table.all():
        table += 0.5
    arms = []
    for positive, negative in table:
        share = positive / (positive + negative)
        variance = 1 / positive + 1 / negative  # = 1 / (films × share × (1 − share))
        arms.append((positive / negative, (label - share) * variance, variance))
    return arms
