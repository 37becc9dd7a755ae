"""Combines a classifier's probability with the measured ratio, by the logistic model in the classifier's card."""

from dataclasses import dataclass

import numpy as np

from cxr_core.film.radiograph import View
from cxr_core.models.card import Fusion, ModelCard
from cxr_core.presentation.wording import format_fusion
from cxr_core.reading.calibration import expit, log_odds
from cxr_core.reading.cardiothoracic.ratio import RATIO, WIDENING_REASONS, Measurement
from cxr_core.workspace.json_files import JsonObject

AP_WEIGHTS: dict[str, float] = {"AP": 1.0, "PA": 0.0, "LATERAL": 0.0}
UNKNOWN_VIEW_WEIGHT = 0.5


@dataclass(frozen=True, kw_only=True)
class FusionParts:
    """What a combined probability is made of: the classifier's own probability and the measured value."""

    classifier: float
    measurement: str
    value: float
    edited: bool = False  # whether a person has set the diameters

    def to_json(self) -> JsonObject:
        """The parts as `read --json` has them."""
        parts: JsonObject = {
            "classifier": self.classifier,
            self.measurement: round(self.value, 4),
        }
        return parts | ({"edited": True} if self.edited else {})

    def describe(self) -> str:
        """The parts in words: `network 12 %, CTR 0.56`."""
        return format_fusion(self.classifier, self.value, self.edited)


def fuse_logit(fitted: Fusion, log_odds: float, value: float, view: View | None) -> float:
    """The combined log-odds. log_odds: of the classifier's calibrated probability.  value: as measured."""
    ap_weight = UNKNOWN_VIEW_WEIGHT if view is None else AP_WEIGHTS[view]
    by_ratio = fitted.measured * (value - fitted.centre)
    return fitted.intercept + fitted.classifier * log_odds + by_ratio + fitted.ap * ap_weight


def fuse_logits(
    fitted: Fusion, log_odds: np.ndarray, ratios: np.ndarray, views: np.ndarray
) -> np.ndarray:
    """`fuse_logit` of many films, (N,) each; any text but PA, AP and LATERAL is an unknown view."""
    films = zip(log_odds.tolist(), ratios.tolist(), views.tolist(), strict=True)
    return np.array(
        [
            fuse_logit(fitted, logit, ratio, view if view in AP_WEIGHTS else None)
            for logit, ratio, view in films
        ]
    )


def fuse_probability(
    card: ModelCard,
    finding: str,
    probability: float,
    measurement: Measurement | None,
    view: View | None,
    use_edited: bool = False,
) -> tuple[float, FusionParts | None]:
    """The probability to show and its parts; the classifier's own, without parts, where nothing is combined.

    A ratio is combined when the card's segmenter measured it and nothing but view or age speaks against it: such films
    were among those that the combination was fitted on. Diameters set by hand do not change the probability, unless
    `use_edited`: then their ratio counts, whatever spoke against the automatic one.
    """
    fitted = card.fusion.get(finding)
    if fitted is None or fitted.measurement != RATIO or measurement is None:
        return probability, None
    if use_edited and measurement.edited and measurement.value is not None:
        edited = expit(fuse_logit(fitted, log_odds(probability), measurement.value, view))
        return edited, FusionParts(
            classifier=probability, measurement=RATIO, value=measurement.value, edited=True
        )
    automatic = measurement.automatic or measurement
    trusted = set(automatic.reasons) <= set(WIDENING_REASONS)
    same_segmenter = f"{automatic.model} {automatic.version}" == fitted.model
    if automatic.value is None or not trusted or not same_segmenter:
        return probability, None
    fused = expit(fuse_logit(fitted, log_odds(probability), automatic.value, view))
    return fused, FusionParts(classifier=probability, measurement=RATIO, value=automatic.value)
