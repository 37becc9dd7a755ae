"""Probabilities as log-odds and back, for single numbers."""

import math

CLOSEST = 1e-6  # to 0 and to 1, so that log-odds stay finite


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), of a probability held within CLOSEST of 0 and 1."""
    clipped = min(max(probability, CLOSEST), 1 - CLOSEST)
    return math.log(clipped / (1 - clipped))


def expit(logit: float) -> float:
    """The probability of a log-odds."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
