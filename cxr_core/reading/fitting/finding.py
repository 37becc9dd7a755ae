"""Calibrates one finding of a classifier on validation films and chooses its thresholds."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxr_core.models.card import Calibration, DecisionThresholds, OperatingPoint
from cxr_core.models.label_noise import LabelNoise
from cxr_core.reading.calibration import apply_calibration
from cxr_core.reading.fitting.calibration import choose_operating_points, fit_platt
from cxr_core.reading.fitting.conformal import choose_decisions
from cxr_core.reading.fitting.false_positives import bound_false_positives


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibratedFinding:
    """What is fitted to N validation films of one finding.

    probabilities: (N,) calibrated.  prevalence: the share of labelled films, or the mean probability where labels have
    known noise.  label_noise: as it was used, see `bound_false_positives`.
    """

    probabilities: np.ndarray
    calibration: Calibration
    prevalence: float
    label_noise: LabelNoise | None
    operating_points: tuple[OperatingPoint, ...]
    decisions: tuple[DecisionThresholds, ...]

    @property
    def calibration_of(self) -> Literal["probability", "probability_reported"]:
        """Which of the two is held against the labels."""
        return "probability" if self.label_noise is None else "probability_reported"

    @property
    def reported(self) -> np.ndarray:
        """(N,) the chance that a film is labelled, to be held against the labels."""
        if self.label_noise is None:
            return self.probabilities
        return self.label_noise.to_reported(self.probabilities)


def calibrate_finding(
    logits: np.ndarray,
    labels: np.ndarray,
    source: str,
    noise: LabelNoise | None = None,
    in_doubt: np.ndarray | None = None,
) -> CalibratedFinding:
    """Fit the calibration to all films, and choose the thresholds on those whose label is not in doubt.

    logits: (N,).  labels: (N,) 0 or 1, both among them.  source: which films these are.  noise: of the labels; the
    probability is then that of a reader's verdict.  in_doubt: (N,) bool. Raises DataError for films of one class.
    """
    if noise is not None:
        noise = bound_false_positives(logits, labels, noise)
    method = f"Platt scaling on {source}"
    if noise is not None:
        method += ", corrected for the noise of the labels"
    calibration = fit_platt(logits, labels, method, noise)
    probabilities = apply_calibration(calibration, logits)
    kept = np.ones(len(labels), bool) if in_doubt is None else ~in_doubt
    if not kept.all():
        source += f", without {np.count_nonzero(~kept)} whose label the measured ratio contradicts"
    return CalibratedFinding(
        probabilities=probabilities,
        calibration=calibration,
        prevalence=float(np.mean(labels if noise is None else probabilities)),
        label_noise=noise,
        operating_points=choose_operating_points(probabilities[kept], labels[kept], source),
        decisions=choose_decisions(probabilities[kept], labels[kept], source),
    )
