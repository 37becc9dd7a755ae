"""Two models on the same films: how far their AUROCs lie apart, and whether that can be told from chance."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from cxr_core.evaluation.bootstrap.bootstrap import drawn, interval
from cxr_core.evaluation.metrics.delong import auroc_difference
from cxr_core.evaluation.metrics.metrics import auroc

DELONG, BOOTSTRAP = "paired DeLong, each film of another patient", "bootstrap over patients"


@dataclass(frozen=True, kw_only=True)
class Apart:
    """AUROC of the first score minus that of the second, with its 95 % interval. None = undefined.

    p: two-sided, that they do not differ.  method: how interval and p were found.  first, second: both AUROCs.
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

    def to_json(self) -> dict[str, Any]:
        """The form that verdicts carry, rounded to six decimals."""
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


def auroc_apart(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> Apart:
    """How far two scores of the same films lie apart in AUROC.

    first, second, labels (0 or 1), patients: (N,). By DeLong's test where each film is of another patient, else by a
    bootstrap over patients, whose p is that of the difference in bootstrap standard errors. Undefined for one class.
    """
    counts = {"n": len(labels), "positives": int(np.sum(labels == 1))}
    if not 0 < counts["positives"] < counts["n"]:
        return Apart(
            value=None,
            low=None,
            high=None,
            p=None,
            first=None,
            second=None,
            method="none",
            **counts,
        )
    one, other = float(auroc(first, labels)), float(auroc(second, labels))
    if len(np.unique(patients)) == len(patients):
        found = auroc_difference(first, second, labels)
        return Apart(
            value=found.value,
            low=found.low,
            high=found.high,
            p=found.p,
            first=one,
            second=other,
            method=DELONG,
            **counts,
        )
    draws = drawn(
        lambda of: {"apart": auroc(first, labels, of) - auroc(second, labels, of)}, patients
    )["apart"]
    low, high = interval(draws)
    error = float(np.nanstd(draws[1:], ddof=1))
    p = 2 * float(norm.sf(abs(draws[0]) / error)) if error > 0 else None
    return Apart(
        value=float(draws[0]),
        low=low,
        high=high,
        p=p,
        first=one,
        second=other,
        method=BOOTSTRAP,
        **counts,
    )
