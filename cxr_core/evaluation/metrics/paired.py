"""Compares two models on the same films: the difference in AUROC, its interval and its p-value."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, percentile_interval
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.delong import compare_aurocs_by_delong
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.models.figures import RoundedRecord

DELONG, BOOTSTRAP = "paired DeLong, each film of another patient", "bootstrap over patients"


@dataclass(frozen=True, kw_only=True)
class AurocDifference(RoundedRecord):
    """AUROC of the first score minus that of the second, with its 95 % interval. None = undefined.

    p: two-sided, that they do not differ.  method: how interval and p were computed.  first, second: both AUROCs.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    positives: int
    first: float | None
    second: float | None
    method: str

    @property
    def half_width(self) -> float | None:
        """Half the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def compare_aurocs(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> AurocDifference:
    """The difference in AUROC of two scores of the same films.

    first, second, labels (0 or 1), patients: (N,). By DeLong's test where each film is of another patient, else by a
    bootstrap over patients, whose p is that of the difference in bootstrap standard errors. Undefined for one class.
    """
    n, positives = len(labels), int(np.sum(labels == 1))
    if not 0 < positives < n:
        return AurocDifference(
            value=None,
            low=None,
            high=None,
            p=None,
            n=n,
            positives=positives,
            first=None,
            second=None,
            method="none",
        )
    value: float | None
    low: float | None
    high: float | None
    if len(np.unique(patients)) == len(patients):
        method, paired = DELONG, compare_aurocs_by_delong(first, second, labels)
        value, low, high, p = paired.value, paired.low, paired.high, paired.p
    else:
        method, differences = BOOTSTRAP, _bootstrap_difference(first, second, labels, patients)
        value = float(differences[0])
        low, high = percentile_interval(differences)
        error = float(np.nanstd(differences[1:], ddof=1))
        p = 2 * float(norm.sf(abs(differences[0]) / error)) if error > 0 else None
    return AurocDifference(
        value=value,
        low=low,
        high=high,
        p=p,
        n=n,
        positives=positives,
        first=float(auroc(first, labels)),
        second=float(auroc(second, labels)),
        method=method,
    )


def _bootstrap_difference(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> np.ndarray:
    """(1 + resamples,)."""

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        one, other = auroc(first, labels, resamples), auroc(second, labels, resamples)
        return {"difference": one - other}

    return bootstrap_patients(measure, patients)["difference"]
