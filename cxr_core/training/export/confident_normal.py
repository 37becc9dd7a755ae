"""Chooses the probability below which a film is called likely normal, and measures what that is worth."""

import numpy as np

from cxr_core.decisions import CONFIDENT_NORMAL
from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.models.confident_normal import ConfidentNormal

MIN_SHARE = 0.20  # of the films; a threshold that few films reach is of no use


def fit_confident_normal(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, source: str
) -> ConfidentNormal | None:
    """The highest threshold below which 97 % of the films are normal; None where less than a fifth lie below it.

    probabilities: (N,) calibrated, that the film is not normal.  labels: (N,) 0 or 1.  patients: (N,).  The threshold
    is chosen on the very films on which it is measured, at their prevalence; the intervals are by patient at the
    threshold that was chosen.
    """
    order = np.argsort(probabilities)
    ranked, absent = probabilities[order].astype(np.float64), labels[order] == 0
    below = np.arange(1, len(ranked) + 1)
    ends_a_tie = np.append(ranked[1:] > ranked[:-1], True)
    reached = np.flatnonzero(ends_a_tie & (np.cumsum(absent) >= CONFIDENT_NORMAL * below))
    if not len(reached) or below[reached[-1]] < MIN_SHARE * len(ranked):
        return None
    threshold = min(float(np.nextafter(ranked[reached[-1]], 1.0)), 1.0)
    is_below = probabilities < threshold
    figures = bootstrap_means(
        {"normal": np.where(is_below, labels == 0, np.nan), "share": is_below.astype(np.float64)},
        patients,
    )
    return ConfidentNormal(
        threshold=threshold,
        negative_predictive_value=figures["normal"],
        share=figures["share"],
        prevalence=float(np.mean(labels == 1)),
        source=source,
    )
