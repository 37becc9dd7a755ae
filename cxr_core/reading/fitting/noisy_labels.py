"""The likelihood of labels that are wrong at known rates, so that a fit to them is a fit to the truth behind them.

The chance of a label is `f + (s - f) * P(truth)`, with the labels' sensitivity s and false-positive rate f. The model
of the truth is put through this chance before it is compared with the labels: forward correction.
Source: Patrini et al. 2017, arXiv:1609.03683, section 4.1.
"""

import numpy as np
from scipy.special import log_expit

from cxr_core.models.label_noise import LabelNoise


def compute_log_likelihood(
    log_odds: np.ndarray, labels: np.ndarray, noise: LabelNoise | None
) -> np.ndarray:
    """(N,) natural logarithm of the chance of each label. None: labels without noise.

    log_odds: (N,) of the truth.  labels: (N,) 0 or 1.
    """
    present, absent = log_expit(log_odds), log_expit(-log_odds)
    if noise is not None:
        floor, ceiling = noise.false_positive_rate.value, noise.sensitivity.value
        present = np.logaddexp(_log(floor), _log(ceiling - floor) + present)
        absent = np.logaddexp(_log(1 - ceiling), _log(ceiling - floor) + absent)
    chances: np.ndarray = np.where(labels == 1, present, absent)
    return chances


def _log(share: float) -> float:
    return float(np.log(share)) if share > 0 else -np.inf
