"""Turns logits into calibrated probabilities. How a calibration is fitted is in fitting/."""

import math

import numpy as np

from cxr_core.models.card import Calibration, ModelCard

CLIP_DISTANCE = 1e-6  # from 0 and from 1, so that log-odds stay finite


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)) of a probability, clipped to CLIP_DISTANCE from 0 and 1."""
    clipped = min(max(probability, CLIP_DISTANCE), 1 - CLIP_DISTANCE)
    return math.log(clipped / (1 - clipped))


def expit(log_odds: float) -> float:
    """The probability of log-odds."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    return math.exp(log_odds) / (1 + math.exp(log_odds))


def apply_calibration(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    """Calibrated probabilities in [0, 1] of logits, of the same shape."""
    # Pages and the first film need one film's numbers alone; SciPy would add a third of a second to their start.
    from scipy.special import expit as expit_of_array

    calibrated = calibration.slope * np.asarray(logits, np.float64) + calibration.intercept
    return np.asarray(expit_of_array(calibrated))


def calibrate_logits(card: ModelCard, logits: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of one film's logits (L,), in the order of the card's findings."""
    calibrations = [card.calibration[key] for key in card.findings]
    slopes, intercepts = np.array([(c.slope, c.intercept) for c in calibrations]).T
    return np.array([expit(calibrated) for calibrated in slopes * logits + intercepts])
