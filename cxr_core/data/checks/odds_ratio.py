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
    films = _films(label, group, patient)
    of_arm, of_class = films.sum(axis=1), films.sum(axis=0)  # both (2, patients)
    degrees = int(np.count_nonzero(np.concatenate([of_arm, of_class]), axis=1).min()) - 1
    if degrees < 1:
        return None
    table = films.sum(axis=2).astype(float)
    if not table.all():
        table += 0.5
    share = table[:, :1] / table.sum(axis=1, keepdims=True)
    variance = (1 / table).sum(axis=1, keepdims=True)  # Woolf's, of the log odds of each arm
    pull = (
        films[:, 0] - of_arm * share
    ) * variance  # (2, patients) what each patient adds to these log odds
    of_patient = pull[0] - pull[1]
    patients = np.count_nonzero(of_arm[0] + of_arm[1])
    # Not a dot product: BLAS would wake its threads for it and wait, 20 ms each time on a busy machine.
    clustered = np.square(of_patient).sum() * patients / (patients - 1)
    odds, odds_of_rest = table[:, 0] / table[:, 1]
    error = np.sqrt(max(clustered, variance.sum()))
    return OddsRatio(log=float(np.log(odds / odds_of_rest)), error=float(error), degrees=degrees)


def _films(label: np.ndarray, group: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """(2, 2, patients) films: in the group, in the rest; each with the label, without it."""
    known = ~(np.isnan(label) | np.isnan(group))
    patients = int(patient.max(initial=0)) + 1
    cell = (2 * (group[known] == 0) + (label[known] == 0)) * patients + patient[known]
    return np.bincount(cell, minlength=4 * patients).reshape(2, 2, patients)
