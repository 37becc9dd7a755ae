"""Recognises a model that tells films apart hardly or not at all, whatever its calibration looks like.

A model that gives every film the prevalence is perfectly calibrated and useless, so calibration error and Brier score
do not show it.
"""

import numpy as np
from scipy.special import logit

from cxr_core.evaluation.metrics.metrics import EPS
from cxr_core.reading.decision import Thresholds

# The standard deviation of the log-odds below which output is nearly constant. Correct probabilities whose log-odds
# are normal with standard deviation s in each class have an AUROC of Phi(s / sqrt(2)) (Pepe 2003, section 4.4):
# 0.53 for 0.1. So no honest model below it is of any use.
MIN_LOG_ODDS_SD = 0.1
# The share of films with one and the same probability from which output is nearly constant: a few outliers would lift
# the standard deviation.
MAX_IDENTICAL = 0.95
SAME_LOG_ODDS = 6  # decimals of log-odds that count as the same
MIN_FILMS = 10  # of a class: none out of fewer says little (a rate of 26 % is still possible for none out of 10)


def describe_degenerate_output(
    probabilities: np.ndarray, labels: np.ndarray, thresholds: Thresholds | None = None
) -> str:
    """Why the answers of a model to one finding are of no use, as sentences; empty when they may be.

    probabilities: (N,) in [0, 1].  labels: (N,) 0 or 1, unknown ones already dropped.  thresholds: those of the model's
    default decision; None leaves its verdicts aside.
    """
    sentences = [_describe_constant_output(probabilities)]
    if thresholds is not None:
        sentences += _describe_one_sided_verdicts(probabilities, labels, thresholds)
    return " ".join(sentence for sentence in sentences if sentence)


def _describe_constant_output(probabilities: np.ndarray) -> str:
    """Whether nearly every film gets nearly the same probability."""
    count = len(probabilities)
    if count < MIN_FILMS:
        return ""
    log_odds = logit(np.clip(np.asarray(probabilities, np.float64), EPS, 1 - EPS))
    _, counts = np.unique(np.round(log_odds, SAME_LOG_ODDS), return_counts=True)
    identical = int(counts.max())
    if identical >= MAX_IDENTICAL * count:
        return f"Nearly constant output: {identical:,} of {count:,} films get the same probability."
    spread = float(np.std(log_odds))
    if spread < MIN_LOG_ODDS_SD:
        lowest, highest = np.quantile(probabilities, [0.05, 0.95])
        return (
            f"Nearly constant output: 90 % of {count:,} films get a probability from {lowest:.3f} to {highest:.3f} "
            f"(standard deviation of the log-odds {spread:.3f}, at least {MIN_LOG_ODDS_SD:g} is expected)."
        )
    return ""


def _describe_one_sided_verdicts(
    probabilities: np.ndarray, labels: np.ndarray, thresholds: Thresholds
) -> list[str]:
    """Whether the verdict that ought to be given to a class is given to none of its films."""
    sentences = []
    with_finding, without = probabilities[labels == 1], probabilities[labels == 0]
    if len(with_finding) >= MIN_FILMS and not np.any(with_finding >= thresholds.present_from):
        sentences.append(
            f"Sensitivity 0: none of {len(with_finding):,} films with the finding is suspected."
        )
    if len(without) >= MIN_FILMS and not np.any(without < thresholds.absent_below):
        sentences.append(
            f"Specificity 0: each of {len(without):,} films without the finding is suspected or undecided."
        )
    return sentences
