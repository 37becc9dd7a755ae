"""Chooses the two thresholds of a decision on validation films, by class-conditional split conformal prediction.

A film is suspected where so few absent films of validation reach its probability that "absent" is rejected, not
suspected where so few present films lie as low that "present" is rejected, and undecided where neither is. Rejected is
a class whose p-value is at most the error; the p-value counts the new film as well: (films at least as extreme + 1) /
(films of the class + 1). Films with the very same probability count as extreme, so ties only make a decision rarer.

Of new films of either class at most a share of `error` is then misjudged, on average over draws of the validation
films, if they are exchangeable with these: of the same population, by the same scanners, chosen in the same way. It
holds over all such films, not for a subgroup or a single film, and with a few dozen films of a class the share may well
be twice as large. Calibration keeps the order of the films and so the guarantee; that an epoch, or the weights of a
fusion, was chosen on the same films, and that patients have several, weakens it a little.

Sources: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, section 4.5 (label-conditional
predictors); Angelopoulos & Bates 2021, arXiv:2107.07511, section 4.
"""

import math

import numpy as np

from cxr_core.decisions import ERRORS
from cxr_core.models.card import DecisionThresholds
from cxr_core.reading.fitting.calibration import choose_youden_threshold


def choose_decisions(
    probabilities: np.ndarray, labels: np.ndarray, source: str
) -> tuple[DecisionThresholds, ...]:
    """The thresholds of each decision in ERRORS; none for an error for which a class has too few films.

    probabilities: (N,) calibrated.  labels: (N,) 0 or 1, both among them.
    `present_from` is the lowest probability that rejects "absent", and belongs to the suspected films; `absent_below`
    is the lowest that no longer rejects "present", and does not belong to the films that are not suspected. Where the
    classes part so well that both would be rejected in between, both become the balanced threshold, or the end that is
    nearer to it where it lies outside, and nothing is undecided.
    """
    present, absent = (
        np.sort(probabilities[labels == label]).astype(np.float64) for label in (1, 0)
    )
    decisions = []
    for name, error in ERRORS.items():
        missed, false_alarms = (
            count_allowed_errors(len(films), error) for films in (present, absent)
        )
        if missed < 0 or false_alarms < 0:
            continue
        if absent[-1 - false_alarms] >= 1:
            continue  # no probability is higher than that of these absent films
        present_from = float(np.nextafter(absent[-1 - false_alarms], 1.0))
        absent_below = float(present[missed])
        if present_from < absent_below:
            balanced = choose_youden_threshold(probabilities, labels)
            present_from = absent_below = min(max(balanced, present_from), absent_below)
        decisions.append(
            DecisionThresholds(
                name=name,
                error=error,
                present_from=present_from,
                absent_below=absent_below,
                source=f"{source}; class-conditional conformal prediction",
            )
        )
    return tuple(decisions)


def count_allowed_errors(films: int, error: float) -> int:
    """How many validation films of a class may lie beyond its threshold; -1 where even none would be too many.

    19 films are the fewest for an error of 5 %, 9 for 10 %: with fewer no p-value can be as low.
    """
    return math.floor(error * (films + 1)) - 1
