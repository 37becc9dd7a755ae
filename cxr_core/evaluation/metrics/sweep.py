"""Computes figures at every threshold, once for a set of films: any threshold is then a lookup.

Also what follows from sensitivity and specificity at a prevalence that the reader gives: predictive values by Bayes'
theorem, and the net benefit of calling films positive. NaN = undefined, as in metrics.py.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cxr_core.evaluation.metrics.metrics import Confusion, Rates, divide

THRESHOLDS = np.arange(1001) / 1000
# The steps of the movable threshold: equal in log-odds, so that those of a rare finding are as far apart as those of a
# frequent one. 0 calls every film and 1 hardly any.
THRESHOLD_STEPS = np.concatenate([[0], expit(np.arange(-180, 181) / 20), [1]])
DISTRIBUTION_BINS = 40
EDGE_DIGITS = 6
# Edges of bins of equal width in log-odds; the outer ones hold everything beyond.
LOG_ODDS_EDGES = np.concatenate([[0], expit(np.linspace(-7, 7, 43)), [1]])


@dataclass(frozen=True, eq=False)
class Sweep:
    """Calls of N films at each threshold that makes a difference, from none called positive to all.

    scores: (V,) distinct probabilities, highest first.  true_positive, false_positive: (V + 1,) films called when the
    threshold is above the first score, at the first, at the second, and so on.
    """

    scores: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray

    @property
    def positives(self) -> int:
        """Films with the finding."""
        return int(self.true_positive[-1])

    @property
    def negatives(self) -> int:
        """Films without it."""
        return int(self.false_positive[-1])

    @property
    def prevalence(self) -> float:
        """Share of the films with the finding; NaN without films."""
        films = self.positives + self.negatives
        return self.positives / films if films else float("nan")

    def confusion_at(self, thresholds: float | np.ndarray) -> Confusion:
        """The confusion at one or many thresholds: a film is called whose probability is at or above it."""
        place = len(self.scores) - np.searchsorted(self.scores[::-1], thresholds, side="left")
        true, false = self.true_positive[place], self.false_positive[place]
        return Confusion(true, false, self.positives - true, self.negatives - false)

    def confusion_at_all(self) -> Confusion:
        """The confusion at every threshold that makes a difference, (V + 1,) each: the corners of ROC and PR."""
        return Confusion(
            self.true_positive,
            self.false_positive,
            self.positives - self.true_positive,
            self.negatives - self.false_positive,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit per film of acting on the model's calls, on every film, and on none (which is 0). (T,) each.

    Source: Vickers & Elkin 2006, Med. Decis. Making 26:565-574.
    """

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    prevalence: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """How many films of each class have a probability in each bin. edges: (B + 1,); the counts: (B,)."""

    edges: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


def sweep_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> Sweep:
    """Count calls at every threshold. probabilities: (N,) in [0, 1].  labels: (N,) 0 or 1, unknown ones dropped."""
    order = np.argsort(-probabilities, kind="stable")
    scores, positive = probabilities[order], labels[order] == 1
    last = np.empty(0, int)  # the last film of each distinct score
    if len(scores):
        last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    true = np.append(0, np.cumsum(positive)[last]).astype(np.float64)
    false = np.append(0, np.cumsum(~positive)[last]).astype(np.float64)
    return Sweep(scores[last], true, false)


def positive_predictive_value(
    sensitivity: Rates, specificity: Rates, prevalence: Rates
) -> np.ndarray:
    """Of the films called positive, the share with the finding at a prevalence; NaN where none would be called.

    Arrays that go together, each in [0, 1]. Source: Bayes' theorem; Altman & Bland 1994, BMJ 309:102.
    """
    true = sensitivity * prevalence
    return divide(true, true + (1 - specificity) * (1 - prevalence))


def negative_predictive_value(
    sensitivity: Rates, specificity: Rates, prevalence: Rates
) -> np.ndarray:
    """Of the films called negative, the share without the finding; arguments as above."""
    true = specificity * (1 - prevalence)
    return divide(true, true + (1 - sensitivity) * prevalence)


def count_per_thousand(
    sensitivity: float, specificity: float, prevalence: float
) -> tuple[float, float, float]:
    """Of 1,000 patients: how many have the finding, are called positive, and are called so rightly."""
    present = 1000 * prevalence
    true = sensitivity * present
    return present, true + (1 - specificity) * (1000 - present), true


def compute_net_benefit(
    sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float, thresholds: np.ndarray
) -> np.ndarray:
    """True calls per film, less the false ones weighted by the odds of the threshold.

    thresholds in [0, 1); NaN at 1, where no number of false calls would outweigh one missed finding.
    """
    odds = divide(thresholds, 1 - np.asarray(thresholds))
    false_share = (1 - specificity) * (1 - prevalence)
    benefit: np.ndarray = sensitivity * prevalence - false_share * odds
    return benefit


def compute_decision_curve(
    films: Sweep, prevalence: float | None = None, thresholds: np.ndarray | None = None
) -> DecisionCurve:
    """The net benefit of a model's calls at each threshold. prevalence: None for that of the films."""
    prevalence = films.prevalence if prevalence is None else prevalence
    thresholds = THRESHOLDS[5:1000:5] if thresholds is None else thresholds
    calls = films.confusion_at(thresholds)
    everybody = np.ones(len(thresholds))
    return DecisionCurve(
        thresholds=thresholds,
        model=compute_net_benefit(calls.sensitivity, calls.specificity, prevalence, thresholds),
        treat_all=compute_net_benefit(everybody, 0 * everybody, prevalence, thresholds),
        prevalence=prevalence,
    )


def bin_probabilities(
    probabilities: np.ndarray, labels: np.ndarray, edges: np.ndarray | None = None
) -> Distribution:
    """How the probabilities of each class are spread over bins of [0, 1], the last closed.

    edges: rising, from 0 to 1; None for bins of equal width.
    """
    if edges is None:
        # Divided rather than spaced by NumPy: a click on a bar then finds exactly the films that it counts.
        edges = np.arange(DISTRIBUTION_BINS + 1) / DISTRIBUTION_BINS
    edges = np.round(edges, EDGE_DIGITS)
    return Distribution(
        edges=edges,
        positives=np.histogram(probabilities[labels == 1], edges)[0],
        negatives=np.histogram(probabilities[labels == 0], edges)[0],
    )
