"""A probability from classifier and measurement together, by the small explicit model in the classifier's card."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_core.film.radiograph import View
from cxr_core.models.card import Combination, ModelCard
from cxr_core.reading.cardiothoracic.ratio import RATIO, WIDENING, Measurement
from cxr_core.reading.log_odds import expit, log_odds

AP_SHARE: dict[str, float] = {"AP": 1.0, "PA": 0.0, "LATERAL": 0.0}
UNKNOWN_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Who said what: the classifier's own probability, and the measured value that was combined with it."""

    classifier: float
    measurement: str
    value: float

    def to_json(self) -> dict[str, Any]:
        """As `read --json` has it."""
        return {"classifier": self.classifier, self.measurement: round(self.value, 4)}


def combined_logit(fitted: Combination, log_odds: float, value: float, view: View | None) -> float:
    """The combined log-odds. log_odds: of the classifier's calibrated probability.  value: as measured."""
    share = UNKNOWN_SHARE if view is None else AP_SHARE[view]
    by_ratio = fitted.measured * (value - fitted.centre)
    return fitted.intercept + fitted.classifier * log_odds + by_ratio + fitted.ap * share


def combined_logits(
    fitted: Combination, log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray
) -> np.ndarray:
    """`combined_logit` of many films, (N,) each; views that are not known are any other text."""
    each = zip(log_odds.tolist(), ratios.tolist(), views.tolist(), strict=True)
    return np.array(
        [
            combined_logit(fitted, x, ratio, view if view in AP_SHARE else None)
            for x, ratio, view in each
        ]
    )


def combine(
    card: ModelCard,
    finding: str,
    probability: float,
    measurement: Measurement | None,
    view: View | None,
) -> tuple[float, Parts | None]:
    """The probability that is shown, and its parts; the classifier's alone, without parts, where nothing is combined.

    Combined is a ratio that the segmenter of the card's combination measured itself, and that no doubt but one of view
    or age speaks against: those were in the films that it was fitted on.
    """
    fitted = card.combination.get(finding)
    automatic = measurement.automatic or measurement if measurement else None
    if (
        fitted is None
        or automatic is None
        or automatic.value is None
        or fitted.measurement != RATIO
    ):
        return probability, None
    if f"{automatic.model} {automatic.version}" != fitted.model or not set(
        automatic.reasons
    ) <= set(WIDENING):
        return probability, None
    both = expit(combined_logit(fitted, log_odds(probability), automatic.value, view))
    return both, Parts(classifier=probability, measurement=RATIO, value=automatic.value)
