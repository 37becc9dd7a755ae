"""Holds a stated false-positive rate of labels against the labels of the films that a model is calibrated on.

No film can be labelled more rarely than the rate says. Where readers measured it on films that were chosen, such as
abnormal ones, the films of a calibration may contradict it: too few of those that a model scores lowest
are labelled. Then the highest rate is taken that they do not contradict. Source: the likelihood ratio of Wilks 1938.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from cxr_core.models.label_noise import LabelNoise, Rate
from cxr_core.presentation.wording import format_exact_threshold
from cxr_core.reading.fitting.calibration import fit_platt
from cxr_core.reading.fitting.noisy_labels import compute_log_likelihood

TOLERANCE = 1e-5
MAX_LOSS = float(chi2.ppf(0.95, 1)) / 2  # of log likelihood, at either end of a 95 % interval


def bound_false_positives(logits: np.ndarray, labels: np.ndarray, noise: LabelNoise) -> LabelNoise:
    """The noise as it is stated, or with the highest false-positive rate that the labels do not contradict.

    logits: (N,).  labels: (N,) 0 or 1, both among them. A lowered rate has the interval of the rates that neither the
    labels nor the statement contradict, and the source says that it was lowered.
    """
    stated = noise.false_positive_rate
    if stated.value == 0:
        return noise

    def profile(rate: float) -> float:
        known = replace(noise, false_positive_rate=Rate(value=rate, low=rate, high=rate))
        calibration = fit_platt(logits, labels, "", known)
        fitted = calibration.slope * logits + calibration.intercept
        return float(compute_log_likelihood(fitted, labels, known).sum())

    best = minimize_scalar(
        lambda rate: -profile(rate), bounds=(0.0, stated.value), method="bounded"
    )
    highest = max(-float(best.fun), profile(0.0))

    def excess(rate: float) -> float:
        return profile(rate) - highest + MAX_LOSS

    if excess(stated.value) >= 0:
        return noise
    start = float(best.x) if -best.fun >= profile(0.0) else 0.0
    value = float(brentq(excess, start, stated.value, xtol=TOLERANCE))
    lowest = 0.0 if excess(0.0) >= 0 else float(brentq(excess, 0.0, start, xtol=TOLERANCE))
    return replace(
        noise,
        false_positive_rate=Rate(value=value, low=min(lowest, value), high=value),
        source=(
            f"{noise.source}; a false-positive rate of {stated.describe()} is contradicted by the {len(labels)} "
            f"validation films and was lowered to {format_exact_threshold(value)}, the highest that is not"
        ),
    )
